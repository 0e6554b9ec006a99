"""Random days of a follower with limits: whatever happens while it is locked, nothing opens, and it ends flat."""

from __future__ import annotations

from decimal import Decimal

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statecharts import events as e
from statecharts.effects import PlaceOrder, Priority
from statecharts.rules import Drawdown, Limits
from statecharts.trading_day import trading_day
from statecharts.values import OrderId
from tests import examples
from tests.statecharts.desk import ES, Desk, follower
from tests.statecharts.exchange import Exchange
from tests.statecharts.test_worlds import CAP, Leader, live, moves

Day = list[tuple[str, int, int]]
LIMITS = (
    Limits(daily_loss=Decimal(500)),
    Limits(daily_profit=Decimal(500)),
    Limits(drawdown=Drawdown(Decimal(700))),
    Limits(Decimal(500), Decimal(500), Drawdown(Decimal(700), end_of_day=True)),
)


@attrs.define
class Teller(Exchange):
    """One that tells the position with each order: while the broker shows one, its profit is asked for."""

    def tell(self, number: OrderId) -> None:
        Exchange.tell(self, number)
        self.desk.hear(e.PositionSeen(at=self.desk.now, symbol=ES, net=self.position.get(ES, 0)))


def opened(desk: Desk, since: int) -> list[PlaceOrder]:
    placed = [one for one in desk.everything[since:] if isinstance(one, PlaceOrder)]
    return [one for one in placed if one.priority is Priority.ENTRY]


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(moves(also=("profit", "profit", "reverse", "unlock")), st.sampled_from(LIMITS))
def test_a_locked_follower_opens_nothing_and_is_flat_in_the_end(
    day: list[tuple[str, int, int]], limits: Limits
) -> None:
    desk = follower(max_position=CAP, limits=limits)
    leader, exchange = Leader(desk), Teller(desk)
    exchange.take()
    for what, a, b in day:
        since = len(desk.everything)
        live(desk, leader, exchange, what, a, b)
        standing = desk.account.book.standing
        if standing.lock is not None or standing.checked is None:
            assert opened(desk, since) == [], (what, standing)
        assert abs(exchange.position.get(ES, 0)) <= CAP
    closes = desk.account.book.standing.lock
    if closes is not None and closes.closes:
        exchange.settle()
        assert exchange.position.get(ES, 0) == 0 and desk.own == {}
        assert not exchange.working
    leader.goes_flat()
    exchange.open_profit = 0
    exchange.settle()
    assert exchange.position.get(ES, 0) == 0 and desk.own == {}
    desk.hear(e.ResumeAsked(at=desk.now))
    end = trading_day(desk.now).end
    desk.wait((end - desk.now).total_seconds())
    exchange.settle()
    lock = desk.account.book.standing.lock
    # A drawdown that lasts has locked it anew; every other lock has ended with its day.
    assert lock is None or lock.limit == "trailing_drawdown"
    leader.enters(1, 0)
    exchange.settle(20)  # while a position is open, its profit is asked for without end
    assert (exchange.position.get(ES, 0) == 1) is (lock is None)
