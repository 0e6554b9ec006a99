"""What was decided, in lines that people read and that can be compared: the effects of a turn, and what it remembers.

Rule 1: a line holds what decides something. The words in which it is told are left out: they may change with a version.
Rule 2: what is new in a version is not a difference: both sides are values of today's classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from daemon.ledger import codec
from statecharts import effects as f
from statecharts import events as e
from statecharts.account import Account
from statecharts.values import Order, Terms

Json = dict[str, Any]

# Text for people. Of `no_entry` and `cancel_wanted` it decides something whether there is any.
WORDS: Final = frozenset({"reason", "message", "remedy", "close_why", "why", "busted", "advice"})
SAID: Final = frozenset({"no_entry", "cancel_wanted"})
LONGEST: Final = 160  # characters of one line


def effect(one: f.Effect) -> str:
    """One effect in a line."""
    match one:
        case f.PlaceOrder(symbol=symbol, side=side, terms=terms):
            legs = "".join(f" + {leg.side.value} {_terms(leg.terms)}" for leg in one.legs)
            return f"{type(one).__name__} {side.value} {terms.quantity} {symbol} {_terms(terms)}{legs}"
        case f.ModifyOrder(order_id=number, terms=terms):
            return f"ModifyOrder {number} to {terms.quantity} {_terms(terms)}"
        case f.CancelOrder(order_id=number):
            return f"CancelOrder {number}"
        case f.Announce(event=event):
            return f"Announce {type(event).__name__} {about(event)}".rstrip()
        case f.Tell(event=name, severity=severity, copy=copy):
            return f"Tell {name} ({severity.value})" + (f" of {copy}" if copy else "")
    found = codec.json_of(one)
    return f"{found.pop('kind')} {_spelled(found)}"[:LONGEST]


def _terms(terms: Terms) -> str:
    prices = [str(price) for price in (terms.price, terms.stop_price, terms.peg_difference) if price is not None]
    return " ".join([terms.order_type.value, *prices, terms.time_in_force.value])


def about(event: e.Event) -> str:
    """What an event is about, in few words."""
    match event:
        case e.OrderSeen() | e.LeaderOrderSeen():
            return ", ".join(_order(order) for order in event.orders)[:LONGEST]
        case e.ErrandEvent(client_id=name):
            return name
        case e.PositionSeen(symbol=symbol, net=net):
            return f"{net} {symbol}"
    return ""


def _order(order: Order) -> str:
    asked = f"{order.terms.quantity} " if order.terms else ""
    kind = f" {order.terms.order_type.value}" if order.terms else ""
    what = f"{order.side.value} {asked}{order.symbol}{kind}"
    return f"order {order.id}: {what} {order.status.value}, {order.filled} filled"


def apart(then: Iterable[str], now: Iterable[str]) -> tuple[list[str], list[str]]:
    """The lines that are on one side only, in their order."""
    left, right = list(then), []
    for line in now:
        if line in left:
            left.remove(line)
        else:
            right.append(line)
    return left, right


def remembered(then: Account, now: Account) -> tuple[list[str], list[str]]:
    """The parts of the account that differ, each in a line on both sides."""
    was, becomes = dict(_parts(codec.changes(now, then))), dict(_parts(codec.changes(then, now)))
    before: list[str] = []
    after: list[str] = []
    for part in sorted(was.keys() | becomes.keys()):
        for field, (left, right) in _differing(was.get(part), becomes.get(part)).items():
            name = f"{part}.{field}" if field else part
            before.append(f"{name} = {_spelled(left)}"[:LONGEST])
            after.append(f"{name} = {_spelled(right)}"[:LONGEST])
    return before, after


def _parts(changes: Json) -> Iterator[tuple[str, object]]:
    """What has changed, by its dotted name: connection, contracts.ESZ6, copies.cpd-x, theirs.orders.4711."""
    for key, value in changes.items():
        if key != "book":
            yield key, value
            continue
        for part, changed in value.items():
            yield from _of_book(part, changed)


def _of_book(part: str, changed: object) -> Iterator[tuple[str, object]]:
    if not isinstance(changed, Mapping):
        yield part, changed
    elif part in ("mine", "theirs"):
        for field, inner in changed.items():
            yield from _of_book(f"{part}.{field}", inner)
    else:
        yield from ((f"{part}.{key}", value) for key, value in changed.items())


def _differing(then: object, now: object) -> dict[str, tuple[object, object]]:
    """The fields of one part in which the two differ, words apart."""
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        return {} if then == now else {"": (then, now)}
    pairs = {name: (_said(name, then.get(name)), _said(name, now.get(name))) for name in {**then, **now}}
    return {name: pair for name, pair in pairs.items() if name not in WORDS and pair[0] != pair[1]}


def _said(name: str, value: object) -> object:
    return value is not None if name in SAID else value


def _spelled(value: object) -> str:
    return "none" if value is None else json.dumps(value, separators=(", ", ": "))
