"""Random days of a leader whose orders cross each other, and whose fills come before or after ours, or never.

However a day went, in the end nothing of ours is beyond the leader's, and no order of ours is left.
"""

from __future__ import annotations

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statecharts import events as e
from statecharts import exposure
from statecharts.values import Side
from tests import examples
from tests.statecharts.desk import BUY, ES, SELL, Desk, follower, limit, order, stop, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_worlds import HOW, Leader, back

MOST = 6


@attrs.define
class Crossing(Leader):
    """He trades on both sides as he likes, and never cleans up behind himself."""

    def places(self, side: Side, quantity: int, how: int) -> None:
        if abs(self.net) >= MOST:
            return
        self.number += 1
        beyond, short = (5005, 4995) if side is SELL else (4995, 5005)
        asked = (terms(quantity), limit(quantity, beyond), stop(quantity, short))[how % 3]
        self.set(order(self.number, side, asked, quantity if how % 3 == 0 else 0))


def moves(*also: str) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    what = st.sampled_from(
        ("place", "place", "leader fills", "leader fills", "leader cancels", "answer", "answer", "answer", "market",
         "market", "wait", "settle", *also)
    )  # fmt: skip
    return st.lists(st.tuples(what, st.integers(0, 6), st.integers(0, 6)), min_size=5, max_size=30)


def live(desk: Desk, leader: Crossing, exchange: Exchange, what: str, a: int, b: int, how: tuple[str, ...]) -> None:
    match what:
        case "place":
            leader.places(BUY if a % 2 else SELL, 1 + a % 3, b)
        case "leader fills":
            leader.fills(a, 1 + b % 3)
        case "leader cancels":
            leader.cancels(a)
        case "answer":
            exchange.answer(how[a % len(how)])
        case "market" if exchange.working:
            number = exchange.working[a % len(exchange.working)]
            exchange.fill(number, 1 + b % 2)
            exchange.tell(number)
        case "wait":
            desk.wait(a + b * 3)
        case "settle":
            exchange.settle()
        case "reconnect":
            desk.lost()
            desk.hear(e.ReconnectAsked(at=desk.now))
            back(desk, leader, exchange, a)
    exchange.take()


def no_more_than_the_leader(desk: Desk, leader: Crossing, exchange: Exchange) -> None:
    """He cancels all that rests, and everything settles."""
    exchange.settle()
    while leader.some(0) is not None:
        leader.cancels(0)
    exchange.take()
    exchange.settle()
    own = exchange.position.get(ES, 0)
    assert desk.own.get(ES, 0) == own, "what we believe is so"
    assert exposure.goal(own, leader.net) == own, f"we own {own}, the leader {leader.net}"
    assert not exchange.working


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves())
def test_nothing_stays_beyond_the_leader_when_all_goes_well(day: list[tuple[str, int, int]]) -> None:
    desk = follower()
    leader, exchange = Crossing(desk), Exchange(desk, bounded=False)
    for what, a, b in day:
        live(desk, leader, exchange, what, a, b, ("well",))
    no_more_than_the_leader(desk, leader, exchange)


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves("reconnect"))
def test_nothing_stays_beyond_the_leader_whatever_is_refused_or_lost(day: list[tuple[str, int, int]]) -> None:
    desk = follower()
    leader, exchange = Crossing(desk), Exchange(desk, bounded=False)
    for what, a, b in day:
        live(desk, leader, exchange, what, a, b, HOW)
    no_more_than_the_leader(desk, leader, exchange)
