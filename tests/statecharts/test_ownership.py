"""Release and adopt: what the operator says of a position that is not ours, or that waits."""

from __future__ import annotations

import attrs
import pytest

from statecharts import events as e
from statecharts import ownership, strangers
from statecharts.book import Contract
from statecharts.order import Stage
from statecharts.values import OrderType, Side, Status
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    LEAD,
    LEAD_ID,
    NOON,
    SELL,
    Desk,
    follower,
    in_position,
    limit,
    order,
    stop,
    terms,
)


def release(desk: Desk) -> None:
    desk.hear(e.ReleaseAsked(at=desk.now, symbol=ES))


def adopt(desk: Desk) -> None:
    desk.hear(e.AdoptAsked(at=desk.now, symbol=ES))


def contract(desk: Desk) -> Contract:
    return desk.account.book.contract(ES)


def no_adoption(desk: Desk) -> str | None:
    rules = desk.account.rules.copy
    assert rules is not None
    return ownership.no_adoption(desk.account.book, ES, True, rules)


def by_hand(desk: Desk, side: Side, quantity: int, number: int = 7) -> None:
    desk.foreign(order(number, side, terms(quantity), quantity))


# Release


def test_a_released_contract_is_copied_again_beside_what_is_not_ours() -> None:
    desk = in_position(2)
    by_hand(desk, BUY, 1)
    assert (contract(desk).foreign_at, contract(desk).foreign_order) == (NOON, 7)
    release(desk)
    assert desk.heard("account.released") == [
        "ESZ6 is copied again beside +1 that are not ours and are not touched. Ours are 2"
    ]
    desk.leader(order(101, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]
    desk.fills(desk.place, 901)
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 3)], "ours, and not a contract more"


def test_a_human_on_the_other_side_is_left_alone_too() -> None:
    desk = follower()
    by_hand(desk, SELL, 1)
    release(desk)
    desk.leader(order(101, BUY, terms(2), 2))
    entry = desk.place
    desk.fills(entry, 900)
    ours = frozenset({entry.client_id})
    before = contract(desk)
    desk.read_anew(order(7, SELL, terms(1), 1), order(900, BUY, terms(2), 2, client_ids=ours), positions={ES: 1})
    assert contract(desk) == before and (before.own, before.foreign) == (2, -1)
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)], "the account holds 1, and his -1 are what is left"


@pytest.mark.parametrize(
    ("side", "quantity", "barred"),
    [(BUY, 1, True), (SELL, 1, False), (SELL, 2, False), (SELL, 3, False)],
)
def test_the_next_trade_of_somebody_else_bars_again_unless_it_makes_his_part_smaller(
    side: Side, quantity: int, barred: bool
) -> None:
    desk = follower()
    by_hand(desk, BUY, 2)
    release(desk)
    by_hand(desk, side, quantity, 8)
    assert strangers.quarantined(contract(desk)) is (barred or quantity == 3)
    desk.leader(order(101, BUY, terms(1), 1))
    assert (desk.places == []) is (barred or quantity == 3)


def test_what_he_gave_up_of_a_released_part_is_not_released_when_he_takes_it_again() -> None:
    desk = follower()
    by_hand(desk, BUY, 2)
    release(desk)
    by_hand(desk, SELL, 2, 8)
    assert contract(desk).accepted == 0 and contract(desk).foreign_at is None
    by_hand(desk, BUY, 1, 9)
    assert strangers.quarantined(contract(desk))


def test_more_of_his_and_back_to_what_was_released() -> None:
    desk = follower()
    by_hand(desk, BUY, 1)
    release(desk)
    by_hand(desk, BUY, 1, 8)
    by_hand(desk, SELL, 1, 9)
    assert not strangers.quarantined(contract(desk))


def test_what_is_not_quarantined_cannot_be_released() -> None:
    desk = in_position(2)
    before = desk.account.book
    release(desk)
    assert desk.account.book == before
    assert ownership.no_release(desk.account.book, ES) == "nothing in ESZ6 is quarantined"


