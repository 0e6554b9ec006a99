"""Random days on which somebody else trades the follower too, and the operator releases and adopts."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from statecharts import events as e
from statecharts import strangers
from statecharts.effects import PlaceOrder, Priority
from statecharts.values import CopyId, OrderId, Side
from tests import examples
from tests.statecharts.desk import BUY, ES, EVAL_ID, SELL, Desk, follower, order, terms
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_worlds import CAP, Leader, live, moves

OPERATOR = ("human buys", "human sells", "human buys", "human sells", "release", "adopt", "release", "adopt")


class Shared(Exchange):
    """The broker of an account that somebody else trades too."""

    def check_reductions(self) -> None:
        """What he closes while our exit is on its way is closed twice: nobody can prevent it, and it is mended."""


def by_hand(desk: Desk, exchange: Exchange, side: Side, quantity: int) -> None:
    """Somebody else trades at market on the follower's account."""
    exchange.next_number += 1
    number = OrderId(exchange.next_number)
    asked = terms(quantity)
    his = PlaceOrder(
        copy=CopyId("his"),
        client_id="his",
        account=EVAL_ID,
        priority=Priority.ENTRY,
        symbol=ES,
        side=side,
        terms=asked,
    )
    exchange.orders[number] = his, order(number, side, asked, quantity)
    exchange.position[ES] = exchange.position.get(ES, 0) + side.sign * quantity
    exchange.tell(number)


def live_with_others(desk: Desk, leader: Leader, exchange: Exchange, what: str, a: int, b: int) -> None:
    match what:
        case "human buys":
            by_hand(desk, exchange, BUY, 1 + a % 3)
        case "human sells":
            by_hand(desk, exchange, SELL, 1 + a % 3)
        case "release":
            desk.hear(e.ReleaseAsked(at=desk.now, symbol=ES))
        case "adopt":
            desk.hear(e.AdoptAsked(at=desk.now, symbol=ES))
        case _:
            live(desk, leader, exchange, what, a, b)
    exchange.take()


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves(also=OPERATOR), st.booleans())
# What a human trades while an order of ours is in doubt, and a reading before the answer.
@example(day=[("enter", 3, 2), ("human buys", 0, 0), ("reconnect", 3, 4)], released=False)
@example(day=[("enter", 3, 2), ("human buys", 0, 0), ("restart", 3, 4)], released=True)
@example(
    day=[("enter", 3, 6), ("enter", 3, 4), ("human buys", 4, 4), ("reconnect", 1, 3), ("pause", 3, 1)], released=False
)
def test_when_all_is_at_rest_what_is_left_is_not_ours_and_known_to_be(
    day: list[tuple[str, int, int]], released: bool
) -> None:
    desk = follower(max_position=CAP)
    leader, exchange = Leader(desk), Shared(desk)
    for what, a, b in day:
        live_with_others(desk, leader, exchange, what, a, b)
    exchange.settle()
    if released:
        desk.hear(e.ReleaseAsked(at=desk.now, symbol=ES))
        assert not strangers.quarantined(desk.account.book.contract(ES))
    leader.goes_flat()
    exchange.settle()
    assert desk.own == {}
    assert desk.account.book.contract(ES).foreign == exchange.position.get(ES, 0)
    assert not exchange.working
