"""What bars an opening: what it barred is not chased, and while the account opens nothing no entry goes on resting."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from statecharts import events as e
from statecharts.account import fail
from statecharts.effects import PlaceOrder
from statecharts.order import Stage
from statecharts.values import Root, Status
from statecharts.view import View
from tests.statecharts.desk import (
    BUY,
    ES,
    LEAD,
    LEAD_ID,
    SELL,
    Desk,
    follower,
    in_position,
    limit,
    order,
    rules,
    stop,
    terms,
)

ONLY_THE_EXIT = "ESZ6: of the leader's Sell 3 only the exit is copied: "


def pause(desk: Desk) -> None:
    desk.hear(e.PauseAsked(at=desk.now))


def resume(desk: Desk) -> None:
    desk.hear(e.ResumeAsked(at=desk.now))


def waits(desk: Desk) -> str | None:
    return desk.account.book.contract(ES).no_entry


def test_an_entry_that_rests_is_taken_back_by_a_pause() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901)
    pause(desk)
    assert [one.order_id for one in desk.cancels] == [901]
    assert waits(desk) == "an entry was taken back (the account is paused); waits until the leader is flat"
    pause(desk)
    assert desk.cancels == [], "twice is once"


def test_an_entry_in_flight_is_taken_back_when_it_rests_and_managed_when_it_fills() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    pause(desk)
    assert desk.cancels == []
    desk.accepted(entry, 901)
    assert [one.order_id for one in desk.cancels] == [901]
    desk.seen(entry, 901, 2)
    assert desk.own == {ES: 2}
    desk.leader(order(101, BUY, limit(2), 2), order(102, SELL, stop(2)))
    assert desk.quantities == [(SELL, 2)], "what has become ours is protected, paused or not"


def test_an_entry_that_was_to_be_smaller_for_a_moment_does_not_grow_again_when_nothing_may_open() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901)
    desk.leader(order(101, BUY, limit(1), version=201))
    smaller = desk.modifies[0]
    desk.leader(order(102, BUY, limit(1, 4990)))
    desk.refused(desk.place)
    assert waits(desk) is not None
    desk.leader(order(101, BUY, limit(2, 5001), version=202))
    assert desk.modifies == [], "one change at a time"
    desk.accepted(smaller)
    desk.seen(entry, 901, asked=limit(1), version=902)
    assert [one.terms for one in desk.modifies] == [limit(1, 5001)], "its price follows"


def test_a_change_that_had_to_wait_makes_no_entry_larger_while_the_leader_is_away() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(1)))
    entry = desk.place
    desk.accepted(entry, 901)
    desk.leader(order(101, BUY, limit(1, 5001), version=201))
    moved = desk.modifies[0]
    desk.leader(order(101, BUY, limit(3, 5001), version=202))
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    desk.accepted(moved)
    desk.seen(entry, 901, asked=limit(1, 5001), version=902)
    assert desk.modifies == []
    desk.leader_read_anew()
    assert [one.terms for one in desk.modifies] == [limit(3, 5001)], "nothing of it has filled: it is sized anew"


def test_what_becomes_close_only_takes_its_entries_back_too() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901)
    desk.account = fail(desk.account, desk.now, "KeyError").account
    desk.read_anew(order(901, BUY, limit(2), client_ids=frozenset({entry.client_id})))
    assert [one.order_id for one in desk.cancels] == [901]


def test_a_change_that_enlarges_does_not_leave_after_the_pause_that_came_before_it() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901)
    desk.leader(order(101, BUY, limit(2, 5001), version=201))
    (change,) = desk.modifies
    desk.leader(order(101, BUY, limit(5, 5001), version=202))  # waits for the answer to the first
    pause(desk)
    desk.accepted(change)
    desk.seen(entry, 901, asked=limit(2, 5001))
    assert desk.modifies == [] and [one.order_id for one in desk.cancels] == [901]
    desk.leader(order(101, BUY, limit(9, 5001), version=203))
    assert desk.modifies == []


def test_exits_their_changes_and_their_cancels_go_while_paused() -> None:
    desk = in_position(3)
    desk.leader(order(101, SELL, stop(1)))
    protection = desk.place
    desk.accepted(protection, 901)
    pause(desk)
    assert desk.cancels == []
    desk.leader(order(101, SELL, stop(3, 4995), version=201))
    (change,) = desk.modifies
    assert change.terms == stop(3, 4995)
    desk.accepted(change)
    desk.seen(protection, 901, asked=stop(3, 4995))
    desk.leader(order(101, SELL, stop(3, 4995), status=Status.CANCELED, version=201))
    (cancel,) = desk.cancels
    desk.accepted(cancel)
    desk.seen(protection, 901, asked=stop(3, 4995), status=Status.CANCELED)
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 3)]


def test_a_held_exit_is_released_while_paused() -> None:
    desk = follower()
    desk.leader(order(101, BUY, terms(2), 2))
    entry = desk.place
    desk.leader(order(102, SELL, terms(2), 2))
    assert desk.copy_of(102).stage is Stage.HELD
    pause(desk)
    desk.fills(entry, 901)
    assert desk.quantities == [(SELL, 2)]


def test_of_a_reversal_that_rests_a_pause_leaves_the_exit() -> None:
    desk = in_position(2)
    desk.leader(order(101, SELL, stop(5)))
    reversal = desk.place
    assert reversal.terms.quantity == 5
    desk.accepted(reversal, 901)
    pause(desk)
    (change,) = desk.modifies
    assert change.terms == stop(2)
    desk.accepted(change)
    desk.seen(reversal, 901, asked=stop(2))
    assert desk.modifies == [] and desk.cancels == []
    desk.seen(reversal, 901, 2, asked=stop(2))
    assert desk.own == {}


def test_a_reversal_that_is_no_larger_than_what_is_ours_by_now_is_left() -> None:
    desk = in_position(2)
    desk.leader(order(103, BUY, limit(1)))
    more = desk.place
    desk.accepted(more, 903)
    desk.leader(order(101, SELL, stop(3)))
    desk.accepted(desk.place, 901)
    desk.seen(more, 903, 1)
    pause(desk)
    assert desk.cancels == [] and desk.modifies == [] and waits(desk) is None


def test_what_was_not_opened_while_paused_is_not_chased_after_it() -> None:
    desk = follower()
    pause(desk)
    desk.leader(order(101, BUY, terms(2), 2))
    resume(desk)
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == []
    assert desk.copy_of(102).reason == "an entry was missed (the account is paused); waits until the leader is flat"
    desk.leader(order(103, SELL, terms(3), 3), order(104, BUY, terms(1), 1))
    assert desk.quantities == [(BUY, 1)]


def test_what_came_and_went_while_paused_is_forgotten() -> None:
    desk = follower()
    pause(desk)
    desk.leader(order(101, BUY, terms(2), 2), order(102, SELL, terms(2), 2))
    resume(desk)
    assert waits(desk) is None


@pytest.mark.parametrize("key", ["deny", "allow"])
def test_what_is_not_copied_at_all_is_not_missed(key: str) -> None:
    desk = follower(rules(**{key: frozenset({Root("ES" if key == "deny" else "NQ")})}))
    desk.leader(order(101, BUY, terms(2), 2))
    assert desk.copy_of(101).stage is Stage.SKIPPED and waits(desk) is None


def test_a_reversal_that_waited_and_may_not_open_is_missed_in_part() -> None:
    desk = follower()
    desk.leader(order(101, BUY, terms(2), 2))
    entry = desk.place
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.copy_of(102).stage is Stage.HELD
    pause(desk)
    desk.fills(entry, 901)
    assert desk.quantities == [(SELL, 2)]
    assert waits(desk) is not None
    assert desk.heard("copy.skipped") == [f"{ONLY_THE_EXIT}the account is paused"]


def test_of_a_reversal_that_comes_while_nothing_may_open_it_is_told_that_it_only_exits() -> None:
    desk = in_position(2)
    pause(desk)
    desk.leader(order(102, SELL, terms(3), 3))
    assert desk.quantities == [(SELL, 2)]
    assert desk.heard("copy.skipped") == [f"{ONLY_THE_EXIT}the account is paused"]


def test_of_a_reversal_beside_an_unknown_it_is_told_that_it_only_exits() -> None:
    desk = in_position(2)
    desk.leader(order(101, BUY, terms(1), 1))
    entry = desk.place
    desk.sent(entry)
    desk.answer_lost(entry)
    desk.leader(order(102, SELL, terms(4), 4))
    assert desk.places == []
    (told,) = desk.heard("copy.skipped")
    assert told.startswith("ESZ6: of the leader's Sell 4 only the exit is copied: the answer to an order")


def test_a_pause_survives_a_restart_and_so_does_what_it_bars() -> None:
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901)
    pause(desk)
    (cancel,) = desk.cancels
    desk.answer_lost(cancel)
    desk.restarted()
    desk.hear(e.Authorized(at=desk.now))
    desk.read_anew(order(901, BUY, limit(2), client_ids=frozenset({entry.client_id})))
    assert [one.order_id for one in desk.cancels] == [901], "asked for anew, as the account does not show it"
    theirs = attrs.evolve(desk.theirs, generation=2)
    desk.leader_read_anew(View(LEAD_ID, 2, theirs.orders))
    desk.leader(order(102, BUY, terms(1), 1))
    assert desk.places == [] and desk.account.paused


def reversed_while_ours_rests() -> tuple[Desk, PlaceOrder]:
    """He is in, ours rests still, and he turns round: ours waits until the entry is gone."""
    desk = follower()
    desk.leader(order(101, BUY, limit(2)))
    entry = desk.place
    desk.accepted(entry, 901)
    desk.leader(order(101, BUY, limit(2), 2), order(102, SELL, terms(4), 4))
    desk.accepted(desk.cancels[0])
    assert desk.copy_of(102).stage is Stage.HELD
    return desk, entry


@pytest.mark.parametrize(("filled", "goes"), [(0, []), (1, [(SELL, 1)])])
def test_what_a_reversal_opens_is_not_opened_when_it_has_waited_too_long(filled: int, goes: list[object]) -> None:
    desk, entry = reversed_while_ours_rests()
    desk.now += timedelta(seconds=11)
    desk.seen(entry, 901, filled, Status.CANCELED)
    assert desk.quantities == goes
    assert desk.heard("copy.skipped") == [
        "ESZ6: of the leader's Sell 4 only the exit is copied: it has waited longer than an entry is fresh"
    ]
    assert "longer than an entry is fresh" in (waits(desk) or "")


def test_what_a_reversal_opens_goes_while_it_is_fresh() -> None:
    desk, entry = reversed_while_ours_rests()
    desk.wait(9)
    desk.seen(entry, 901, 1, Status.CANCELED)
    assert desk.quantities == [(SELL, 3)] and waits(desk) is None


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(("filled", "goes"), [(0, []), (1, [(SELL, 1)])])
def test_what_a_reversal_opens_is_not_opened_after_an_interruption(
    filled: int, goes: list[object], restarted: bool
) -> None:
    desk, entry = reversed_while_ours_rests()
    if restarted:
        desk.restarted()
    else:
        desk.lost()
        desk.hear(e.ReconnectAsked(at=desk.now))
    desk.hear(e.Authorized(at=desk.now))
    desk.leader_read_anew()
    names = frozenset({entry.client_id})
    positions = {ES: filled} if filled else {}
    desk.read_anew(order(901, BUY, limit(2), filled, Status.CANCELED, client_ids=names), positions=positions)
    assert desk.quantities == goes
    assert waits(desk) is not None
    assert "copying was interrupted" in desk.heard("copy.skipped")[0]
