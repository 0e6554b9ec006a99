"""How many contracts a follower trades for a leader's order.

Rule 1: the target for a leader's net position n is trunc(n x ratio x factor), toward zero, in exact decimals, within
        `max_position`. An order's quantity is the change of target that it would cause if it filled next, with the
        other working orders on its side that came before it counted as filled first: rounding never drifts, two
        entries never overshoot.
Rule 2: an exit never makes the follower's position change sign; a reversal is one order, never larger than what is ours
        plus the target beyond. One at market fills before what rests.
Rule 3: `min_one` raises 0 to 1 on openings only; `max_order` and `max_position` cut openings only. Of the leader's
        position what is above `max_position` is nobody's, and so is its exit.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import attrs

from statecharts.evolution import evolve
from statecharts.rules import Agreement, CopyRules
from statecharts.values import Order, OrderId, OrderType, Side, Symbol, root_of, with_root
from statecharts.view import View, worked_out

ROUNDS_TO_NOTHING = "the follower's size for it rounds to 0"
CAPPED = "max_position is reached"
NOTHING_TO_EXIT = "it exits a position that this follower does not have"


class Kind(enum.Enum):
    """What an order is to the position that it meets."""

    ENTRY = "entry"
    EXIT = "exit"
    REVERSAL = "reversal"


@attrs.frozen
class Size:
    """The answer: a side and a number of contracts; 0 contracts with the reason why.

    `meant` is what an exit or a reversal stands for before our own position limits it. `no_room` is what max_position
    leaves out of an entry, also because of what else may yet fill.
    """

    kind: Kind
    side: Side
    quantity: int
    why_nothing: str | None = None
    meant: int = 0
    opens: int = 0  # of these, a reversal's part beyond flat
    no_room: int = 0


def kind_of(position: int, side: Side, quantity: int) -> Kind:
    if position * side.sign >= 0:
        return Kind.ENTRY
    return Kind.EXIT if quantity <= abs(position) else Kind.REVERSAL


def configured(symbol: Symbol, rules: CopyRules) -> Agreement:
    """What the configuration says for the leader's contract. A turn asks some twenty times."""
    known = rules.configured.get(symbol)
    if known is None:
        known = rules.configured[symbol] = _configured(symbol, rules)
    return known


def _configured(symbol: Symbol, rules: CopyRules) -> Agreement:
    mapped = rules.map.get(root_of(symbol))
    return Agreement(
        to=symbol if mapped is None else with_root(symbol, mapped.to),
        ratio=rules.ratio,
        factor=Decimal(1) if mapped is None else mapped.factor,
        min_one=rules.min_one,
        max_order=rules.max_order,
        max_position=rules.max_position,
    )


def agreement(symbol: Symbol, rules: CopyRules) -> Agreement:
    """What holds for the leader's contract: as it was agreed when copying went into it, else as it is configured."""
    held = rules.agreed.get(symbol) or rules.configured.get(symbol)
    return configured(symbol, rules) if held is None else held


def follower_symbol(symbol: Symbol, rules: CopyRules) -> Symbol:
    """The contract that the follower trades for the leader's."""
    return agreement(symbol, rules).to


def follower_side(order: Order, rules: CopyRules) -> Side:
    return side_by(order, agreement(order.symbol, rules))


def side_by(order: Order, agreed: Agreement) -> Side:
    return order.side if agreed.ratio > 0 else other_side(order.side)


def target(n: int, symbol: Symbol, rules: CopyRules) -> int:
    """The follower's position for the leader's position `n` in `symbol` (the leader's contract)."""
    return target_by(n, agreement(symbol, rules))


def uncapped(n: int, symbol: Symbol, rules: CopyRules) -> int:
    """The target before `max_position` bounds it."""
    return _uncapped(n, agreement(symbol, rules))


def target_by(n: int, agreed: Agreement) -> int:
    return within(agreed.max_position, _uncapped(n, agreed))


def _uncapped(n: int, agreed: Agreement) -> int:
    scale = agreed.ratio * agreed.factor
    wanted = int(n * scale)  # int() cuts toward zero
    if agreed.min_one and wanted == 0 and n != 0:
        wanted = 1 if n * scale > 0 else -1
    return wanted


def within(cap: int | None, position: int) -> int:
    """What a cap leaves of a position, on either side; None: no cap."""
    return position if cap is None else max(-cap, min(cap, position))


def size(order: Order, view: View, own: int, rules: CopyRules, beside: int = 0) -> Size:
    """How to copy `order` (with terms), given the leader's view and the follower's own position in its contract.

    The view may already hold the order's own fills; they are taken out, so that the answer is the order's whole size.
    Of `own`, `beside` stands for other contracts of the leader's that are copied into the same one of ours.
    """
    agreed = agreement(order.symbol, rules)
    asked = (size, order.id, own, beside, agreed)
    all_known = worked_out(view)
    known = all_known.get(asked)
    if known is None or known[0] is not order:
        known = all_known[asked] = (order, _size(order, view, own, agreed, beside))
    found: Size = known[1]
    return found


