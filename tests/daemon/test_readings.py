"""What an account asks the broker comes back as an event, whatever happens."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio

from daemon import readings
from statecharts.events import BalanceRead, BalanceUnread, ContractAbsent, ContractRead, ContractUnread, Event
from statecharts.values import BrokerAccountId, Symbol
from tests.daemon.logins.scripted import Peer, told, wall
from tests.daemon.logins.test_session import Stage

ACCOUNT = BrokerAccountId(900)
WHOLE = {"totalCashValue": 50000, "realizedPnL": -20, "openPnL": 5.5}


def _asked(answer: object, status: int = 200, symbol: Symbol | None = None) -> Event:
    """What comes back when the broker answers so; None: it never does."""
    found: list[Event] = []

    async def script(peer: Peer) -> None:
        await peer.open()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer._beat)
            while True:
                request = await peer.hear()
                if "/list" in request:
                    await peer.answer(request, [])
                elif answer is not None:
                    await peer.answer(request, answer, status)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await stage.session.whole()
        if symbol is None:
            found.append(await readings.balance(stage.session, ACCOUNT, wall))
        else:
            found.append(await readings.contract(stage.session, symbol, wall))

    told(story)
    return found[0]


def test_a_whole_balance() -> None:
    event = _asked(WHOLE)
    assert isinstance(event, BalanceRead)
    assert (event.cash, event.realized, event.open_profit) == (Decimal(50000), Decimal(-20), Decimal("5.5"))
    assert event.asked_at <= event.at


@pytest.mark.parametrize(("answer", "status", "why"), [
    ({"errorText": "account is not found (ID:900)"}, 200, "200 account is not found (ID:900)"),
    ("Access is denied", 401, "401 Access is denied"),
    ({"p-ticket": "x", "p-time": 5}, 200, "200"),
    (None, 200, "no answer within 10 s"),
])  # fmt: skip
def test_no_balance(answer: object, status: int, why: str) -> None:
    event = _asked(answer, status)
    assert isinstance(event, BalanceUnread)
    assert event.reason == why


def test_a_contract_that_is_not_there_and_one_that_nobody_says_anything_of() -> None:
    assert isinstance(_asked("Not found", 404, Symbol("ESZ6")), ContractAbsent)
    unread = _asked("busy", 503, Symbol("ESZ6"))
    assert isinstance(unread, ContractUnread)
    assert unread.reason == "contract/find was answered with 503"
    product = {"id": 3, "name": "MES", "tickSize": 0.25, "valuePerPoint": 5}
    assert isinstance(_asked(product, symbol=Symbol("MES")), ContractRead)


def test_without_a_session_nothing_is_known() -> None:
    async def main() -> None:
        money = await readings.balance(None, ACCOUNT, wall)
        facts = await readings.contract(None, Symbol("ESZ6"), wall)
        assert isinstance(money, BalanceUnread) and isinstance(facts, ContractUnread)
        assert money.reason == facts.reason == readings.NOT_CONNECTED

    trio.run(main)
