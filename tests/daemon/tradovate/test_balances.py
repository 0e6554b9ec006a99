"""An account's money as the broker tells it: the newest, in one currency, and nothing that it has not said."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from daemon.tradovate.balances import Reading, reading
from daemon.tradovate.mirror import Mirror
from daemon.tradovate.scalars import iso
from statecharts.events import BalanceSeen
from statecharts.view import Balance
from tests.daemon.tradovate.wire import ACCOUNT, NOW, Entity, props, sync


def cash(amount: object, realized: object = 0, seconds: int = 0, **more: object) -> Entity:
    return {
        "id": 7001,
        "accountId": ACCOUNT,
        "timestamp": iso(NOW + timedelta(seconds=seconds)),
        "tradeDate": {"year": 2026, "month": 3, "day": 2},
        "currencyId": 1,
        "amount": amount,
        "realizedPnL": realized,
        **more,
    }


def loaded(*balances: Entity) -> Mirror:
    mirror = Mirror()
    assert mirror.load(sync(cashBalances=list(balances)), NOW) == []
    return mirror


def known(mirror: Mirror) -> Balance | None:
    snapshot = mirror.snapshot(ACCOUNT, NOW)
    assert snapshot is not None
    return snapshot.balance


def test_a_snapshot_has_the_balance_and_one_without_it_says_nothing_of_it() -> None:
    assert known(loaded(cash(Decimal("49998.76"), -20))) == Balance(Decimal("49998.76"), Decimal(-20), NOW)
    without = Mirror()
    assert without.load(sync(), NOW) == []
    assert known(without) is None
    assert without.absent == frozenset()


def test_a_change_is_told_once_and_the_past_is_none() -> None:
    mirror = loaded(cash(50000))
    changed = props("cashBalance", cash(49500, -500, 5), "Updated")
    facts, faults = mirror.fold(changed, NOW)
    assert faults == ()
    assert facts == (
        (ACCOUNT, BalanceSeen(at=NOW, balance=Balance(Decimal(49500), Decimal(-500), NOW + timedelta(seconds=5)))),
    )
    assert mirror.fold(changed, NOW) == ((), ())
    assert mirror.fold(props("cashBalance", cash(50000, 0, 3), "Updated"), NOW) == ((), ())
    assert mirror.fold(props("cashBalance", cash(50000, 0, id=9, currencyId=4), "Created"), NOW) == ((), ())


def test_of_several_currencies_it_is_the_first() -> None:
    mirror = loaded(cash(100, id=1, currencyId=3), cash(50000, id=2, currencyId=1), cash(200, id=3, currencyId=2))
    assert known(mirror) == Balance(Decimal(50000), Decimal(0), NOW)


def test_where_it_is_not_said_what_was_realized_the_days_beginning_tells() -> None:
    bare = {name: value for name, value in cash(49500).items() if name != "realizedPnL"}
    assert known(loaded({**bare, "amountSOD": 50000})) == Balance(Decimal(49500), Decimal(-500), NOW)
    assert known(loaded(bare)) == Balance(Decimal(49500), None, NOW)


def test_a_balance_without_its_amount_is_none() -> None:
    mirror = Mirror()
    assert mirror.load(sync(cashBalances=[cash("much")]), NOW) == ["cashBalance 7001: unreadable amount"]
    assert known(mirror) is None


def test_a_reading_is_whole_or_none() -> None:
    whole = {"totalCashValue": 50000, "realizedPnL": Decimal("-20.5"), "openPnL": 3, "netLiq": 50003}
    assert reading(whole) == Reading(Decimal(50000), Decimal("-20.5"), Decimal(3))
    assert reading({**whole, "errorText": ""}) == reading(whole)


@pytest.mark.parametrize("lacks", ["totalCashValue", "realizedPnL", "openPnL"])
def test_what_a_reading_lacks_is_not_zero(lacks: str) -> None:
    whole: dict[str, object] = {"totalCashValue": 50000, "realizedPnL": 0, "openPnL": 0}
    del whole[lacks]
    assert reading(whole) is None


@pytest.mark.parametrize("bad", [None, [], "no", {"errorText": "account is not found (ID:0)", "openPnL": 0}])
def test_what_is_no_answer_is_no_reading(bad: object) -> None:
    assert reading(bad) is None
