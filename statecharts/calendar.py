"""What the hours of a market mean for orders: what waits for the opening, and what proves the table of hours wrong.

Rule 1: the calendar alone never stops the copy of what the leader does. What he does while the table says closed is
        told, once for each product group and window; a fill of his proves that it trades, and nothing waits then.
Rule 2: what copierd originates itself (closings at market, exits made up for or restored) waits for the opening, and a
        second more. It does not wait for the end of a window whose time is a guess: that may silence alarms, and where
        it is right the broker says SessionClosed.
Rule 3: the broker's own word, SessionClosed, closes the group for this follower as the table does: while the table says
        open for a minute, and not beyond the next edge. See `closed_session.py`.
Rule 4: a product that belongs to no group we know, and an environment without hours, are always open.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from statecharts.book import Contract, Copy, Market
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.market_hours import MarketHours, group_of
from statecharts.sessions import Window
from statecharts.values import Order, Symbol, root_of

AFTER_THE_OPENING = timedelta(seconds=1)  # clocks differ, and the first moment belongs to the auction
SHUT = timedelta(minutes=1)  # after a SessionClosed that no table explains
EDGE = timedelta(seconds=30)  # so close to an edge, clocks and the last prints of a session prove nothing
WAKING = timedelta(seconds=5)  # after the opening, for what slept at the broker while the market was closed
LISTED_AGAIN = timedelta(minutes=1)  # after it, for what lists did not show: a read-back finds it, and it is read anew
LOOK_AGAIN = timedelta(days=1)  # at a group whose opening is beyond the table's reach
REMEDY = "compare with: copierd hours. When the table is wrong, correct that day with [[market_hours]]"
_UNSEEN = Market()
_ALWAYS = datetime.min.replace(tzinfo=UTC)  # the beginning of the one window of what is always open


def opens_at(draft: Draft, symbol: Symbol) -> datetime | None:
    """When an order of copierd's own may be sent in this contract; None: now."""
    if draft.markets is None and not draft.book.markets:
        return None
    market, hours = _market(draft, symbol)
    if market.shut_until is not None and draft.at < market.shut_until <= draft.at + SHUT:
        return market.shut_until  # one that lies farther ahead was written by a clock that has been set back since
    if hours is None:
        return None
    window = hours.window_at(draft.at)
    if window.open:
        first = window.start + AFTER_THE_OPENING
        return first if first > draft.at else None
    if market.traded == window.start or hours.guessed(window):
        return None
    return draft.at + LOOK_AGAIN if window.end is None else window.end + AFTER_THE_OPENING


def wakes_at(draft: Draft, symbol: Symbol, waking: timedelta = WAKING) -> datetime | None:
    """Its market is closed, or has opened less than `waking` ago: until when orders may sleep. None: it is awake."""
    opens = opens_at(draft, symbol)
    if opens is not None:
        return opens - AFTER_THE_OPENING + waking
    hours = _market(draft, symbol)[1]
    window = None if hours is None else hours.window_at(draft.at)
    wakes = window.start + waking if window is not None and window.open else draft.at
    return wakes if wakes > draft.at else None


def closing_waits(draft: Draft, symbol: Symbol) -> bool:
    """Must a closing at market wait? Its protection stays where it is meanwhile. Told when the wait begins."""
    before = draft.contract(symbol).opens_at
    opens = opens_at(draft, symbol)
    contract = draft.note(symbol, opens_at=opens)
    if opens is not None and (before is None or before <= draft.at):
        draft.tell(
            "position.drifted",
            f"{symbol}: to be closed at market ({contract.close_why}), and its market is closed: waits until "
            f"{opens:%d %b %H:%M:%S} UTC",
            Severity.WARNING,
            reason=contract.close_why,
        )
    return opens is not None


def held(draft: Draft, copy: Copy) -> bool:
    """Does a held exit of copierd's own doing still wait for its market?"""
    if copy.opens_at is None:
        return False
    opens = opens_at(draft, copy.symbol)
    draft.keep(evolve(copy, opens_at=opens))
    return opens is not None


def next_deadline(contract: Contract, at: datetime) -> datetime | None:
    """When a closing that waits for its market is looked at again. What is past was answered, or waits for more."""
    waits = contract.close_to is not None and contract.opens_at is not None and contract.opens_at > at
    return contract.opens_at if waits else None


