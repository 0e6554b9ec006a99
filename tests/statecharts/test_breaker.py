"""The circuit breaker: a runaway, and a book that cannot be."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from statecharts import account, leader, openings, placement, sizing, unknowns
from statecharts import events as e
from statecharts.bars import Bar
from statecharts.book import Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Effect, ModifyOrder, PlaceOrder, Severity, Tell
from statecharts.order import Stage
from statecharts.rules import Rules, Runaway
from statecharts.sizing import Kind, Size
from statecharts.values import CopyId, Side, Symbol
from tests.statecharts.desk import BUY, ES, LEAD, SELL, Desk, follower, in_position, limit, order, rules, terms

THREE = Runaway(orders=3, per=timedelta(seconds=5))


def places(desk: Desk, first: int, count: int) -> int:
    """The leader places so many limit orders, each in a contract of its own. Answers how many are copied."""
    copied = 0
    for number in range(first, first + count):
        desk.leader(order(number, BUY, limit(1), symbol=Symbol(f"A{number}Z6")))
        copied += len(desk.places)
    return copied


def test_more_placements_than_runaway_make_the_follower_close_only_until_resume() -> None:
    desk = follower(runaway=THREE)
    assert places(desk, 1, 6) == 4, "the one too many is what trips it"
    (page,) = [tell for tell in desk.told if tell.severity is Severity.PAGE]
    assert "CLOSE-ONLY: 4 orders within 5 s" in page.message
    desk.wait(3600)
    assert places(desk, 10, 1) == 0
    desk.hear(e.ResumeAsked(at=desk.now))
    assert places(desk, 20, 3) == 3


def test_as_many_as_allowed_and_more_over_a_longer_time_trip_nothing() -> None:
    desk = follower(runaway=THREE)
    for first in (1, 11, 21):
        assert places(desk, first, 3) == 3
        desk.wait(5)
    assert desk.account.book.barred == {}
    assert len(desk.account.book.placements) <= 4


def test_closings_count_and_are_never_blocked() -> None:
    desk = in_position(4, runaway=THREE)
    for number in range(101, 105):
        desk.leader(order(number, SELL, terms(1), 1))
        assert desk.quantities == [(SELL, 1)]
    assert Bar.RUNAWAY in desk.account.book.barred
    desk.leader(order(110, BUY, terms(1), 1))
    assert desk.places == []


def test_the_count_survives_a_restart() -> None:
    desk = follower(runaway=THREE)
    places(desk, 1, 3)
    desk.restarted()
    assert len(desk.account.book.placements) == 3


def test_fills_that_no_code_could_prevent_trip_nothing_and_are_closed() -> None:
    """The broker fills more than was asked for; an exit fills between the leader's reversal and its own cancel."""
    desk = follower(max_position=2)
    desk.leader(order(1, BUY, terms(2), 2))
    place = desk.place
    desk.fills(place, 900)
    assert desk.account.book.barred == {}
    desk.seen(place, 900, 3)
    desk.seen(place, 900, 4)
    assert desk.own == {ES: 4}
    desk.wait(5)
    assert desk.quantities == [(SELL, 2)]
    crossed = in_position(2, max_position=2)
    crossed.leader(order(101, SELL, limit(2, 5010)))
    late = crossed.place
    crossed.accepted(late, 910)
    crossed.leader(order(102, SELL, terms(4), 4))
    crossed.fills(crossed.place, 902)
    crossed.seen(late, 910, 2)
    assert crossed.own == {ES: -4}
    crossed.wait(5)
    assert crossed.quantities == [(BUY, 2)]
    for one in (desk, crossed):
        assert one.account.book.barred == {} and len(one.heard("position.drifted")) == 1


def test_a_cap_that_was_lowered_under_a_position_trips_nothing() -> None:
    desk = in_position(4)
    lowered = attrs.evolve(desk.account.rules, copy=rules(max_position=2))
    desk.hear(e.RulesChanged(at=desk.now, rules=lowered))
    assert desk.account.book.barred == {}


# A decision that is wrong, where an invariant sees it


def no_bar(*_: object) -> None:
    """Wrong: whatever bars openings is overlooked."""


def pages(desk: Desk) -> list[str]:
    return [tell.message for tell in desk.told if tell.severity is Severity.PAGE]


def test_an_opening_that_is_barred_does_not_leave_and_the_exits_of_the_same_turn_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = in_position(2)
    desk.hear(e.PauseAsked(at=desk.now))
    with monkeypatch.context() as patched:
        patched.setattr(openings, "bar", no_bar)
        desk.frame(order(101, SELL, terms(1), 1), order(102, BUY, terms(1), 1, symbol=Symbol("NQZ6")))
        assert desk.quantities == [(SELL, 1)]
        desk.fills(desk.place, 901)
        assert [page.split(". ")[0] for page in pages(desk)] == [
            "CLOSE-ONLY: copierd kept itself from a mistake: NQZ6 would be opened, and the account is paused"
        ]
        copy = desk.copy_of(102)
        assert copy.stage is Stage.SKIPPED and "never sent: copierd kept itself from a mistake" in str(copy.reason)
        desk.leader(order(103, BUY, terms(1), 1))
        assert desk.places == [] and desk.copy_of(103).stage is Stage.SKIPPED and len(pages(desk)) == 1
    desk.leader(order(104, SELL, terms(2), 2), order(105, SELL, terms(1), 1, symbol=Symbol("NQZ6")))
    desk.hear(e.ResumeAsked(at=desk.now))
    assert desk.account.book.barred == {}


