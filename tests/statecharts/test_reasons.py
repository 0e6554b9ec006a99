"""Why the broker refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statecharts.reasons import Refusal, refusal


@pytest.mark.parametrize(
    ("why", "group"),
    [
        ("AccessDenied", Refusal.DENIED),
        ("UnknownReason: Access is denied", Refusal.DENIED),
        ("Unauthorized", Refusal.DENIED),
        ("TradingLocked: Account is restricted: TradingLocked", Refusal.LOCKED),
        ("LiquidationOnly", Refusal.LOCKED),
        ("LiquidationOnlyBeforeExpiration", Refusal.OTHER),
        ("SessionClosed: market is closed for this contract", Refusal.CLOSED),
        ("MaxPosLimitReached", Refusal.MARGIN),
        ("UnknownReason: Insufficient funds", Refusal.MARGIN),
        ("OtherExecutionRelated: not enough MARGIN", Refusal.MARGIN),
        ("NotEnoughLiquidity", Refusal.TRANSIENT),
        ("MaxOrderQtyLimitReached", Refusal.SIZE),
        ("429: the broker limits this login's requests", Refusal.LIMITED),
        ("OtherExecutionRelated: would be a wash trade", Refusal.CONFLICT),
        ("InvalidPrice: Invalid price increment", Refusal.PRICE),
        ("AnotherCommandPending", Refusal.TRANSIENT),
        ("a word that nobody knows", Refusal.OTHER),
        ("", Refusal.OTHER),
    ],
)
def test_the_groups(why: str, group: Refusal) -> None:
    assert refusal(why) is group


@given(st.text())
def test_every_text_has_a_group(why: str) -> None:
    assert isinstance(refusal(why), Refusal)


def test_what_passes_by_itself() -> None:
    lasting = {Refusal.PRICE, Refusal.SIZE, Refusal.MARGIN, Refusal.OTHER}
    assert {group for group in Refusal if not group.passes} == lasting