def leader_seen(draft: Draft, order: Order, before: Order | None, *, tells: bool) -> None:
    """A fact about an order of the leader's. `tells`: this is the leader's own account, which tells it for all."""
    if draft.markets is None:
        return
    hours = draft.markets.of(root_of(order.symbol))
    if hours is None:
        return
    known = {fill.id for fill in before.fills} if before is not None else set()
    fills = [fill.at for fill in order.fills if fill.active and fill.id not in known]
    if not fills:
        changed = before is None or (order.version or 0) > (before.version or 0)
        if not tells or not changed or order.status.finished:
            return  # an order that ends at the close, or is withdrawn, proves nothing
    moment = max(fills) if fills else order.at if before is None else draft.at
    window = hours.window_at(moment)
    near = moment - window.start < EDGE or (window.end is not None and window.end - moment <= EDGE)
    if window.open or near:
        return
    if fills:
        _note(draft, order.symbol, traded=window.start)
    if tells and _market(draft, order.symbol)[0].told != window.start:
        _note(draft, order.symbol, told=window.start)
        what = f"the leader's order {order.id} in {order.symbol} was {'filled' if fills else 'taken'}"
        _contradicted(draft, order.symbol, window, f"{what} {moment:%H:%M:%S} UTC. It is copied")


def session_closed(why: str) -> bool:
    """Is this reason of a refusal the broker's SessionClosed?"""
    return why.partition(":")[0].strip() == "SessionClosed"


def shut(draft: Draft, symbol: Symbol) -> datetime:
    """The broker says SessionClosed in this contract: from when exits may be asked for again."""
    known = opens_at(draft, symbol)
    if known is not None:
        return known
    market, hours = _market(draft, symbol)
    window = None if hours is None else hours.window_at(draft.at)
    until = draft.at + SHUT
    if window is not None and window.end is not None:
        until = min(until, window.end)
    _note(draft, symbol, shut_until=until)
    start = _ALWAYS if window is None else window.start
    if (window is None or window.open) and market.told != start:
        _note(draft, symbol, told=start)
        what = f"the broker refused an order in {symbol} with SessionClosed {draft.at:%H:%M:%S} UTC"
        _contradicted(draft, symbol, window, f"{what}. It counts as closed until {until:%H:%M:%S} UTC")
    return until


def found_shut_before(draft: Draft, symbol: Symbol) -> bool:
    """Is the session still closed, as it was when the broker was last asked? Then it has been told."""
    until = _market(draft, symbol)[0].shut_until
    return until is not None and draft.at - until < SHUT


def _contradicted(draft: Draft, symbol: Symbol, window: Window | None, what: str) -> None:
    state = "closed" if window is not None and not window.open else "open"
    since = "always" if window is None else f"from {window.start:%d %b %H:%M} UTC ({_named(window)})"
    until = "" if window is None or window.end is None else f" to {window.end:%d %b %H:%M} UTC"
    draft.tell(
        "calendar.contradicted",
        f"{_key(symbol)}: the table of hours says {state} {since}{until}, and {what}",
        Severity.WARNING,
        reason=f"{_key(symbol)} {draft.at:%Y-%m-%dT%H:%M:%SZ}: {state} {since}{until}",
        remedy=REMEDY,
    )


def _named(window: Window) -> str:
    return f"{window.reason.value}, {window.label}" if window.label else window.reason.value


@lru_cache(4096)
def _key(symbol: Symbol) -> str:
    """The product group, or the product itself where nobody has put it into one."""
    root = root_of(symbol)
    return group_of(root) or root


def _market(draft: Draft, symbol: Symbol) -> tuple[Market, MarketHours | None]:
    hours = None if draft.markets is None else draft.markets.of(root_of(symbol))
    return draft.book.markets.get(_key(symbol), _UNSEEN), hours


def _note(draft: Draft, symbol: Symbol, **changes: Any) -> Market:
    key = _key(symbol)
    market = evolve(draft.book.markets.get(key, _UNSEEN), **changes)
    draft.book = evolve(draft.book, markets={**draft.book.markets, key: market})
    return market