def test_an_exit_that_is_too_large_does_not_leave_and_is_derived_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(side: Side, *_: object) -> Size:
        return Size(Kind.EXIT, side, 5)

    desk = in_position(2)
    with monkeypatch.context() as patched:
        patched.setattr(sizing, "_exit", too_large)
        desk.leader(order(101, SELL, terms(2), 2))
    assert desk.places == []
    assert "market exits of 5 ESZ6 would be on their way, and we own 2" in pages(desk)[0]
    desk.wait(1)
    assert desk.quantities == [(SELL, 2)], "a closing is never blocked"


def test_what_would_be_sent_again_is_looked_up_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind_retry(draft: Draft, copy: Copy, _: str) -> None:
        placement.send(draft, copy, rules())

    real_lost = unknowns.lost
    desk = follower()
    desk.leader(order(1, BUY, limit(1)))
    place = desk.place
    desk.sent(place)
    once = [blind_retry]

    def wrong(draft: Draft, copy: Copy, reason: str) -> None:
        (once.pop() if once else real_lost)(draft, copy, reason)

    monkeypatch.setattr(unknowns, "lost", wrong)
    desk.answer_lost(place)
    assert desk.places == [] and "would be sent again" in pages(desk)[0]
    assert desk.copy_of(1).stage is Stage.UNKNOWN
    (look_up,) = desk.look_ups
    assert look_up.client_id == place.client_id


def test_of_an_order_that_is_asked_for_twice_the_first_goes_when_it_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stammering(Draft):
        def do(self, effect: Effect) -> None:
            super().do(effect)
            if isinstance(effect, PlaceOrder):
                super().do(effect)

    desk, flat = in_position(2), follower()
    monkeypatch.setattr(account, "Draft", Stammering)
    desk.leader(order(101, SELL, terms(2), 2))
    assert desk.quantities == [(SELL, 2)] and desk.copy_of(101).stage is Stage.INTENDED
    assert "would be sent twice" in pages(desk)[0]
    flat.leader(order(1, BUY, terms(2), 2))
    assert flat.places == [] and flat.copy_of(1).stage is Stage.SKIPPED


def test_a_leader_who_follows_nobody_never_sends_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = in_position(2).everything
    desk = follower()
    desk.account = attrs.evolve(desk.account, rules=Rules(leads=True), book=Book(mine=desk.account.book.mine))

    def wrong(draft: Draft, _: e.OrderSeen) -> None:
        draft.effects.extend(effect for effect in asked if isinstance(effect, PlaceOrder))

    monkeypatch.setattr(leader, "order_seen", wrong)
    desk.foreign(order(1, BUY, terms(1), 1))
    assert [type(effect) for effect in desk.effects] == [Tell]
    assert "an order on an account that follows nobody" in pages(desk)[0]


def test_an_index_that_is_wrong_bars_openings_and_lets_exits_go(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(Draft):
        def keep(self, copy: Copy) -> Copy:
            super().keep(copy)
            self.book = attrs.evolve(self.book, names={})
            return copy

    desk, flat = in_position(2), follower()
    monkeypatch.setattr(account, "Draft", Forgetful)
    desk.leader(order(101, SELL, terms(1), 1))
    assert desk.quantities == [(SELL, 1)] and "is another's" in pages(desk)[0]
    flat.leader(order(1, BUY, terms(1), 1))
    assert flat.places == [] and Bar.RUNAWAY in flat.account.book.barred


def test_a_change_that_was_taken_out_is_not_asked_for_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Astray(Draft):
        def do(self, effect: Effect) -> None:
            """Wrong: beside each change goes one that is not in the book."""
            super().do(effect)
            if isinstance(effect, ModifyOrder):
                super().do(attrs.evolve(effect, copy=CopyId("nothing"), client_id="nothing"))

    desk = follower()
    desk.leader(order(1, BUY, limit(1)))
    place = desk.place
    desk.accepted(place, 900)
    desk.leader(order(1, BUY, limit(1, 5001), version=2))
    (moved,) = desk.modifies
    desk.leader(order(1, BUY, limit(3, 5001), version=3))
    desk.hear(e.LeaderLost(at=desk.now, leader=LEAD, reason="closed", shown="Reconnecting"))
    monkeypatch.setattr(openings, "not_larger", no_bar)
    monkeypatch.setattr(openings, "withdraw", no_bar)
    monkeypatch.setattr(account, "Draft", Astray)
    desk.accepted(moved)
    desk.seen(place, 900, asked=moved.terms, version=901)
    assert desk.modifies == [] and "ESZ6 would be opened further" in pages(desk)[0]
    for _ in range(60):
        desk.wait(1)
    changes = [copy.verb for copy in desk.account.book.copies.values() if copy.subject is not None]
    assert changes == [Verb.MODIFY, Verb.MODIFY]
    assert len(pages(desk)) == 1