def _size(order: Order, view: View, own: int, agreed: Agreement, beside: int) -> Size:
    assert order.terms is not None, "an order is sized by its terms"
    side = side_by(order, agreed)
    held = view.position(order.symbol) - order.net
    quantity = order.terms.quantity
    kind = kind_of(held, order.side, quantity)
    first = held + order.side.sign * _before(order, kind, view)
    then = first + order.side.sign * quantity
    change = abs(_target_from(held, then, agreed) - _target_from(held, first, agreed))
    if kind is Kind.EXIT:
        goes_flat = quantity == abs(held)  # the leader flat means the follower flat, whatever rounding said
        meant = abs(target_by(held, agreed)) if goes_flat else change
        wanted = max(0, side.sign * (beside - own)) if goes_flat else change
        return evolve(_exit(side, wanted, own, _why_nothing(first, then, agreed)), meant=meant)
    cap = change if agreed.max_order is None else agreed.max_order
    if kind is Kind.REVERSAL:
        beyond = target_by(held + order.side.sign * quantity, agreed)
        against = abs(own) if own * side.sign < 0 else 0
        opens = min(abs(beyond), cap)
        # His exits that rest may fill before it, and then all of it opens: no cap keeps back what exits, and only that.
        within_cap = abs(target_by(then, agreed) - target_by(first, agreed))
        change = max(within_cap, min(change, against))
        meant = min(change, abs(target_by(held, agreed)) + opens)
        found = Size(Kind.REVERSAL, side, min(change, against + opens), ROUNDS_TO_NOTHING)
        return evolve(found, meant=meant, opens=opens)
    whole = abs(_uncapped(then, agreed) - _uncapped(first, agreed))
    return Size(Kind.ENTRY, side, min(change, cap), _why_nothing(first, then, agreed), no_room=whole - change)


def _target_from(held: int, n: int, agreed: Agreement) -> int:
    """The target for `n`. Beyond flat, where the leader's exits end together, no cap makes one of them nothing."""
    return target_by(n, agreed) if n * held >= 0 else _uncapped(n, agreed)


def _why_nothing(first: int, then: int, agreed: Agreement) -> str:
    """Why our target is the same for these two positions of the leader's, if it is."""
    return ROUNDS_TO_NOTHING if _uncapped(first, agreed) == _uncapped(then, agreed) else CAPPED


def apart(order: Order, view: View) -> bool:
    """Does the leader's position cover this exit and every other that he has working, each taking its own part?"""
    all_known = worked_out(view)
    known = all_known.get((apart, order.id))
    if known is None or known[0] is not order:
        known = all_known[apart, order.id] = (order, _apart(order, view))
    found: bool = known[1]
    return found


def _apart(order: Order, view: View) -> bool:
    held = view.position(order.symbol) - order.net
    if order.terms is None or held * order.side.sign >= 0:
        return False
    return order.terms.quantity + _may_fill(_others(order, view)) <= abs(held)


def _before(order: Order, kind: Kind, view: View) -> int:
    """What fills before this order: of entries those that came before it, of exits those at market, if it is one."""
    others = _others(order, view)
    if kind is Kind.ENTRY:
        return _may_fill({number: other for number, other in others.items() if number < order.id})
    if _at_market(order):
        return _may_fill({number: other for number, other in others.items() if _at_market(other)})
    return _may_fill(others)


def _others(order: Order, view: View) -> dict[OrderId, Order]:
    """The leader's other working orders on this side, but those that sleep, and the one that ends with this one."""
    return {
        other.id: other
        for other in view.alive
        if other.symbol == order.symbol
        and other.side is order.side
        and other.id not in (order.id, order.oco_id)
        and other.rest
        and not view.asleep(other)
    }


def _may_fill(working: Mapping[OrderId, Order]) -> int:
    """Contracts that these may fill; of an OCO one of the two."""
    return sum(one.rest for one in working.values() if one.oco_id not in working or (one.oco_id or 0) > one.id)


def _at_market(order: Order) -> bool:
    return order.terms is not None and order.terms.order_type is OrderType.MARKET


def _exit(side: Side, wanted: int, own: int, why_nothing: str) -> Size:
    if own * side.sign >= 0:
        return Size(Kind.EXIT, side, 0, NOTHING_TO_EXIT)
    return Size(Kind.EXIT, side, min(wanted, abs(own)), why_nothing)


def other_side(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
