"""Random days with a flatten in them: nothing opens after it until it is resumed, and it ends flat (I07, I08)."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statecharts import events as e
from statecharts.effects import ModifyOrder, PlaceOrder, Priority
from statecharts.rules import Mode
from tests import examples
from tests.statecharts.desk import ES, Desk, follower
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_worlds import CAP, Leader, live, moves

Day = list[tuple[str, int, int]]


def without(day: Day, *what: str) -> Day:
    return [move for move in day if move[0] not in what]


def nothing_opens(desk: Desk, since: int, *owned: int) -> None:
    """What was asked for since: no change of an order, and no order that closes none of what was `owned` meanwhile."""
    for effect in desk.everything[since:]:
        assert not isinstance(effect, ModifyOrder), effect
        if isinstance(effect, PlaceOrder):
            assert effect.priority is Priority.EXIT, effect
            side, quantity = effect.side.sign, effect.terms.quantity
            assert any(side * one < 0 and quantity <= abs(one) for one in owned), (effect, owned)


def live_flattened(desk: Desk, leader: Leader, exchange: Exchange, day: Day) -> None:
    for what, a, b in day:
        since = len(desk.everything)
        before = desk.own.get(ES, 0)
        live(desk, leader, exchange, what, a, b)
        nothing_opens(desk, since, before, desk.own.get(ES, 0))


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    moves(also=("reverse",)),
    moves(also=("reverse",)),
    st.booleans(),
    st.integers(0, 6),
    st.sampled_from(("orders", "fills")),
)
def test_after_a_flatten_nothing_opens_and_it_ends_flat(
    before: Day, after: Day, away: bool, how: int, mode: Mode
) -> None:
    desk = follower(max_position=CAP, mode=mode)
    leader, exchange = Leader(desk), Exchange(desk)
    for what, a, b in without(before, "flatten"):
        live(desk, leader, exchange, what, a, b)
    if away:
        desk.lost()
    desk.hear(e.FlattenAsked(at=desk.now))
    if away:
        desk.hear(e.ReconnectAsked(at=desk.now))
        live(desk, leader, exchange, "reconnect", how, 0)
    exchange.take()
    live_flattened(desk, leader, exchange, without(after, "resume"))
    exchange.settle()
    assert exchange.position.get(ES, 0) == 0 and desk.own == {}
    assert not exchange.working
    (latch,) = desk.account.book.latches
    assert latch.verified_at is not None and desk.account.paused
    resumed(desk, leader, exchange, mode)


def resumed(desk: Desk, leader: Leader, exchange: Exchange, mode: Mode) -> None:
    """What the leader holds, or has resting, is not bought; when he has been flat, his next trade is copied.

    In mode fills what rests at the leader is nothing yet.
    """
    desk.hear(e.ResumeAsked(at=desk.now))
    exchange.settle()
    since = len(desk.everything)
    busy = bool(leader.net or (mode == "orders" and leader.some(0)))
    leader.enters(1, 0)
    if busy:
        assert not [one for one in desk.everything[since:] if isinstance(one, PlaceOrder)]
    leader.goes_flat()
    exchange.settle()
    assert exchange.position.get(ES, 0) == 0
    leader.enters(1, 0)
    exchange.settle()
    assert exchange.position.get(ES, 0) == 1
