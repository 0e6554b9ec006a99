"""Events and effects in sentences, for an operator who has not read the code.

Rule 1: a sentence says what happened in the terms of the trade; numbers of orders stand in it, for they are what a
        broker's support can look up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from statecharts import effects as f
from statecharts import events as e
from statecharts.values import Order, Terms

LONGEST = 400  # characters of a sentence: the broker's own words may be long


def event(one: e.Event) -> str:
    """What happened to the account."""
    return _event(one)[:LONGEST]


def _event(one: e.Event) -> str:
    match one:
        case e.LeaderOrderSeen(leader=leader):
            return f"{leader}, the leader: {_orders(one.orders)}"
        case e.LeaderViewTaken(leader=leader):
            return f"{leader}, the leader, has been read anew"
        case e.LeaderLost(leader=leader, reason=reason):
            return f"{leader}, the leader, is not connected ({reason})"
        case e.OrderSeen():
            return f"the broker shows {_orders(one.orders)}"
        case e.PositionSeen(symbol=symbol, net=net):
            return f"the broker shows a position of {net:+d} {symbol}"
        case e.SnapshotTaken():
            return "the account has been read anew"
        case e.SessionLost(reason=reason):
            return f"the connection is lost ({reason})"
        case e.ErrandEvent():
            return _came_back(one)
        case e.AlarmRang():
            return "a deadline has come"
    return _spelled(one)


def _came_back(one: e.ErrandEvent) -> str:
    match one:
        case e.RequestSent(client_id=name):
            return f"the request has left ({name})"
        case e.RequestAccepted(order_id=number):
            return f"the broker has taken it: order {number}" if number is not None else "the broker has taken it"
        case e.RequestRefused(reason=reason, text=text):
            return f"the broker refuses it: {reason}" + (f" ({text})" if text else "")
        case e.RequestPenalised(seconds=seconds, captcha=captcha):
            return f"the broker puts it off for {seconds} s" + (", and asks for a captcha" if captcha else "")
        case e.AnswerLost(reason=reason):
            return f"no answer came ({reason}): nobody knows whether it arrived"
        case e.NeverSent(reason=reason):
            return f"it was never sent: {reason}"
        case e.LookedUp(order_id=number):
            return (
                f"looked up: it is order {number}" if number is not None else "looked up: the broker has no such order"
            )
        case e.LookUpFailed(reason=reason):
            return f"it could not be looked up ({reason})"
    return _spelled(one)


def effect(one: f.Effect) -> str:
    """What was decided to be done."""
    return _effect(one)[:LONGEST]


def _effect(one: f.Effect) -> str:
    match one:
        case f.PlaceOrder(symbol=symbol, side=side, terms=terms, client_id=name):
            legs = "".join(f", with {leg.side.value} {_terms(leg.terms)}" for leg in one.legs)
            return f"place {side.value} {terms.quantity} {symbol} {_terms(terms)}{legs} ({name})"
        case f.ModifyOrder(order_id=number, terms=terms):
            return f"change order {number} to {terms.quantity} {_terms(terms)}"
        case f.CancelOrder(order_id=number):
            return f"cancel order {number}"
        case f.Announce():
            return "tell the followers"
        case f.Tell(message=message):
            return f"say: {message}"
        case f.LookUp(not_before=at):
            return f"look the order up at the broker, from {at:%H:%M:%S} UTC on"
        case f.ReadAnew():
            return "read the account once more"
    return _spelled(one)


def worth_telling(one: f.Effect) -> bool:
    """The account's alarm clock is nobody's business."""
    return not isinstance(one, f.WakeAt)


def _orders(orders: Iterable[Order]) -> str:
    return "; ".join(_order(order) for order in orders)


def _order(order: Order) -> str:
    what = f"order {order.id}, {order.side.value}"
    if order.terms is None:
        return f"{what} {order.symbol}, {order.status.value}"
    asked = f"{what} {order.terms.quantity} {order.symbol} {_terms(order.terms)}, {order.status.value}"
    return f"{asked}, {order.filled} filled" if order.filled else asked


def _terms(terms: Terms) -> str:
    prices = (("", terms.price), ("stop ", terms.stop_price), ("peg ", terms.peg_difference))
    said = [f"{name}{price}" for name, price in prices if price is not None]
    return " ".join([terms.order_type.value, *said, terms.time_in_force.value])


def _spelled(one: object) -> str:
    """OrdersDenied -> orders denied"""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(one).__name__).lower()
