"""What must be true of a group: at every execution, at every commit of the daemon, and when all is at rest.

Rule 1: who owns what is counted at the exchange: ours is what our own orders have executed, and nobody's word for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from daemon.ledger import Taken
from daemon.simulator.entities import Change
from statecharts import exposure
from statecharts.effects import Leg, PlaceOco, PlaceOrder, PlaceOso, Request
from statecharts.order import Stage
from statecharts.sizing import Kind
from statecharts.values import Symbol

if TYPE_CHECKING:
    from tests.scenarios.group import Group


class Untrue(AssertionError):
    """What must be true was not."""


@attrs.define(eq=False)
class Truth:
    """`visited` are the followers that somebody else has traded; what he closes of ours is closed twice at times."""

    group: Group
    visited: set[str] = attrs.field(factory=set)
    untrue: list[str] = attrs.field(factory=list)
    _ours: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    _asked: dict[str, Kind] = attrs.field(factory=dict)  # client order ids in commits, and what each is for
    _accepted: set[str] = attrs.field(factory=set)

    @property
    def followers(self) -> list[str]:
        return [one.account for copy in self.group.config.copies for one in copy.followers]

    def ours(self, name: str, symbol: str) -> int:
        return self._ours[name, symbol]

    def expect(self, holds: bool, words: str) -> None:
        if not holds:
            self.untrue.append(words)

    def look(self) -> None:
        """Raises Untrue for the first thing that was."""
        if self.untrue:
            raise Untrue(self.untrue[0])

    # ---- at the exchange

    def changed(self, change: Change) -> None:
        entity = change.entity
        created = change.event == "Created"
        if change.kind == "command" and created and entity["commandType"] == "New" and entity.get("isAutomated"):
            self._taken(str(entity.get("clOrdId")), self._name(change.owner))
        elif change.kind == "fill" and created:
            order = self.group.broker.desk.orders[entity["orderId"]]
            if order.ticket.marks.automated:
                signed = entity["qty"] if order.ticket.buy else -entity["qty"]
                self._executed(self._name(change.owner), order.symbol, signed, str(order.ticket.marks.cl_ord_id))

    def _name(self, account_id: int | None) -> str:
        by_id = {number: name for name, number in self.group.broker.account_ids.items()}
        return next(name for name, one in self.group.config.accounts.items() if one.name == by_id[account_id or 0])

    def _taken(self, client_id: str, name: str) -> None:
        self.expect(name in self.followers, f"an order of ours on {name}, which follows nobody")
        self.expect(client_id in self._asked, f"{name}: {client_id} is at the broker, and no commit has asked for it")
        self.expect(client_id not in self._accepted, f"{name}: {client_id} was accepted twice")
        self._accepted.add(client_id)

    def _executed(self, name: str, symbol: str, signed: int, client_id: str) -> None:
        before = self._ours[name, symbol]
        self._ours[name, symbol] = after = before + signed
        if name in self.visited:
            return
        cap = self.group.caps[name]
        self.expect(abs(after) <= cap, f"{name} has {after} {symbol} of its own where {cap} is the cap")
        flips = self._asked.get(client_id) is Kind.EXIT and (not before or before * after < 0)
        # An exit that is late may fill behind the entry that came after it: then the leader is there already.
        led = sum(net for one, net in self.group.positions("lead").items() if one[-4:] == symbol[-4:])
        self.expect(not flips or after * led > 0, f"{name}: an exit has made {after} {symbol} of {before}")

    # ---- at a commit

    def committed(self, turns: Sequence[Taken]) -> None:
        for taken in turns:
            self.expect(taken.failed is None, f"{taken.after.name}: a turn raised: {(taken.failed or '')[-400:]}")
            for effect in taken.effects:
                if isinstance(effect, Request):
                    self._decided(taken, effect)

    def _decided(self, taken: Taken, effect: Request) -> None:
        book, name = taken.after.book, taken.after.name
        legs = (
            effect.brackets if isinstance(effect, PlaceOso) else (effect.other,) if isinstance(effect, PlaceOco) else ()
        )
        for client_id in (effect.client_id, *(leg.client_id for leg in legs)):
            copy = book.copies[book.names[client_id]]
            self.expect(client_id not in self._asked, f"{name}: {client_id} is asked for twice")
            self._asked[client_id] = copy.kind
        if isinstance(effect, PlaceOrder) and book.copies[effect.copy].kind is not Kind.EXIT:
            doubt = [c.id for c in book.in_progress(effect.symbol) if c.trades and c.stage is Stage.UNKNOWN]
            self.expect(not doubt, f"{name}: opens in {effect.symbol} beside what is in doubt: {doubt}")
            self.expect(not book.held_back(), f"{name}: opens while it is not compared with its leader")

    # ---- at rest

    def calm(self) -> None:
        for name in self.followers:
            self._in_order(name)
        said = [entry.message for entry in self.group.journal if "bug" in entry.message]
        self.expect(not said, f"the daemon says: {said[:1]}")
        self.look()

    def _in_order(self, name: str) -> None:
        account = self.group.account(name).account
        book, rules = account.book, account.in_force.copy
        assert rules is not None
        for copy in book.all_open():
            at_rest = copy.stage in (Stage.WORKING, Stage.HELD) or copy.stage is Stage.ACCEPTED
            self.expect(at_rest, f"{name}: {copy.verb.value} {copy.id} is {copy.stage.value}: {copy.reason}")
        held = self.group.positions(name)
        for symbol in sorted({*held, *book.contracts}):
            contract = book.contract(Symbol(symbol))
            there = contract.own + contract.foreign
            self.expect(there == held.get(symbol, 0), f"{name}: {symbol} {there} in the books, {held} at the broker")
            if name not in self.visited:
                counted = self.ours(name, symbol)
                self.expect(
                    contract.own == counted, f"{name}: {symbol} {contract.own} in the books, {counted} executed"
                )
            target = exposure.total_target(book, Symbol(symbol), rules)
            beyond = exposure.goal(contract.own, target) != contract.own
            self.expect(not beyond or contract.left, f"{name}: {symbol} {contract.own} is beyond {target}, the target")
            waits = contract.no_entry or contract.foreign or contract.left or account.no_openings
            flattened = any(latch.holds(Symbol(symbol)) for latch in book.latches)
            told = contract.own == target or waits or flattened
            if rules.mode == "fills":
                self.expect(bool(told), f"{name}: {symbol} {contract.own} where {target} is the target, in silence")
        key = "leader_fill_id" if rules.mode == "fills" else "leader_order_id"
        rows = self.group.rows(name, "place")
        doubled = [number for number, times in Counter(row[key] for row in rows).items() if times > 1]
        self.expect(not doubled, f"{name}: more than one copy of {doubled[:3]}")
        filled: set[object] = {order.order_id for order in self.group.broker.orders("LEAD") if order.filled}
        # What we have cancelled ourselves has its reason in the row of that cancel.
        said_why = {row["leader_order_id"] for row in self.group.rows(name, "cancel") if row["reason"]}
        silent = [row["id"] for row in rows if _says_nothing(row, filled - said_why)]
        self.expect(not silent, f"{name}: nothing was sent for {silent[:3]}, and nobody says why")

    def out(self) -> None:
        """The leader is out of everything: so are we. What is left is the other one's, and known to be."""
        for name in self.followers:
            own = {symbol: c.own for symbol, c in self.group.account(name).account.book.contracts.items() if c.own}
            held = {} if name in self.visited else self.group.positions(name)
            self.expect(not own and not held, f"{name} has {own} of its own and holds {held} when the leader is flat")
            working = self.group.broker.working(self.group.config.accounts[name].name)
            ours = sum(order.ticket.marks.automated for order in working)
            self.expect(not ours, f"{name} has {ours} orders working when the leader is flat")
        self.look()


def _legs(request: Request) -> tuple[Leg, ...]:
    if isinstance(request, PlaceOso):
        return request.brackets
    return (request.other,) if isinstance(request, PlaceOco) else ()


def _says_nothing(row: dict[str, object], filled: set[object]) -> bool:
    """Was nothing sent, or did nothing come of what the leader has got, and the row has no reason?"""
    if row["reason"] or row["outcome"] in ("intended", "filled"):
        return False
    return row["order_id"] is None or row["leader_order_id"] in filled
