"""The entities an order leaves behind: order, orderVersion, command, commandReport, executionReport, fill.

Field names and types: Tradovate OpenAPI.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from daemon.simulator.entities import Entities, Entity, number, stamp, trade_date
from daemon.simulator.faults import Faults
from daemon.simulator.orders import Marks, Order


class Paperwork:
    """Writes entities; every one written becomes an event."""

    def __init__(self, entities: Entities, now: Callable[[], datetime], conditions: Callable[[], Faults]) -> None:
        self._entities = entities
        self._now = now
        self._conditions = conditions

    def order(self, order: Order) -> None:
        """A new order: no quantity, price or words on it, those are on its version and command."""
        ticket = order.ticket
        self._entities.create(
            "order",
            ticket.account_id,
            order.order_id,
            accountId=ticket.account_id,
            contractId=ticket.listing.contract_id,
            timestamp=stamp(order.created),
            action=order.action,
            ordStatus="PendingNew",
            executionProviderId=2,
            ocoId=order.oco_id,
            parentId=order.parent_id,
            admin=ticket.marks.admin,
        )

    def fill(self, order: Order, qty: int, price: Decimal) -> int:
        """A fill; returns its id."""
        ticket, moment = order.ticket, self._now()
        entity = self._entities.create(
            "fill",
            ticket.account_id,
            orderId=order.order_id,
            contractId=ticket.listing.contract_id,
            timestamp=stamp(moment),
            tradeDate=trade_date(moment),
            action=order.action,
            qty=qty,
            price=number(price),
            active=True,
            finallyPaired=0,
        )
        return int(entity["id"])

    def status(self, order: Order, status: str) -> None:
        """The order's new ordStatus."""
        order.status = status
        self._entities.update("order", order.order_id, ordStatus=status)

    def version(self, order: Order) -> Entity:
        """The order's terms as they are now; the newest version counts."""
        terms = order.terms
        return self._entities.create(
            "orderVersion",
            order.ticket.account_id,
            orderId=order.order_id,
            orderQty=terms.qty,
            orderType=terms.kind,
            price=None if terms.price is None else number(terms.price),
            stopPrice=None if terms.stop_price is None else number(terms.stop_price),
            maxShow=terms.max_show,
            pegDifference=None if terms.peg is None else number(terms.peg),
            timeInForce=terms.tif,
            expireTime=None if terms.expires is None else stamp(terms.expires),
            text=None if self._conditions().omit_text else terms.text,
        )

    def command(self, order: Order, kind: str, marks: Marks, command_id: int | None = None) -> Entity:
        """A command: the one entity that carries clOrdId and customTag50."""
        silent = self._conditions().omit_cl_ord_id
        return self._entities.create(
            "command",
            order.ticket.account_id,
            command_id,
            orderId=order.order_id,
            timestamp=stamp(self._now()),
            clOrdId=None if silent else marks.cl_ord_id,
            commandType=kind,
            commandStatus="Pending",
            senderId=marks.sender,
            userSessionId=marks.session,
            customTag50=None if silent else marks.tag,
            isAutomated=marks.automated,
        )

    def report(
        self,
        order: Order,
        command_id: int,
        status: str,
        ord_status: str | None = None,
        reason: str | None = None,
        text: str | None = None,
    ) -> None:
        """A commandReport and the command's new status."""
        self._entities.create(
            "commandReport",
            order.ticket.account_id,
            commandId=command_id,
            timestamp=stamp(self._now()),
            commandStatus=status,
            rejectReason=reason,
            text=text,
            ordStatus=ord_status,
        )
        self._entities.update("command", command_id, commandStatus=status)

    def execution(
        self, order: Order, exec_type: str, status: str, command_id: int, **more: str | int | float | None
    ) -> Entity:
        """An executionReport."""
        report_id, moment = self._entities.issue(), self._now()
        return self._entities.create(
            "executionReport",
            order.ticket.account_id,
            report_id,
            commandId=command_id,
            name=f"er-{report_id}",
            accountId=order.ticket.account_id,
            contractId=order.ticket.listing.contract_id,
            timestamp=stamp(moment),
            tradeDate=trade_date(moment),
            orderId=order.order_id,
            execType=exec_type,
            ordStatus=status,
            action=order.action,
            cumQty=order.filled,
            exchangeOrderId=f"X-{order.order_id}",
            **more,
        )
