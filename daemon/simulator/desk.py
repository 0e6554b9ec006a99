"""The order desk: takes commands, checks risk, hands orders to the exchange, books what trades.

Rule 1: an answer with an orderId means only accepted; refusals by risk or exchange come later as a commandReport.
Rule 2: everything that happens to an order becomes entities, and the entities become events.
Rule 3: the New command's id is the order's id; clOrdId and customTag50 live on the command, text on the orderVersion
(Tradovate OpenAPI). A clOrdId seen before is no reason to refuse: uniqueness is documented nowhere.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from random import Random

import attrs

from daemon.simulator.books import Books
from daemon.simulator.entities import Entities, number
from daemon.simulator.exchange import Exchange, Terms
from daemon.simulator.faults import Faults, Range
from daemon.simulator.orders import Marks, Order, Ticket
from daemon.simulator.paperwork import Paperwork
from daemon.simulator.risk import Risk

TOO_LATE = "Order is already finished"


@attrs.define
class Desk:
    """`later(delay, act)` runs `act` so many seconds from now, at once when the delay is zero."""

    entities: Entities
    paper: Paperwork
    exchange: Exchange
    books: Books
    now: Callable[[], datetime]
    dice: Random
    later: Callable[[float, Callable[[], None]], None]
    conditions: Callable[[], Faults]
    orders: dict[int, Order] = attrs.Factory(dict)
    log: list[Order] = attrs.Factory(list)  # every order ever accepted; outlives the trading session
    risk: Risk = attrs.Factory(lambda self: Risk(self.books), takes_self=True)
    # ---- commands

    def place(self, ticket: Ticket) -> Order:
        """Accept one order."""
        order = self._accept(ticket, self.entities.issue())
        self._proceed(order)
        return order

    def place_oco(self, first: Ticket, second: Ticket) -> tuple[Order, Order]:
        """Accept two orders of which one cancels the other."""
        ids = self.entities.issue(), self.entities.issue()
        pair = self._accept(first, ids[0], oco_id=ids[1]), self._accept(second, ids[1], oco_id=ids[0])
        for order in pair:
            self._proceed(order)
        return pair

    def place_oso(self, parent: Ticket, *groups: list[Ticket]) -> list[Order]:
        """Accept an order and the children that start work when it fills; two children of one group are an OCO."""
        order_id = self.entities.issue()
        family = [self._accept(parent, order_id)]
        for tickets in groups:
            ids = [self.entities.issue() for _ in tickets]
            for place, ticket in enumerate(tickets):
                other = ids[1 - place] if len(ids) == 2 else None
                family.append(self._accept(ticket, ids[place], oco_id=other, parent_id=order_id))
        family[0].children = [order.order_id for order in family[1:]]
        for order in [*family[1:], family[0]]:  # children first: they must be suspended before the parent can fill
            self._proceed(order)
        return family

    def modify(self, order: Order, terms: Terms, marks: Marks) -> int:
        """Accept a change of terms; the caller has checked that the order lives and nothing is pending."""
        command = self.paper.command(order, "Modify", marks)
        order.pending = True
        self._after(self.conditions().cancel_delay, lambda: self._replace(order, terms, command["id"]))
        return int(command["id"])

    def cancel(self, order: Order, marks: Marks) -> int:
        """Accept a cancel."""
        command = self.paper.command(order, "Cancel", marks)
        order.pending = True
        self._after(self.conditions().cancel_delay, lambda: self._withdraw(order, command["id"]))
        return int(command["id"])

    def expire(self, order: Order) -> None:
        """The broker ends an order: session close, good-till date."""
        self._finish(order, "Expired", "Expired", order.order_id)

    def trade_all(self, order_ids: list[int]) -> None:
        """These orders can trade now."""
        for order_id in order_ids:
            self._try(self.orders[order_id])

    # ---- the life of an order

    def _accept(self, ticket: Ticket, order_id: int, oco_id: int | None = None, parent_id: int | None = None) -> Order:
        order = Order(order_id, ticket, ticket.terms, self.now(), oco_id=oco_id, parent_id=parent_id)
        self.orders[order_id] = order
        self.log.append(order)
        self.paper.order(order)
        self.paper.version(order)
        self.paper.command(order, "New", ticket.marks, order_id)
        order.pending = True
        return order

    def _proceed(self, order: Order) -> None:
        self._after(self.conditions().risk_delay, lambda: self._route(order))

    def _route(self, order: Order) -> None:
        """Risk first, then the exchange."""
        order.pending = False
        if order.status != "PendingNew":  # canceled meanwhile, or a child already woken by its parent's fill
            return
        account_id = order.ticket.account_id
        if (refusal := self.risk.objection(order)) is not None:
            self._reject(order, "RiskRejected", refusal.reason, refusal.text)
            return
        self.paper.report(order, order.order_id, "RiskPassed")
        if order.parent_id is not None and not self.orders[order.parent_id].finished:
            self.paper.report(order, order.order_id, "ExecutionSuspended", "Suspended")
            self.paper.status(order, "Suspended")
            return
        refused = self.risk.prepared(account_id, "exchange")
        flaw = self.exchange.flaw(order.symbol, order.terms)
        if refused is not None:
            self._reject(order, "ExecutionRejected", refused.reason, refused.text)
        elif flaw is not None:
            self._reject(order, "ExecutionRejected", "InvalidPrice", flaw)
        elif order.symbol in self.exchange.halted:
            self._reject(order, "ExecutionRejected", "SessionClosed", "market is closed for this contract")
        else:
            self._work(order)

    def _work(self, order: Order) -> None:
        self.paper.report(order, order.order_id, "AtExecution", "Working")
        self.paper.execution(order, "New", "Working", order.order_id)
        self.paper.status(order, "Working")
        self.exchange.enter(order.order_id, order.symbol, order.ticket.buy, order.terms)
        if order.terms.tif == "GTD" and order.terms.expires is not None:
            wait = (order.terms.expires - self.now()).total_seconds()
            self.later(max(wait, 0.001), lambda: self.expire(order))
        if not self._try(order) and order.terms.tif in ("IOC", "FOK"):
            self._finish(order, "Canceled", "Canceled", order.order_id)

    def _try(self, order: Order) -> bool:
        """Start trading if the price allows it."""
        price = self.exchange.executable(order.order_id)
        if price is None or order.trading or order.status != "Working":
            return order.trading
        size = self.conditions().fill_size
        if order.terms.tif == "FOK" and 0 < size < order.left:
            return False
        order.trading = True
        self._after(self.conditions().fill_delay, lambda: self._trade(order, price))
        return True

    def _trade(self, order: Order, price: Decimal) -> None:
        """One fill."""
        order.trading = False
        if order.finished or order.left <= 0:
            return
        size = self.conditions().fill_size
        qty = min(order.left, size) if size > 0 else order.left
        order.filled, order.value = order.filled + qty, order.value + price * qty
        done = order.left == 0
        ticket = order.ticket
        self.paper.execution(
            order,
            "Trade",
            "Filled" if done else "Working",
            order.order_id,
            avgPx=number(order.value / order.filled),
            lastQty=qty,
            lastPx=number(price),
        )
        fill_id = self.paper.fill(order, qty, price)
        self.books.book(ticket.account_id, ticket.listing, ticket.buy, qty, price, fill_id)
        if done:
            self.exchange.leave(order.order_id)
            self.paper.status(order, "Filled")
            self._cancel_other(order)
        self._wake_children(order, done)
        if not done:
            if order.terms.tif == "IOC":
                self._finish(order, "Canceled", "Canceled", order.order_id)
            else:
                self._after(self.conditions().fill_gap, lambda: self._continue(order))

    def _continue(self, order: Order) -> None:
        self._try(order)

    def _replace(self, order: Order, terms: Terms, command_id: int) -> None:
        order.pending = False
        if order.finished:
            self.paper.report(order, command_id, "ExecutionRejected", reason="TooLate", text=TOO_LATE)
            return
        self.paper.report(order, command_id, "RiskPassed")
        refused, flaw = self.risk.prepared(order.ticket.account_id, "exchange"), self.exchange.flaw(order.symbol, terms)
        if refused is not None or flaw is not None or terms.qty <= order.filled:
            reason = refused.reason if refused else "InvalidPrice" if flaw else "TooLate"
            text = refused.text if refused else flaw or "Quantity is already filled"
            self.paper.report(order, command_id, "ExecutionRejected", reason=reason, text=text)
            return
        order.terms = terms
        self.paper.version(order)
        self.paper.report(order, command_id, "AtExecution", order.status)
        self.paper.execution(order, "Replaced", order.status, command_id)
        if order.status == "Working":
            self.exchange.enter(order.order_id, order.symbol, order.ticket.buy, terms)
            self._try(order)

    def _withdraw(self, order: Order, command_id: int) -> None:
        order.pending = False
        if order.finished:
            self.paper.report(order, command_id, "ExecutionRejected", reason="TooLate", text=TOO_LATE)
            return
        self.paper.report(order, command_id, "AtExecution", "Canceled")
        self._finish(order, "Canceled", "Canceled", command_id)

    # ---- families

    def _cancel_other(self, order: Order) -> None:
        other = self.orders.get(order.oco_id) if order.oco_id is not None else None
        if other is not None and not other.finished:
            self._finish(other, "Canceled", "Canceled", other.order_id)

    def _wake_children(self, parent: Order, done: bool) -> None:
        """Which fill of the parent wakes its children is documented nowhere, hence the switch."""
        wake = self.conditions().oso_wake
        for child in self._children(parent):
            if not (done or wake in ("first_fill", "each_fill")):
                continue
            asleep = child.status in ("Suspended", "PendingNew")
            share = _share(child, parent)
            if not share:
                continue
            if wake == "each_fill" and (asleep or child.terms.qty < share):
                child.terms = attrs.evolve(child.terms, qty=share)
                self.paper.version(child)
            if asleep:
                self._start_child(child)

    def _children(self, parent: Order) -> list[Order]:
        """Those that live. What ended before the turn of the session has been forgotten since."""
        known = (self.orders.get(child_id) for child_id in parent.children)
        return [child for child in known if child is not None and not child.finished]

    def _start_child(self, child: Order) -> None:
        flaw = self.exchange.flaw(child.symbol, child.terms)
        refused = self.risk.prepared(child.ticket.account_id, "exchange")
        if flaw is not None or refused is not None:
            reason = refused.reason if refused else "InvalidPrice"
            self._reject(child, "ExecutionRejected", reason, refused.text if refused else flaw or "")
        else:
            self._work(child)

    def _end_children(self, parent: Order) -> None:
        """The parent ended without filling up: what it did fill stays protected, the rest of the family goes."""
        for child in self._children(parent):
            if parent.status == "Rejected":
                self._reject(child, "ExecutionRejected", "ParentRejected", "Parent order was rejected")
            elif parent.filled == 0:
                self._finish(child, "Canceled", "Canceled", child.order_id)
            elif child.status == "Suspended":
                child.terms = attrs.evolve(child.terms, qty=_share(child, parent) or 1)
                self.paper.version(child)
                self._start_child(child)

    # ---- ends

    def _finish(self, order: Order, status: str, exec_type: str, command_id: int) -> None:
        if order.finished:
            return
        self.exchange.leave(order.order_id)
        self.paper.execution(order, exec_type, status, command_id)
        self.paper.status(order, status)
        if status == "Canceled":
            self._cancel_other(order)
        self._end_children(order)

    def _reject(self, order: Order, command_status: str, reason: str, text: str) -> None:
        self.paper.report(order, order.order_id, command_status, "Rejected", reason, text)
        self.paper.execution(order, "Rejected", "Rejected", order.order_id, rejectReason=reason, text=text)
        self.paper.status(order, "Rejected")
        self._end_children(order)

    def _after(self, delay: Range, act: Callable[[], None]) -> None:
        self.later(self.dice.uniform(*delay) if delay != (0.0, 0.0) else 0.0, act)


def _share(child: Order, parent: Order) -> int:
    """What this child would close of what its parent has filled: a strategy's brackets may be for parts of it."""
    part, whole = child.ticket.terms.qty, parent.ticket.terms.qty
    return parent.filled if part >= whole else parent.filled * part // whole
