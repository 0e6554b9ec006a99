"""Mode "fills" under random days: whatever the leader does, the broker answers and the network loses.

At every step: no cap is broken, an exit never changes the position's sign, market reductions never exceed what is ours.
At rest: the follower is nowhere beyond the target, flat when the leader is, and exactly at it when nothing was skipped.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statecharts import events as e
from statecharts import exposure
from statecharts.book import Verb
from statecharts.effects import PlaceOrder
from statecharts.order import Stage
from statecharts.rules import CopyRules, MapTo
from statecharts.sizing import Kind
from statecharts.values import OrderId, Root
from tests import examples
from tests.statecharts.desk import BUY, ES, MES, SELL, Desk, follower
from tests.statecharts.exchange import Exchange
from tests.statecharts.trader import Trader, reconnected

HOW = ("well", "well", "well", "refused", "lost", "lost and absent", "never sent")
Day = list[tuple[str, int, int]]


@attrs.define
class Watched(Exchange):
    """Looks at every contract that trades. `exits` are the orders that were sent as such.

    `certain`: is nothing of ours ever taken back? An exit that is on its way then may go beyond.
    """

    certain: bool = True
    exits: set[str] = attrs.field(factory=set)

    def take(self) -> None:
        copies = self.desk.account.book.copies
        for effect in self.desk.everything[self.read :]:
            if isinstance(effect, PlaceOrder) and copies[effect.copy].kind is Kind.EXIT:
                self.exits.add(effect.client_id)
        super().take()

    def check_reductions(self) -> None:
        if self.certain:
            super().check_reductions()

    def fill(self, number: OrderId, quantity: int) -> None:
        place, now = self.orders[number]
        before = self.position.get(now.symbol, 0)
        super().fill(number, quantity)
        after = self.position.get(now.symbol, 0)
        if self.certain and place.client_id in self.exits:
            assert before * after >= 0, "an exit has changed the sign of the position"
        rules = self.desk.account.rules.copy
        assert rules is not None
        if rules.max_position is not None:
            assert abs(after) <= max(rules.max_position, abs(before))


def days(*also: str) -> st.SearchStrategy[Day]:
    what = st.sampled_from(
        (
            "buy", "buy", "sell", "sell", "rest", "part", "part", "cancel", "bust", "repeat", "answer", "answer",
            "answer", "market", "market", "tell", "moment", "moment", *also,
        )
    )  # fmt: skip
    return st.lists(st.tuples(what, st.integers(0, 6), st.integers(0, 6)), min_size=10, max_size=50)


def live(trader: Trader, exchange: Watched, what: str, a: int, b: int, how: tuple[str, ...]) -> None:
    desk = trader.desk
    symbol = MES if b == 6 else ES
    match what:
        case "buy" | "sell":
            trader.trades(BUY if what == "buy" else SELL, 1 + a, symbol)
        case "rest":
            trader.places(BUY if a % 2 else SELL, 1 + b, symbol)
        case "part":
            if trader.working:
                number = trader.working[a % len(trader.working)]
                first = min(1 + b % 3, trader.orders[number].rest)
                second = min(1, trader.orders[number].rest - first)
                trader.fills(number, *(n for n in (first, second) if n))
        case "cancel":
            if trader.working:
                trader.cancels(trader.working[a % len(trader.working)])
        case "bust":
            if trader.executed:
                trader.busted(trader.executed[a % len(trader.executed)], 0)
        case "our bust":
            exchange.busts(a)
        case "repeat":
            trader.repeats(a * 7 + b)
        case "answer":
            exchange.answer(how[a % len(how)])
        case "market":
            if exchange.working:
                number = exchange.working[a % len(exchange.working)]
                exchange.fill(number, 1 + b % 2)
                exchange.tell(number)
        case "tell":
            numbers = sorted(exchange.orders)
            if numbers:
                exchange.tell(numbers[a % len(numbers)])
        case "moment":
            desk.wait(a * 0.04)
        case "wait":
            desk.wait(a + b * 3)
        case "leader lost":
            trader.lost()
        case "leader back":
            trader.read_anew()
        case "reconnect":
            desk.lost()
            reconnected(desk, trader, exchange, bool(a % 2))
        case "restart":
            exchange.queue.clear()  # what had not been sent is lost with the process; what had been is looked for
            desk.restarted()
            reconnected(desk, trader, exchange, bool(a % 2))
        case "pause":
            desk.hear(e.PauseAsked(at=desk.now))
        case "resume":
            desk.hear(e.ResumeAsked(at=desk.now))
    exchange.take()


def one_row_each(trader: Trader) -> None:
    """Every execution has its row, and no two the same."""
    book = trader.desk.account.book
    executions = {fill.id for one in trader.orders.values() for fill in one.fills}
    rows = [copy.leader_fill_id for copy in book.copies.values() if copy.leader_fill_id is not None]
    assert sorted(rows) == sorted(set(rows))
    assert set(rows) == executions
    for copy in book.copies.values():
        assert not copy.stage.open, copy
        assert copy.reason or copy.stage is not Stage.SKIPPED, copy


def at_rest(trader: Trader, exchange: Watched) -> None:
    desk = trader.desk
    trader.read_anew()
    exchange.settle()
    one_row_each(trader)
    rules = desk.account.rules.copy
    assert rules is not None
    for symbol in {*exchange.position, *desk.account.book.contracts}:
        own = desk.own.get(symbol, 0)
        assert own == exchange.position.get(symbol, 0)
        assert exposure.goal(own, exposure.total_target(desk.account.book, symbol, rules)) == own
    trader.goes_flat()
    exchange.settle()
    assert {s: n for s, n in exchange.position.items() if n} == desk.own == {}
    one_row_each(trader)


ratios = st.sampled_from(("0.3", "0.5", "1", "1", "1.7", "3", "-1", "-0.6"))
caps = st.one_of(st.none(), st.integers(1, 9))
maps: st.SearchStrategy[dict[Root, MapTo]] = st.sampled_from(
    ({}, {}, {Root("ES"): MapTo(Root("MES"), Decimal(2))}, {Root("ES"): MapTo(Root("MES"), Decimal("0.5"))})
)
rules = st.fixed_dictionaries(
    {
        "ratio": ratios.map(Decimal),
        "max_position": caps,
        "max_order": caps,
        "min_one": st.booleans(),
        "map": maps,
    }
)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(days("wait", "leader lost", "leader back", "reconnect", "restart", "pause", "resume"), rules)
def test_whatever_happens_no_cap_is_broken_no_exit_flips_and_flat_follows_flat(
    day: Day, chosen: dict[str, Any]
) -> None:
    desk = follower(mode="fills", **chosen)
    trader, exchange = Trader(desk), Watched(desk)
    for what, a, b in day:
        live(trader, exchange, what, a, b, HOW)
    desk.hear(e.ResumeAsked(at=desk.now))
    at_rest(trader, exchange)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(days(), rules)
def test_when_every_order_fills_and_nothing_was_skipped_it_ends_exactly_at_the_target(
    day: Day, chosen: dict[str, Any]
) -> None:
    desk = follower(mode="fills", **{**chosen, "max_order": None})
    trader, exchange = Trader(desk), Watched(desk)
    for what, a, b in day:
        if what != "bust":
            live(trader, exchange, what, a, b, ("well",))
    exchange.settle()
    if skipped(desk):
        return
    wanted = {s: exposure.total_target(desk.account.book, s, copy_rules(desk)) for s in desk.account.book.contracts}
    assert desk.own == {symbol: n for symbol, n in wanted.items() if n}
    one_row_each(trader)


@settings(max_examples=examples(75), deadline=None, suppress_health_check=list(HealthCheck))
@given(days("our bust", "our bust", "reconnect", "wait"), rules)
def test_whatever_is_busted_of_ours_flat_follows_flat(day: Day, chosen: dict[str, Any]) -> None:
    desk = follower(mode="fills", **{**chosen, "max_position": None})
    trader, exchange = Trader(desk), Watched(desk, certain=False)
    for what, a, b in day:
        live(trader, exchange, what, a, b, HOW)
    at_rest(trader, exchange)


def copy_rules(desk: Desk) -> CopyRules:
    assert desk.account.rules.copy is not None
    return desk.account.rules.copy


NO_PART = ("rounds to 0", "max_position", "took it back", "does not have", "no more than the leader's")


def skipped(desk: Desk) -> bool:
    """Was anything not done that the leader's executions, and nothing else, would have made us do?"""
    copies = desk.account.book.copies.values()
    rows = [copy for copy in copies if copy.stage is Stage.SKIPPED and not any(w in str(copy.reason) for w in NO_PART)]
    return bool(rows) or any(copy.verb is Verb.CANCEL for copy in copies)
