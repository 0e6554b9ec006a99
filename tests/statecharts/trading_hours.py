"""A desk whose environment has hours, and short words for the clock of Chicago."""

from __future__ import annotations

import datetime as dt
import tomllib

import attrs

from daemon.hours_table import built_in
from statecharts import events as e
from statecharts.market_hours import CHICAGO, TRADOVATE_WINDOWS, Markets, load_hours
from tests.statecharts.desk import Desk

MARKETS = Markets(load_hours(tomllib.loads(built_in())))
WEDNESDAY = "2026-11-18"  # an ordinary day: closed from 16:00 to 17:00
CLOSED = f"{WEDNESDAY} 16:20"


def chicago(text: str) -> dt.datetime:
    """A wall-clock time of Chicago, as UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=CHICAGO).astimezone(dt.UTC)


def clock(t: dt.datetime | None) -> str:
    return "never" if t is None else f"{t.astimezone(CHICAGO):%a %H:%M:%S}"


def waits_until(desk: Desk) -> dt.datetime | None:
    """For which opening the desk waits. Its alarm rings then, unless something else wants it earlier."""
    book = desk.account.book
    waits = [contract.opens_at for contract in book.contracts.values() if contract.close_to is not None]
    waits += [one for copy in book.all_open() for one in (copy.opens_at, copy.ask_after, copy.chase_at)]
    until = min((one for one in waits if one is not None and one > desk.now), default=None)
    if until is not None:
        assert desk.account.wake_at is not None and desk.account.wake_at <= until
    return until


def opens(desk: Desk) -> None:
    """The clock goes on to the opening that the desk waits for."""
    until = waits_until(desk)
    assert until is not None
    desk.now = until
    desk.hear(e.AlarmRang(at=until))


def with_hours(desk: Desk, now: str | None = None) -> Desk:
    """From now on the desk's environment has hours, and it is that time in Chicago."""
    rules = desk.account.rules
    reconnect = attrs.evolve(rules.reconnect, windows=TRADOVATE_WINDOWS)
    desk.account = attrs.evolve(desk.account, rules=attrs.evolve(rules, markets=MARKETS, reconnect=reconnect))
    if now is not None:
        desk.now = chicago(now)
    return desk