def test_what_was_missed_in_a_quarantine_is_not_chased_after_it() -> None:
    desk = follower()
    by_hand(desk, BUY, 1)
    desk.leader(order(101, BUY, terms(2), 2))
    release(desk)
    assert desk.heard("account.released")[0].endswith("waits until the leader is flat")
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []


def test_a_release_outlives_a_reading_and_a_pause() -> None:
    desk = follower()
    by_hand(desk, BUY, 1)
    release(desk)
    desk.lost()
    desk.resuming()
    desk.read_anew(order(7, BUY, terms(1), 1), positions={ES: 1})
    assert not strangers.quarantined(contract(desk))
    assert len(desk.heard("account.quarantined")) == 1


# Adopt


def flattened_and_resumed(quantity: int = 2) -> Desk:
    """The leader holds so much, and rests a stop and a target; ours was flattened, and the account resumed."""
    desk = in_position(quantity)
    desk.leader(order(101, SELL, stop(quantity)))
    protection = desk.place
    desk.accepted(protection, 901)
    desk.hear(e.FlattenAsked(at=desk.now))
    desk.accepted(desk.cancels[0])
    desk.seen(protection, 901, status=Status.CANCELED)
    desk.fills(desk.place, 902)
    desk.leader(order(103, SELL, limit(quantity, 5020)))
    assert desk.copy_of(103).stage is Stage.SKIPPED
    desk.hear(e.ResumeAsked(at=desk.now))
    return desk


def test_as_much_as_the_leaders_ends_the_wait_and_is_protected_at_once() -> None:
    desk = flattened_and_resumed()
    by_hand(desk, BUY, 2)
    adopt(desk)
    assert desk.own == {ES: 2} and contract(desk).no_entry is None and contract(desk).foreign == 0
    assert sorted(one.terms.order_type.value for one in desk.places) == ["Limit", "Stop"]
    assert desk.heard("account.adopted") == [
        "ESZ6: all +2 count as ours now, as much as the leader's: it is copied again"
    ]
    desk.leader(order(104, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_more_than_the_leaders_is_trimmed() -> None:
    desk = flattened_and_resumed()
    by_hand(desk, BUY, 3)
    adopt(desk)
    (close,) = desk.places
    assert (close.side, close.terms) == (SELL, terms(1))
    assert desk.heard("account.adopted")[0].endswith("the leader's stands for 2, so 1 of it are closed")
    desk.fills(close, 905)
    assert desk.own == {ES: 2} and contract(desk).no_entry is None
    assert sorted(one.terms.order_type.value for one in desk.places) == ["Limit", "Stop"]


def test_less_than_the_leaders_is_protected_and_goes_on_waiting() -> None:
    desk = flattened_and_resumed()
    by_hand(desk, BUY, 1)
    adopt(desk)
    assert [(one.terms.order_type, one.terms.quantity) for one in desk.places] == [
        (OrderType.STOP, 1),
        (OrderType.LIMIT, 1),
    ]
    assert "short" in (contract(desk).no_entry or "")
    assert desk.heard("account.adopted")[0].endswith("what is missing is not chased")
    desk.leader(order(104, BUY, terms(1), 1))
    assert desk.places == []


def test_on_the_other_side_of_the_leader_it_is_closed() -> None:
    desk = flattened_and_resumed()
    by_hand(desk, SELL, 1)
    adopt(desk)
    assert desk.quantities == [(BUY, 1)]


def test_what_was_there_before_copying_began_is_adopted() -> None:
    desk = follower()
    working = order(101, SELL, stop(2))
    unknown = order(102, SELL, None, unsupported="QTS")
    desk.account = attrs.evolve(desk.account, book=attrs.evolve(desk.account.book, caught_up=None, theirs=None))
    desk.leader_read_anew(View(LEAD_ID, 2, {101: working, 102: unknown}, {ES: 2}))  # type: ignore[dict-item]
    by_hand(desk, BUY, 2)
    adopt(desk)
    assert desk.own == {ES: 2} and desk.quantities == [(SELL, 2)]


def test_an_add_that_was_missed_is_not_placed_for_what_was_adopted() -> None:
    desk = flattened_and_resumed()
    desk.leader(order(104, BUY, limit(1)))
    by_hand(desk, BUY, 2)
    adopt(desk)
    assert all(one.side is SELL for one in desk.places)


def test_in_mode_fills_nothing_that_rests_is_copied_for_what_was_adopted() -> None:
    desk = follower(mode="fills")
    desk.leader(order(100, BUY, terms(2), 2))
    desk.fills(desk.place, 900)
    desk.leader(order(101, SELL, stop(2)))
    desk.hear(e.FlattenAsked(at=desk.now))
    desk.fills(desk.place, 902)
    desk.hear(e.ResumeAsked(at=desk.now))
    by_hand(desk, BUY, 2)
    adopt(desk)
    assert desk.own == {ES: 2} and contract(desk).no_entry is None and desk.places == []
    desk.leader(order(104, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)]


def test_an_exit_that_still_rests_is_not_placed_again() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(2)))
    desk.accepted(desk.place, 901)
    desk.leader(order(102, BUY, terms(1), 1))
    desk.refused(desk.place)
    by_hand(desk, BUY, 1)
    adopt(desk)
    assert desk.own == {ES: 3} and contract(desk).no_entry is None and desk.places == []


