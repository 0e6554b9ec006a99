"""Every invariant of a turn can fail: a turn that is right, then the same turn with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from statecharts import events as e
from statecharts import invariants
from statecharts.account import Turn
from statecharts.account import broken as broken_of
from statecharts.bars import Bar
from statecharts.book import LEADERS_OWN, Book, Copy, FlattenedBy, Latch
from statecharts.effects import CancelOrder, Effect, ModifyOrder, PlaceOco, PlaceOrder
from statecharts.invariants import Seen, broken
from statecharts.order import Stage
from statecharts.rules import Agreement, Rules
from statecharts.sizing import Kind
from statecharts.values import CopyId, FillId, Order, OrderId, Side, Status, Symbol, Terms
from statecharts.view import Snapshot, View
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL_ID,
    LEAD,
    LEAD_ID,
    NOON,
    SELL,
    Desk,
    in_position,
    limit,
    order,
    rules,
    stop,
    terms,
)
from tests.statecharts.desk import follower as a_follower

OTHER = CopyId("another")
LATER = timedelta(seconds=60)


def announced(desk: Desk, one: Order) -> e.LeaderOrderSeen:
    desk.theirs = desk.theirs.with_order(one)
    return e.LeaderOrderSeen(at=desk.now, leader=LEAD, order=one, generation=desk.theirs.generation)


def turn(desk: Desk, event: e.Event) -> Seen:
    """A turn of this desk, as it was: nothing about it is wrong."""
    before, applied = desk.account, desk.account.in_force
    effects = desk.hear(event)
    right = Seen(event=event, before=before.book, after=desk.account.book, effects=effects, rules=applied, acting=True)
    assert list(broken(right)) == []
    assert broken_of(before, event, Turn(desk.account, effects)) == ()
    return right


def an_entry(quantity: int = 2, **more: Any) -> Seen:
    desk = a_follower(**more)
    return turn(desk, announced(desk, order(1, BUY, limit(quantity))))


def an_exit(quantity: int = 2) -> Seen:
    desk = in_position(2)
    return turn(desk, announced(desk, order(101, SELL, terms(quantity), quantity)))


def request(seen: Seen) -> PlaceOrder:
    (one,) = (effect for effect in seen.effects if isinstance(effect, PlaceOrder))
    return one


def copy_in(seen: Seen) -> Copy:
    return seen.after.copies[request(seen).copy]


def with_copy(book: Book, copy: Copy, **changes: Any) -> Book:
    """The book with this copy changed and nothing else: no index, no ownership."""
    return attrs.evolve(book, copies={**book.copies, copy.id: attrs.evolve(copy, **changes)})


def after(seen: Seen, **changes: Any) -> Seen:
    return attrs.evolve(seen, after=attrs.evolve(seen.after, **changes))


def names(seen: Seen) -> set[str]:
    return {one.name for one in broken(seen)}


def blamed(seen: Seen, name: str) -> Effect:
    """The request that breaks this invariant."""
    (place,) = (one.place for one in broken(seen) if one.name == name)
    assert place is not None
    return seen.effects[place]


# What a turn wants to send


def test_an_account_that_follows_nobody_sends_nothing() -> None:
    seen = attrs.evolve(an_entry(), rules=Rules(leads=True))
    assert names(seen) == {"follower"} and blamed(seen, "follower") is request(seen)


def test_nothing_leaves_outside_of_copying() -> None:
    assert names(attrs.evolve(an_exit(), acting=False)) == {"copying"}


def test_nothing_leaves_while_the_broker_waits_for_a_captcha() -> None:
    seen = an_exit()
    assert names(after(seen, silent_until=NOON + LATER)) == {"silence"}
    assert names(after(seen, silent_until=NOON)) == set()


def test_what_is_sent_twice_in_one_turn_is_blamed_once_and_the_second_time() -> None:
    seen = an_exit()
    twice = attrs.evolve(seen, effects=(*seen.effects, request(seen)))
    (one,) = broken(twice)
    assert one.name == "once" and one.place == len(seen.effects)


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "another"},
        {"stage": Stage.SENT},
        {"terms": limit(3)},
        {"side": SELL},
        {"symbol": Symbol("NQZ6")},
    ],
)
def test_an_order_is_in_the_book_as_it_is_sent(change: dict[str, Any]) -> None:
    seen = an_entry()
    wrong = attrs.evolve(seen, after=with_copy(seen.after, copy_in(seen), **change))
    assert "intent" in names(wrong) and blamed(wrong, "intent") is request(seen)


def test_an_order_without_an_intent_is_blamed() -> None:
    seen = an_entry()
    assert names(after(seen, copies={}, open={})) == {"intent"}
    assert invariants.opens(Book(), request(seen)), "nobody is sure that it would not"


def test_a_change_is_in_the_book_too() -> None:
    desk = a_follower()
    desk.leader(order(1, BUY, limit(2)))
    desk.accepted(desk.place, 900)
    seen = turn(desk, announced(desk, order(1, BUY, limit(2), status=Status.CANCELED, version=2)))
    (cancel,) = (effect for effect in seen.effects if isinstance(effect, CancelOrder))
    wrong = attrs.evolve(seen, after=with_copy(seen.after, seen.after.copies[cancel.copy], client_id="another"))
    assert "intent" in names(wrong) and blamed(wrong, "intent") is cancel
    assert not invariants.opens(seen.after, cancel)


# Never twice


def test_a_name_is_never_given_to_another_order() -> None:
    seen = an_entry()
    wrong = attrs.evolve(seen, before=attrs.evolve(seen.before, names={copy_in(seen).client_id: OTHER}))
    assert names(wrong) == {"once"}


def test_what_is_perhaps_at_the_broker_is_not_sent_again() -> None:
    seen = an_entry()
    again = attrs.evolve(seen, before=seen.after)
    assert names(again) == {"once"} and "sent again" in next(broken(again)).why
    put_off = attrs.evolve(again, before=with_copy(seen.after, copy_in(seen), stage=Stage.HELD))
    assert names(put_off) == set()


def answer(kind: type[e.ErrandEvent], copy: str, **more: Any) -> e.ErrandEvent:
    return kind(at=NOON, copy=CopyId(copy), client_id=copy, **more)


def test_what_the_broker_has_not_processed_may_be_sent_again_at_once() -> None:
    seen = an_entry()
    for event in (
        answer(e.RequestPenalised, copy_in(seen).id, seconds=0, sent_at=NOON),
        answer(e.RequestRefused, copy_in(seen).id, reason="NoQuote", sent_at=NOON),
        answer(e.NeverSent, copy_in(seen).id, reason="session lost"),
    ):
        assert names(attrs.evolve(seen, before=seen.after, event=event)) == set()
    event = answer(e.NeverSent, OTHER, reason="session lost")
    assert names(attrs.evolve(seen, before=seen.after, event=event)) == {"once"}


def a_second_attempt(stage: Stage = Stage.UNKNOWN, **more: Any) -> tuple[Seen, CopyId]:
    """A copy whose first attempt was in that stage before, and whose second is sent now."""
    seen = an_exit()
    copy = copy_in(seen)
    first = attrs.evolve(copy, client_id="the first", stage=stage, decided_at=NOON - LATER, order_id=OrderId(7), **more)
    known = {name: one for name, one in seen.after.names.items() if one != copy.id}
    before = attrs.evolve(seen.after, names={**known, "the first": copy.id})
    seen = after(seen, orders={**seen.after.orders, OrderId(7): copy.id})
    return attrs.evolve(seen, before=with_copy(before, first)), copy.id


def test_a_second_attempt_needs_the_certain_end_of_the_first() -> None:
    seen, copy = a_second_attempt()
    assert names(seen) == {"once"} and "earlier attempt" in next(broken(seen)).why
    refused = answer(e.RequestRefused, copy, reason="NoQuote", sent_at=NOON)
    assert names(attrs.evolve(seen, event=refused)) == set()
    ended, _ = a_second_attempt(Stage.CANCELED)
    assert names(ended) == set()


def test_the_end_of_the_first_is_shown_by_the_order_or_by_a_reading() -> None:
    seen, _ = a_second_attempt(Stage.WORKING)
    works = order(7, SELL, terms(2))
    gone = attrs.evolve(works, status=Status.CANCELED)
    other = attrs.evolve(gone, id=OrderId(8))
    for shown, wrong in ((works, {"once"}), (gone, set()), (other, {"once"})):
        assert names(attrs.evolve(seen, event=e.OrderSeen(at=NOON, order=shown))) == wrong
        reading = Snapshot(EVAL_ID, NOON, {shown.id: shown})
        assert names(attrs.evolve(seen, event=e.SnapshotTaken(at=NOON, snapshot=reading))) == wrong


@pytest.mark.parametrize(
    ("absent", "asked_after", "of_it", "right"),
    [(1, 15, True, True), (0, 15, True, False), (1, 14, True, False), (1, 15, False, False)],
)
def test_an_unknown_is_absent_when_two_look_ups_agree_after_the_settling_time(
    absent: int, asked_after: int, of_it: bool, right: bool
) -> None:
    lost = NOON - LATER
    seen, copy = a_second_attempt(absent=absent, lost_at=lost)
    event = answer(e.LookedUp, copy if of_it else OTHER, order_id=None, asked_at=lost + timedelta(seconds=asked_after))
    assert names(attrs.evolve(seen, event=event)) == (set() if right else {"once"})


def test_an_order_of_the_leaders_has_one_copy() -> None:
    seen = an_entry()
    assert names(after(seen, placed={OrderId(1): OTHER})) == {"one copy", "index"}
    assert names(after(seen, placed={OrderId(1): LEADERS_OWN})) == {"one copy"}
    held = with_copy(seen.after, copy_in(seen), stage=Stage.HELD)
    assert names(attrs.evolve(after(seen, placed={OrderId(1): LEADERS_OWN}), before=held)) == set()


def test_an_execution_has_one_row() -> None:
    desk = a_follower(mode="fills")
    seen = turn(desk, announced(desk, order(1, BUY, terms(1), 1)))
    assert names(after(seen, executions={FillId(11): OTHER})) == {"one copy", "index"}


# What is placed


def test_an_order_has_a_size() -> None:
    seen = an_entry()
    none = attrs.evolve(request(seen), terms=limit(0))
    effects = tuple(none if one is request(seen) else one for one in seen.effects)
    wrong = attrs.evolve(seen, effects=effects, after=with_copy(seen.after, copy_in(seen), terms=limit(0)))
    assert "size" in names(wrong)


LATCH = Latch(by=FlattenedBy.OPERATOR, why="the operator asked for it", since=NOON)
LOST_VIEW = View(LEAD_ID, 1, current=False)


def contract(**changes: Any) -> Callable[[Book], Book]:
    return lambda book: book.with_contract(ES, attrs.evolve(book.contract(ES), **changes))


def evolved(**changes: Any) -> Callable[[Book], Book]:
    return lambda book: attrs.evolve(book, **changes)


@pytest.mark.parametrize(
    ("bar", "only_now"),
    [
        (evolved(barred={Bar.MARGIN: "two entries were refused for margin"}), True),
        (evolved(barred={Bar.RUNAWAY: "close-only"}), False),
        (evolved(theirs=LOST_VIEW), True),
        (evolved(caught_up=None), True),
        (evolved(latches=(LATCH,)), True),
        (contract(foreign=1), False),
        (contract(no_entry="waits until the leader is flat"), False),
    ],
)
def test_nothing_opens_where_something_bars_it(bar: Callable[[Book], Book], only_now: bool) -> None:
    """`only_now`: also when it came with this turn. What the opening itself has brought about bars the next one."""
    seen = an_entry()
    barred = attrs.evolve(seen, after=bar(seen.after), before=bar(seen.before))
    assert names(barred) == {"bars"} and blamed(barred, "bars") is request(seen)
    came_now = attrs.evolve(seen, after=bar(seen.after))
    assert names(came_now) == ({"bars"} if only_now else set())
    seen = an_exit()
    assert names(attrs.evolve(seen, after=bar(seen.after), before=bar(seen.before))) == set(), "no exit is barred"


def a_modify(before: Terms, later: Terms, side: Side = BUY) -> Seen:
    """The leader changes an order of his, and ours follows."""
    desk = a_follower() if side is BUY else in_position(3)
    desk.leader(order(1, side, before))
    desk.accepted(desk.place, 901)
    seen = turn(desk, announced(desk, order(1, side, later, version=2)))
    assert len([effect for effect in seen.effects if isinstance(effect, ModifyOrder)]) == 1
    return seen


def test_an_opening_is_not_made_larger_either() -> None:
    larger = attrs.evolve(a_modify(limit(2), limit(3)), no_openings="the account is paused")
    assert names(larger) == {"bars"}
    modify = blamed(larger, "bars")
    assert invariants.opens(larger.after, modify) and not invariants.opens(Book(), modify)
    for other in (a_modify(limit(2), limit(2, 4990)), a_modify(limit(2), limit(1)), a_modify(stop(1), stop(2), SELL)):
        assert names(attrs.evolve(other, no_openings="the account is paused")) == set()


def test_an_exit_that_rests_may_be_larger_than_what_is_ours_yet() -> None:
    desk = in_position(2)
    seen = turn(desk, announced(desk, order(101, SELL, stop(2))))
    less = contract(own=1)
    assert names(attrs.evolve(seen, after=less(seen.after), before=less(seen.before))) == set()


def test_nothing_opens_on_an_account_that_is_paused() -> None:
    assert names(attrs.evolve(an_entry(), no_openings="the account is paused")) == {"bars"}


def unknown(seen: Seen, symbol: Symbol = ES) -> Seen:
    """With an order of that contract, of no size, whose answer was lost."""
    lost = attrs.evolve(copy_in(seen), id=OTHER, client_id=OTHER, stage=Stage.UNKNOWN, symbol=symbol, terms=None)
    lost = attrs.evolve(lost, leader_order_id=None)
    return attrs.evolve(seen, after=seen.after.with_copy(lost), before=seen.before.with_copy(lost))


def test_nothing_opens_beside_an_unknown() -> None:
    assert names(unknown(an_entry())) == {"bars"}
    assert names(unknown(an_entry(), Symbol("NQZ6"))) == set()


def test_nothing_is_exited_beside_an_unknown_neither_by_the_leader_nor_by_a_closing() -> None:
    assert names(unknown(an_exit())) == {"doubt"}
    assert names(unknown(an_exit(), Symbol("NQZ6"))) == set()
    desk = in_position(2)
    seen = turn(desk, e.FlattenAsked(at=desk.now))
    assert names(unknown(seen)) == {"doubt"}


def with_rules(seen: Seen, **changes: Any) -> Seen:
    return attrs.evolve(seen, rules=Rules(copy=rules(**changes)))


def test_an_entry_is_no_larger_than_max_order() -> None:
    assert names(with_rules(an_entry(3), max_order=3)) == set()
    assert names(with_rules(an_entry(3), max_order=2)) == {"max_order"}


def a_reversal() -> Seen:
    """From 2 to -3: five contracts, of which three open."""
    desk = in_position(2)
    seen = turn(desk, announced(desk, order(101, SELL, terms(5), 5)))
    assert copy_in(seen).kind is Kind.REVERSAL
    return seen


def test_of_a_reversal_the_part_that_opens_counts() -> None:
    assert names(with_rules(a_reversal(), max_order=3, max_position=3)) == set()
    assert names(with_rules(a_reversal(), max_order=2)) == {"max_order"}
    assert names(with_rules(a_reversal(), max_position=2)) == {"max_position"}


def test_what_may_fill_together_is_no_larger_than_max_position() -> None:
    seen = an_entry(3)
    assert names(with_rules(seen, max_position=3)) == set()
    assert names(with_rules(seen, max_position=2)) == {"max_position"}
    desk = in_position(2)
    desk.leader(order(101, BUY, limit(1)))
    desk.accepted(desk.place, 901)
    seen = turn(desk, announced(desk, order(102, BUY, limit(1, 4990))))
    assert names(with_rules(seen, max_position=4)) == set()
    assert names(with_rules(seen, max_position=3)) == {"max_position"}


def test_of_two_entries_that_cancel_each_other_one_counts() -> None:
    desk = a_follower()
    one = order(1, BUY, limit(2), oco_id=OrderId(2))
    other = order(2, BUY, stop(2, 5100), oco_id=OrderId(1))
    desk.frame(one, other)
    (oco,) = desk.made(PlaceOco)
    assert len(oco.legs) == 1
    seen = turn(desk, announced(desk, order(3, BUY, limit(1, 4980))))
    assert names(with_rules(seen, max_position=3)) == set()
    assert names(with_rules(seen, max_position=2)) == {"max_position"}


def test_the_largest_cap_that_was_agreed_holds() -> None:
    seen = an_entry(3)
    agreed = {ES: Agreement(to=ES, max_position=3), Symbol("MESZ6"): Agreement(to=ES, max_position=2)}
    assert names(with_rules(seen, max_position=1, agreed=agreed)) == set()
    agreed[ES] = Agreement(to=ES, max_position=2)
    assert names(with_rules(seen, max_position=1, agreed=agreed)) == {"max_position"}
    agreed[ES] = Agreement(to=ES)
    assert names(with_rules(seen, max_position=1, agreed=agreed)) == set(), "one of them has none"


@pytest.mark.parametrize("own", [1, 0, -2])
def test_market_exits_never_exceed_our_position(own: int) -> None:
    seen = an_exit()
    less = contract(own=own)
    wrong = attrs.evolve(seen, after=less(seen.after), before=less(seen.before))
    assert names(wrong) == {"exits"} and blamed(wrong, "exits") is request(seen)


# What has become of the book


def moved(seen: Seen, **changes: Any) -> list[str]:
    return [one.why for one in broken(after(seen, **changes)) if one.name == "index"]


def test_every_index_points_to_the_copy() -> None:
    desk = a_follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900, working=False)
    own = order(900, BUY, place.terms, client_ids=frozenset({place.client_id}))
    seen = turn(desk, e.OrderSeen(at=desk.now, order=own))
    copy = seen.after.copies[place.copy]
    assert "another name" in moved(seen, copies={OTHER: copy})[0]
    assert "the name" in moved(seen, names={})[0]
    assert "order 900" in moved(seen, orders={})[0]
    assert "another copy" in moved(seen, placed={OrderId(1): OTHER})[0]
    assert moved(seen, placed={OrderId(1): LEADERS_OWN}) == [], "it has followed another leader since"
    assert "not listed" in moved(seen, open={})[0]
    assert "not listed" in moved(seen, open={ES: (copy.id, copy.id)})[0]
    ended = attrs.evolve(copy, stage=Stage.CANCELED)
    assert "listed as open" in moved(seen, copies={copy.id: ended})[0]
    for pending in (OTHER, copy.id):
        waits = attrs.evolve(copy, pending=pending)
        assert "is not one of it" in moved(seen, copies={copy.id: waits})[0]


def test_only_what_has_changed_is_looked_at() -> None:
    seen = an_entry()
    same = attrs.evolve(seen, effects=(), before=attrs.evolve(seen.after, names={}))
    assert names(attrs.evolve(same, after=attrs.evolve(same.before, placements=(NOON,)))) == set()
    assert names(after(seen, names={})) == {"index"}


def test_a_row_that_goes_with_anothers_order_has_its_name() -> None:
    desk = a_follower(mode="fills")
    desk.leader(order(1, BUY, terms(3), 1))
    desk.leader(order(1, BUY, terms(3), 2))
    seen = turn(desk, announced(desk, order(1, BUY, terms(3), 3)))
    assert any(copy.carrier is not None for copy in seen.after.copies.values())
    assert "another copy" in moved(seen, executions={})[0]
    assert request(seen).terms.quantity == 3


def test_a_position_beyond_its_cap_breaks_nothing_when_it_fills() -> None:
    """It was judged when it was asked for; what no code could prevent is closed, and bars nothing."""
    desk = a_follower()
    desk.leader(order(1, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 900)
    filled = order(900, BUY, place.terms, 2, client_ids=frozenset({place.client_id}))
    seen = turn(desk, e.OrderSeen(at=desk.now, order=filled))
    assert names(with_rules(seen, max_position=1)) == set()


@pytest.mark.parametrize(("cap", "found"), [(None, set()), (5, set()), (4, {"max_position"})])
def test_a_larger_opening_is_judged_as_a_new_one(cap: int | None, found: set[str]) -> None:
    desk = a_follower()
    desk.leader(order(1, BUY, limit(1, 4990)))
    desk.accepted(desk.place, 900)
    desk.leader(order(2, BUY, limit(2)))
    place = desk.place
    desk.accepted(place, 901)
    desk.seen(place, 901, 1)
    seen = turn(desk, announced(desk, order(2, BUY, limit(4), 1, version=3)))
    assert [effect.terms for effect in seen.effects if isinstance(effect, ModifyOrder)] == [limit(4)]
    assert names(with_rules(seen, max_position=cap)) == found


def test_what_the_leader_tells_says_nothing_of_our_own_orders() -> None:
    seen = an_entry()
    mine = seen.before.mine
    assert mine is not None
    wrong = attrs.evolve(seen, before=attrs.evolve(seen.before, mine=attrs.evolve(mine, generation=7)))
    assert "apart" in names(wrong)
