"""The endpoints that trade: placeorder, placeoco, placeoso, modifyorder, cancelorder, liquidateposition.

An orderId or commandId in the answer means only accepted. Business refusals known at once are 200 + failureReason; no
permission, a foreign or missing account and an unapproved device on live are 401 "Access is denied" (Tradovate
OpenAPI; staff on the device check). So does a key whose permission for orders is not Full Access.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from daemon.simulator.broker import Broker
from daemon.simulator.calls import DENIED, Answer, Call, Refusal, flag, needed, side, terms, text, whole
from daemon.simulator.exchange import TRAILING_KINDS
from daemon.simulator.logins import Login
from daemon.simulator.orders import Marks, Order, Ticket
from daemon.simulator.products import Listing


def failure(reason: str, words: str) -> Refusal:
    """200 with a failureReason."""
    return Refusal(200, {"failureReason": reason, "failureText": words})


class Commands:
    """The handlers, by endpoint."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._handlers: dict[str, Callable[[Call, Login], dict[str, Any]]] = {
            "order/placeorder": self._place,
            "order/placeoco": self._place_oco,
            "order/placeoso": self._place_oso,
            "order/modifyorder": self._modify,
            "order/cancelorder": self._cancel,
            "order/liquidateposition": self._liquidate,
        }

    def __contains__(self, endpoint: str) -> bool:
        return endpoint in self._handlers

    def carry_out(self, call: Call, login: Login) -> Answer:
        """Handle one of these endpoints. Raises Refusal."""
        devices = login.spec.devices
        device = call.token.session.device if call.token else None
        if self._broker.faults.live and devices is not None and device not in devices:
            return DENIED
        if login.spec.orders != "full":
            return DENIED
        return Answer(200, self._handlers[call.endpoint](call, login))

    def _place(self, call: Call, login: Login) -> dict[str, Any]:
        return {"orderId": self._broker.desk.place(self._ticket(call, login)).order_id}

    def _place_oco(self, call: Call, login: Login) -> dict[str, Any]:
        first = self._ticket(call, login)
        other = self._leg(call.body.get("other"), first)
        order, partner = self._broker.desk.place_oco(first, other)
        return {"orderId": order.order_id, "ocoId": partner.order_id}

    def _place_oso(self, call: Call, login: Login) -> dict[str, Any]:
        parent = self._ticket(call, login)
        brackets = [self._leg(call.body.get("bracket1"), parent)]
        if call.body.get("bracket2") is not None:
            brackets.append(self._leg(call.body["bracket2"], parent))
        family = self._broker.desk.place_oso(parent, brackets)
        names = ("orderId", "oso1Id", "oso2Id")
        return {name: order.order_id for name, order in zip(names, family, strict=False)}

    def _modify(self, call: Call, login: Login) -> dict[str, Any]:
        order, wanted = self._living(call, login), terms(call.body)
        others = attrs.evolve(wanted, qty=order.terms.qty, text=order.terms.text)
        if TRAILING_KINDS & {order.terms.kind, wanted.kind} and others != order.terms:
            raise failure("TrailingStopNonOrderQtyModify", "Only the quantity of a trailing stop can be modified")
        return {"commandId": self._broker.desk.modify(order, wanted, self._marks(call, login))}

    def _cancel(self, call: Call, login: Login) -> dict[str, Any]:
        order = self._living(call, login)
        return {"commandId": self._broker.desk.cancel(order, self._marks(call, login))}

    def _liquidate(self, call: Call, login: Login) -> dict[str, Any]:
        account_id, contract_id = needed(call.body, "accountId"), needed(call.body, "contractId")
        name = self._account_name(account_id, login)
        listing = self._broker.contracts.get(contract_id)
        if listing is None:
            raise failure("InvalidContract", f"contract is not found (ID:{contract_id})")
        order_id = self._broker.flatten(name, listing.symbol, self._marks(call, login))
        return {} if order_id is None else {"orderId": order_id}

    def _ticket(self, call: Call, login: Login) -> Ticket:
        body = call.body
        wanted, spec = whole(body, "accountId"), text(body, "accountSpec")
        if wanted is None:
            wanted = self._broker.account_ids.get(spec or "")
        name = self._account_name(wanted, login)
        if spec is not None and spec not in (name, login.spec.username):
            raise Refusal(DENIED.status, DENIED.payload)
        account_id = self._broker.account_ids[name]
        buy, wanted_terms, marks = side(body), terms(body), self._marks(call, login)
        prepared = self._broker.desk.risk.prepared(account_id, "answer")
        if prepared is not None:
            raise failure(prepared.reason, prepared.text)
        return Ticket(account_id, self._listing(body), buy, wanted_terms, marks)

    def _leg(self, body: object, parent: Ticket) -> Ticket:
        """An OCO partner or a bracket: no quantity and no customTag50 of its own, but a clOrdId and a text."""
        if not isinstance(body, Mapping):
            raise Refusal(400, "Invalid or missed parameters: other or bracket1")
        above = parent.marks
        marks = Marks(above.sender, above.session, text(body, "clOrdId"), None, above.automated)
        return Ticket(parent.account_id, parent.listing, side(body), terms(body, parent.terms.qty), marks)

    def _listing(self, body: Mapping[str, Any]) -> Listing:
        symbol = body.get("symbol")
        if not isinstance(symbol, str):
            raise Refusal(400, "Invalid or missed parameters: symbol")
        listing = self._broker.listings.get(symbol)
        if listing is None:
            raise failure("InvalidContract", f"Contract not found: {symbol}")
        return listing

    def _account_name(self, account_id: int | None, login: Login) -> str:
        if account_id is None or account_id not in login.account_ids:
            raise Refusal(DENIED.status, DENIED.payload)
        return next(name for name, known in self._broker.account_ids.items() if known == account_id)

    def _living(self, call: Call, login: Login) -> Order:
        """The order a modify or cancel is about, if it can still be changed."""
        order = self._broker.desk.orders.get(needed(call.body, "orderId"))
        if order is None or order.ticket.account_id not in login.account_ids:
            if self._broker.faults.missing_order == "not_found":
                raise Refusal(404, "Not found")
            raise Refusal(DENIED.status, DENIED.payload)
        if order.finished and self._broker.faults.finished_order == "denied":
            raise Refusal(DENIED.status, DENIED.payload)
        if order.finished:
            raise failure("TooLate", f"Order is already {order.status}")
        if order.pending:
            raise failure("AnotherCommandPending", "Another command is pending")
        return order

    def _marks(self, call: Call, login: Login) -> Marks:
        body = call.body
        return Marks(
            sender=login.user_id,
            session=call.token.session.session_id if call.token else None,
            cl_ord_id=text(body, "clOrdId"),
            tag=text(body, "customTag50"),
            automated=flag(body, "isAutomated"),
            admin=flag(body, "admin"),
        )