def test_a_wait_ends_where_ours_is_as_much_as_the_leaders_already() -> None:
    desk = in_position(2)
    desk.leader(order(101, BUY, terms(1), 1))
    desk.refused(desk.place)
    assert contract(desk).no_entry
    desk.leader(order(102, SELL, terms(1), 1))  # change of the target: ours would be 1 now
    desk.fills(desk.place, 903)
    assert no_adoption(desk) is not None, "1 where the leader has 2"
    by_hand(desk, BUY, 1)
    adopt(desk)
    assert contract(desk).no_entry is None and desk.own == {ES: 2}


@pytest.mark.parametrize("what", ["leader away", "latched", "in doubt", "nothing", "shadow", "not connected"])
def test_what_cannot_be_adopted_is_refused_with_the_reason_and_changes_nothing(what: str) -> None:
    desk = in_position(2) if what != "shadow" else follower(shadow=True)
    by_hand(desk, BUY, 1)
    expected = {
        "leader away": "the leader's position is not known now",
        "latched": "ESZ6 is flattened (the operator asked for it): what were ours would be closed at once",
        "in doubt": "an order of ours in ESZ6 is not answered yet: whose the position is, is not known before",
        "nothing": "all that the account holds in ESZ6 (2) is ours already",
        "shadow": "the account only shadows: nothing on it is ours",
        "not connected": "the account is not connected: what it holds now is not known",
    }
    match what:
        case "leader away":
            desk.hear(e.LeaderLost(at=NOON, leader=LEAD, reason="closed", shown="Reconnecting"))
        case "latched":
            desk.hear(e.FlattenAsked(at=NOON))
        case "in doubt":
            desk.leader(order(101, SELL, terms(1), 1))
        case "nothing":
            by_hand(desk, SELL, 1, 8)
        case "not connected":
            desk.lost()
    rules = desk.account.rules.copy
    assert rules is not None
    acting = what != "not connected"
    assert ownership.no_adoption(desk.account.book, ES, acting, rules) == expected[what]
    before = desk.account.book
    adopt(desk)
    assert desk.account.book.contracts == before.contracts and desk.heard("account.adopted") == []


def test_before_the_account_has_been_read_nothing_is_adopted() -> None:
    desk = follower()
    desk.account = attrs.evolve(desk.account, book=attrs.evolve(desk.account.book, mine=None))
    adopt(desk)
    assert desk.own == {}
