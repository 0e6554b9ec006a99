"""What the follower asks for where the leader asks for some terms: type, prices, time in force.

Rule 1: all terms are the leader's, restated whole each time.
Rule 2: an inverse follower is to trade when its leader does, on the other side: where the leader waits for a better
        price (Limit, MIT) it waits for a worse one (Stop), and the other way round. What has no such counterpart is
        not mirrored: an order that trails, and one that is to be filled at once or not at all.
Rule 3: in another product, prices off its tick are rounded away from the market: limits and triggers of the follower
        are reached no sooner than the leader's, and by less than a tick later. Where a Stop's limit would then lie on
        the wrong side of its own trigger, it is the trigger. In the leader's own contract his prices are right.
Rule 4: where a trailing order stands is the broker's affair, and no difference in terms; and of its terms the broker
        lets nothing be changed but the quantity.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from statecharts.evolution import evolve
from statecharts.values import OrderType, Side, Terms, TimeInForce

AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def unmirrored(terms: Terms, inverse: bool) -> str | None:
    """Why this follower has no order that does the same; None when it has."""
    if not inverse or terms.order_type is OrderType.MARKET:
        return None
    if terms.order_type.trails:
        return f"an inverse follower has no counterpart of a {terms.order_type.value}: nothing trails on the other side"
    if terms.time_in_force in AT_ONCE:
        words = f"{terms.order_type.value} {terms.time_in_force.value}"
        return f"an inverse follower has no counterpart of a {words}: it would have to wait for a worse price"
    return None


def asked(terms: Terms, inverse: bool, side: Side, tick: Decimal | None) -> Terms:
    """The follower's terms. `side` is the follower's; `tick` None: the prices are right as they are."""
    if inverse:
        terms = _inverse(terms)
    return terms if tick is None else _on_tick(terms, side, tick)


def same(one: Terms, other: Terms) -> bool:
    """Do these ask for the same?"""
    return _essence(one) == _essence(other)


def needs_another_order(present: Terms, wanted: Terms) -> bool:
    """Is this a change that no modify can bring about (TrailingStopNonOrderQtyModify)?"""
    if not (present.order_type.trails or wanted.order_type.trails):
        return False
    return not same(evolve(present, quantity=wanted.quantity), wanted)


def restated(present: Terms, wanted: Terms) -> Terms:
    """What a modify says: a trailing order keeps all that it shows but its quantity."""
    return evolve(present, quantity=wanted.quantity) if wanted.order_type.trails else wanted


def _essence(terms: Terms) -> Terms:
    if terms.order_type.trails:
        terms = evolve(terms, price=None, stop_price=None)
    return terms if terms.time_in_force is TimeInForce.GTD else evolve(terms, expire_time=None)


def _inverse(terms: Terms) -> Terms:
    match terms.order_type:
        case OrderType.LIMIT:
            return evolve(terms, order_type=OrderType.STOP, stop_price=terms.price, price=None)
        case OrderType.MIT:
            # Real world: nobody has documented which of the two fields holds the trigger of a MIT.
            trigger = terms.price if terms.stop_price is None else terms.stop_price
            return evolve(terms, order_type=OrderType.STOP, stop_price=trigger, price=None)
        case OrderType.STOP | OrderType.STOP_LIMIT:
            return evolve(terms, order_type=OrderType.LIMIT, price=terms.stop_price, stop_price=None)
    return terms


def _on_tick(terms: Terms, side: Side, tick: Decimal) -> Terms:
    """A Buy waits below the market with a limit and above it with a stop; a Sell the other way round."""
    below = (side is Side.BUY) != terms.order_type.stops
    price = stop = None
    if terms.stop_price is not None:
        stop = rounded(terms.stop_price, tick, up=not below)
    if terms.price is not None:
        is_limit = terms.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP_LIMIT)
        price = rounded(terms.price, tick, up=(side is Side.SELL) if is_limit else not below)
        if is_limit and stop is not None and _beyond(terms, side):
            price = max(price, stop) if side is Side.BUY else min(price, stop)
    peg = terms.peg_difference
    if peg is not None:
        peg = rounded(peg, tick, up=peg > 0)
    return evolve(terms, price=price, stop_price=stop, peg_difference=peg)


def _beyond(terms: Terms, side: Side) -> bool:
    """Does its limit allow for a price worse than its trigger, as that of a stop does?"""
    assert terms.price is not None
    assert terms.stop_price is not None
    return (terms.price - terms.stop_price) * side.sign >= 0


def rounded(price: Decimal, tick: Decimal, *, up: bool) -> Decimal:
    steps = (price / tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return price if price == steps * tick else steps * tick
