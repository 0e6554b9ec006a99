"""A decision that is wrong, where an invariant sees it: it does not leave, and the follower only closes."""

from __future__ import annotations

import attrs
import pytest

from statecharts import account, leader, openings, placement, sizing, unknowns
from statecharts import events as e
from statecharts.bars import Bar
from statecharts.book import Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Effect, ModifyOrder, PlaceOrder, Severity, Tell
from statecharts.order import Stage
from statecharts.rules import Rules
from statecharts.sizing import Kind, Size
from statecharts.values import CopyId, Side, Symbol
from tests.statecharts.desk import BUY, LEAD, SELL, Desk, follower, in_position, limit, order, rules, terms


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
