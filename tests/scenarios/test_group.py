"""Everything that a group can live through, in any order: what may befall it, and what must be true throughout.

The daemon is whole, in virtual time, against the look-alike's exchange. COPIERD_GROUP_EXAMPLES=2000 looks for longer.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import trio
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from daemon.simulator import Order
from daemon.simulator.trader import shift
from statecharts import events as e
from tests.scenarios.group import Group, Still

EXAMPLES = int(os.environ.get("COPIERD_GROUP_EXAMPLES", "0"))
ES = "ESZ6"
MOST = 4  # contracts that the leader holds, either way, when he opens

WAITS = st.sampled_from((0.0, 0.0, 0.004, 0.05, 0.3, 1.0, 7.0))  # seconds that pass behind a step
SIDES = st.sampled_from(("Buy", "Sell"))
FOLLOWERS = st.sampled_from(("half", "micro", "quick"))
ACCOUNTS = st.sampled_from(("lead", "half", "micro", "quick"))
LOGINS = st.sampled_from(("apex", "fund"))
QUANTITIES = st.integers(1, 3)
TICKS = st.integers(1, 6)
WHICH = st.integers(0, 5)


class GroupLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.still: Still | None = None

    @initialize(seed=st.integers(0, 999))
    def begin(self, seed: int) -> None:
        self.still = Still(seed)

    def act(self, deed: Callable[[Group], Any], wait: float = 0.0) -> None:
        async def done(group: Group) -> None:
            deed(group)
            await trio.sleep(wait)
            group.truth.look()

        self.live(done)

    def live(self, done: Callable[[Group], Awaitable[None]]) -> None:
        assert self.still is not None, "a world begins with its seed"
        self.still.do(done)

    # ---- the leader

    @rule(side=SIDES, quantity=QUANTITIES, wait=WAITS)
    def leader_trades_at_market(self, side: str, quantity: int, wait: float) -> None:
        self.act(lambda group: _opens(group, side) and group.lead(side, quantity), wait)

    @rule(share=QUANTITIES, wait=WAITS)
    def leader_exits_at_market(self, share: int, wait: float) -> None:
        def exits(group: Group) -> None:
            if net := _net(group):
                group.lead("Sell" if net > 0 else "Buy", min(share, abs(net)))

        self.act(exits, wait)

    @rule(side=SIDES, quantity=QUANTITIES, kind=st.sampled_from(("Limit", "Stop", "MIT")), ticks=TICKS, wait=WAITS)
    def leader_rests_an_order(self, side: str, quantity: int, kind: str, ticks: int, wait: float) -> None:
        def rests(group: Group) -> None:
            price = _price(group, ticks if (side == "Sell") != (kind == "Stop") else -ticks)
            if _opens(group, side):
                terms: dict[str, Any] = {"price": price} if kind == "Limit" else {"stop": price}
                group.lead(side, quantity, kind, **terms)

        self.act(rests, wait)

    @rule(side=SIDES, quantity=QUANTITIES, profit=TICKS, stop=TICKS, entry=st.integers(0, 3), wait=WAITS)
    def leader_enters_with_a_bracket(
        self, side: str, quantity: int, profit: int, stop: int, entry: int, wait: float
    ) -> None:
        def brackets(group: Group) -> None:
            if _net(group):
                return
            out, sign, ticket = ("Sell", 1, group.broker.ticket) if side == "Buy" else ("Buy", -1, group.broker.ticket)
            at = {"kind": "Limit", "price": _price(group, -sign * entry)} if entry else {}
            group.broker.place_oso(
                ticket("LEAD", side, ES, quantity, **at),  # type: ignore[arg-type]
                ticket("LEAD", out, ES, quantity, "Limit", price=_price(group, sign * profit)),
                ticket("LEAD", out, ES, quantity, "Stop", stop=_price(group, -sign * (entry + stop))),
            )

        self.act(brackets, wait)

    @rule(profit=TICKS, stop=TICKS, wait=WAITS)
    def leader_protects_what_he_has(self, profit: int, stop: int, wait: float) -> None:
        def protects(group: Group) -> None:
            net, ticket = _net(group), group.broker.ticket
            if not net:
                return
            out, sign = ("Sell", 1) if net > 0 else ("Buy", -1)
            group.broker.place_oco(
                ticket("LEAD", out, ES, abs(net), "Limit", price=_price(group, sign * profit)),
                ticket("LEAD", out, ES, abs(net), "Stop", stop=_price(group, -sign * stop)),
            )

        self.act(protects, wait)

    @rule(which=WHICH, ticks=st.integers(-3, 3), wait=WAITS)
    def leader_moves_an_order(self, which: int, ticks: int, wait: float) -> None:
        def moves(group: Group) -> None:
            order = _resting(group, which)
            if order is not None:
                field = "price" if order.terms.price is not None else "stop_price"
                moved = getattr(order.terms, field) + ticks * group.broker.exchange.tick(ES)
                group.broker.modify(order.order_id, **{field.removesuffix("_price"): moved})

        self.act(moves, wait)

    @rule(which=WHICH, quantity=QUANTITIES, wait=WAITS)
    def leader_resizes_an_order(self, which: int, quantity: int, wait: float) -> None:
        def resizes(group: Group) -> None:
            order = _resting(group, which)
            if order is not None and order.parent_id is None and order.oco_id is None:
                group.change(order.order_id, qty=order.filled + quantity)

        self.act(resizes, wait)

    @rule(which=WHICH, wait=WAITS)
    def leader_cancels_an_order(self, which: int, wait: float) -> None:
        def cancels(group: Group) -> None:
            if (order := _resting(group, which)) is not None:
                group.broker.cancel(order.order_id)

        self.act(cancels, wait)

    @rule(wait=WAITS)
    def leader_gets_out(self, wait: float) -> None:
        self.act(lambda group: group.broker.flatten("LEAD", ES), wait)

    # ---- the market and the broker

    @rule(ticks=st.integers(-6, 6), wait=WAITS)
    def market_moves(self, ticks: int, wait: float) -> None:
        def moves(group: Group) -> None:
            for _ in range(abs(ticks)):
                shift(group.broker, ES, 1 if ticks > 0 else -1)

        self.act(moves, wait)

    @rule(size=st.integers(0, 2), gap=st.sampled_from((0.0, 0.03, 0.4)), delay=st.sampled_from((0.0, 0.02, 0.3)))
    def fills_come_in_parts(self, size: int, gap: float, delay: float) -> None:
        self.act(lambda group: group.fault(fill_size=size, fill_gap=(gap, gap), fill_delay=(0.0, delay)))

    @rule(
        duplicates=st.sampled_from((0.0, 0.5)),
        shuffled=st.booleans(),
        late=st.sampled_from((0.0, 0.05, 1.0)),
        first=st.booleans(),
        answers=st.sampled_from((0.0, 0.1)),
        drops=st.sampled_from((0.0, 0.0, 0.3)),
    )
    def events_come_twice_and_in_any_order(
        self, duplicates: float, shuffled: bool, late: float, first: bool, answers: float, drops: float
    ) -> None:
        self.act(
            lambda group: group.fault(
                duplicate_props=duplicates,
                shuffle_props=shuffled,
                props_delay=(0.0, late),
                events_first=first,
                answer_delay=(0.0, answers),
                drop_props=drops,
            )
        )

    @rule(how=st.sampled_from(("silent", "lost", "late", "failed", "cut")), wait=WAITS)
    def an_answer_is_lost(self, how: str, wait: float) -> None:
        """Of the next order request. A late one comes within the settling time: later nobody can tell."""
        prepared: dict[str, Callable[[Group], None]] = {
            "silent": lambda group: group.server.accept_and_lose_answer(),
            "lost": lambda group: group.server.lose_request(),
            "late": lambda group: group.server.accept_late(8.0),
            "failed": lambda group: group.server.accept_then_fail(),
            "cut": lambda group: group.server.accept_then_cut(),
        }
        self.act(prepared[how], wait)

    @rule(name=FOLLOWERS, stage=st.sampled_from(("answer", "risk", "exchange")), wait=WAITS)
    def an_order_is_refused(self, name: str, stage: str, wait: float) -> None:
        self.act(lambda group: group.server.reject_next(name.upper(), "MaxPosLimitReached", stage=stage), wait)

    # ---- connections and processes

    @rule(login=LOGINS, how=st.sampled_from(("cut", "1001", "half open", "notice")), wait=WAITS)
    def connection_is_lost(self, login: str, how: str, wait: float) -> None:
        ways: dict[str, Callable[[Group], None]] = {
            "cut": lambda group: group.server.drop_sockets(login),
            "1001": lambda group: group.server.drop_sockets(login, code=1001),
            "half open": lambda group: group.server.half_open(login),
            "notice": lambda group: group.server.go_away(login),
        }
        self.act(ways[how], wait)

    @rule(refusing=st.booleans(), wait=WAITS)
    def nobody_listens(self, refusing: bool, wait: float) -> None:
        def deaf(group: Group) -> None:
            group.network.refusing = refusing

        self.act(deaf, wait)

    @rule(dead_for=st.sampled_from((0.1, 3.0, 20.0)), wait=WAITS)
    def process_is_killed(self, dead_for: float, wait: float) -> None:
        self.act(lambda group: group.kill(dead_for), wait)

    @rule(dead_for=st.sampled_from((0.1, 3.0)))
    def process_dies_at_one_of_its_ports(self, dead_for: float) -> None:
        self.act(lambda group: group.kill_soon(dead_for))

    # ---- people

    @rule(side=SIDES, quantity=st.integers(1, 2), wait=WAITS)
    def somebody_else_trades_a_follower(self, side: str, quantity: int, wait: float) -> None:
        self.act(lambda group: group.by_hand(side, quantity), wait)

    @rule(name=FOLLOWERS, what=st.sampled_from((e.PauseAsked, e.ResumeAsked, e.FlattenAsked)), wait=WAITS)
    def operator_asks(self, name: str, what: Callable[..., e.Event], wait: float) -> None:
        self.act(lambda group: group.ask_if_alive(name, what), wait)

    @rule(name=ACCOUNTS, what=st.sampled_from((e.DisconnectAsked, e.ReconnectAsked)), wait=WAITS)
    def operator_connects(self, name: str, what: Callable[..., e.Event], wait: float) -> None:
        self.act(lambda group: group.ask_if_alive(name, what), wait)

    # ---- what must be true

    @rule()
    def all_comes_to_rest(self) -> None:
        self.live(Group.settled)

    def teardown(self) -> None:
        if self.still is None:
            return
        try:
            self.live(Group.settled)
            self.live(Group.out)
        finally:
            self.still.close()


def _net(group: Group) -> int:
    return group.positions("lead").get(ES, 0)


def _opens(group: Group, side: str) -> bool:
    """May the leader add on this side?"""
    return _net(group) * (1 if side == "Buy" else -1) < MOST


def _price(group: Group, ticks: int) -> Decimal:
    return group.broker.exchange.last[ES] + ticks * group.broker.exchange.tick(ES)


def _resting(group: Group, which: int) -> Order | None:
    orders = [one for one in group.broker.working("LEAD") if not one.pending and one.terms.kind != "Market"]
    return orders[which % len(orders)] if orders else None


TestGroupLife = GroupLife.TestCase
TestGroupLife.settings = settings(
    max_examples=EXAMPLES or 40,
    stateful_step_count=30,
    deadline=None,
    derandomize=not EXAMPLES,
    # To make a story shorter takes minutes; whoever looks for long, or for a reason, has them.
    phases=(Phase.reuse, Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
