"""What is shown of each contract, and why a flatten is not through yet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs

from daemon.control import contracts
from statecharts import events as e
from statecharts.book import FlattenedBy, Latch
from statecharts.values import Symbol
from tests.statecharts.desk import BUY, ES, NOON, SELL, Desk, follower, in_position, limit, order, stop, terms


def flattened(desk: Desk) -> Desk:
    desk.hear(e.FlattenAsked(at=desk.now))
    return desk


def left(desk: Desk) -> dict[str, Any]:
    found: Any = contracts.flatten(desk.account)
    (one,) = found["left"]
    return dict(one)


def test_nothing_is_flattened_nothing_is_in_hand() -> None:
    account = follower().account
    assert contracts.flatten(account) is None and contracts.words(account) == []
    assert contracts.in_hand(account) == [] and contracts.quarantined(account) == []


def test_what_is_on_its_way() -> None:
    desk = flattened(in_position(2))
    assert contracts.words(desk.account) == ["flattening"]
    assert left(desk) == {"symbol": ES, "ours": 2, "orders": 1, "why": "on its way", "retry_at": None}


def test_why_it_is_not_out_yet() -> None:
    desk = flattened(in_position(2))
    desk.refused(desk.place, "429", "the broker limits this login's requests")
    one = left(desk)
    assert "429" in one["why"] and one["retry_at"] is not None
    desk.account = attrs.evolve(
        desk.account, book=attrs.evolve(desk.account.book, silent_until=NOON + timedelta(hours=1))
    )
    assert "captcha" in left(desk)["why"]
    desk.lost()
    assert left(desk)["why"] == "Reconnecting: socket closed (1006)"


def test_an_order_that_is_looked_up() -> None:
    desk = in_position(2)
    desk.leader(order(101, BUY, terms(1), 1))
    desk.answer_lost(desk.place)
    assert left(flattened(desk))["why"] == "the answer to an order was lost, and it is looked up"


def test_the_firm_has_acted() -> None:
    desk = in_position(2)
    desk.foreign(attrs.evolve(order(7, SELL, limit(1)), admin=True))
    assert "the firm or the broker has acted there" in left(flattened(desk))["why"]


def test_what_is_not_out_yet_comes_before_what_is() -> None:
    desk = in_position(2)
    done = Latch(by=FlattenedBy.RISK, why="a limit", since=NOON, symbols=frozenset({Symbol("NQZ6")}), verified_at=NOON)
    desk.account = attrs.evolve(desk.account, book=attrs.evolve(desk.account.book, latches=(done,)))
    assert contracts.words(desk.account) == ["flattened"]
    flattened(desk)
    shown: Any = contracts.flatten(desk.account)
    assert (shown["by"], contracts.words(desk.account)) == ("operator", ["flattening"])


def test_what_is_in_hand_in_each_contract() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    desk.foreign(order(7, BUY, terms(1), 1))
    desk.hear(e.PositionSeen(at=NOON, symbol=ES, net=3))
    (one,) = contracts.in_hand(desk.account)
    assert one == {
        "symbol": ES,
        "position": 3,
        "ours": 2,
        "theirs": 1,
        "target": 2,
        "orders": 1,
        "waits": None,
        "closing": None,
    }
    (quarantined,) = contracts.quarantined(desk.account)
    assert quarantined["remedy"] == "copierctl release eval1 ESZ6" and quarantined["order_id"] == 7
