"""A follower's limits: daily loss, daily profit, trailing drawdown. When one is reached, the account is locked.

Rule 1: the day's profit is what the broker says was realized since 17:00 Chicago, and the open profit; equity is the
        cash and the open profit. What is not known is not zero: nothing is judged by half of it, and until the first
        whole reading nothing opens.
Rule 2: a limit that is reached while we copy locks the account until the trading day ends: nothing opens, and what is
        ours is closed. One that is broken already when it is first looked at locks it and closes nothing.
Rule 3: a lock is in the book, so it survives a restart, a reconnect and a changed file. It ends with the trading day,
        or by `unlock`: then the limits count anew from there. A locked account may still exit.
Rule 4: the drawdown's peak is the highest equity seen, or that at the ends of the days, and is kept.
Rule 5: when the open profit of a position cannot be had for too long (`purse.py`), nothing opens until it can.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import attrs

from statecharts import curfew, flattening, purse
from statecharts import events as e
from statecharts.book import Book, FlattenedBy
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.rules import CopyRules, Limits
from statecharts.standing import AT_EASE, Lock, Standing
from statecharts.trading_day import trading_day

NEAR = Decimal("0.75")  # of a limit: within its last quarter
BLIND_AFTER = timedelta(seconds=90)  # three readings missed
ZERO = Decimal(0)


@attrs.frozen
class Measure:
    """How far a limit is used up: `used` None while that is not known. `key` is its name in copier.toml."""

    key: str
    used: Decimal | None
    limit: Decimal

    @property
    def reached(self) -> bool:
        return self.used is not None and self.used >= self.limit

    @property
    def near(self) -> bool:
        return self.used is not None and self.used >= self.limit * NEAR


def heed(draft: Draft, event: e.Event, rules: CopyRules) -> None:
    """What the event and the time mean for the limits, before anything is decided that could open."""
    limits, standing = rules.limits, draft.book.standing
    at_ease = standing is AT_EASE or standing == AT_EASE  # to compare each of its fields takes long
    if limits.none and at_ease and flattening.by_whom(draft.book, FlattenedBy.RISK) is None:
        return
    names, standing = _names(limits), _today(draft, standing)
    if isinstance(event, e.UnlockAsked) and standing.lock is not None:
        standing = evolve(standing, lock=None, forgive=True)
        draft.tell("risk.unlocked", "UNLOCKED by the operator: its limits count anew from here")
    if names is None:
        standing = Standing(lock=standing.lock, day_end=standing.day_end if standing.lock else None)
    else:
        standing = _judged(draft, purse.heard(draft, standing, event), limits, names)
    if standing != draft.book.standing:
        draft.book = evolve(draft.book, standing=standing)
    if draft.no_openings is None:
        draft.no_openings = bar(draft.book, limits, draft.at)
    _latch(draft, standing, rules)


def bar(book: Book, limits: Limits, at: datetime) -> str | None:
    """Why this account opens nothing, for its limits and hours; None when it may."""
    standing = book.standing
    if standing.lock is not None:
        return f"locked until {standing.lock.until:%d %b %H:%M} UTC: {standing.lock.why}"
    if standing.blind:
        return "its open profit cannot be read, and it has a limit"
    return curfew.bar(limits, at)


def unread(book: Book, limits: Limits) -> str | None:
    """Why nothing opens before the limits have been looked at; None when they have."""
    if not limits.of_money:
        return None
    names = _names(limits)
    if book.standing.checked == names and book.standing.balance is not None:
        return None
    return "its balance has not been read yet, and it has a limit"


def deadlines(draft: Draft, rules: CopyRules) -> list[datetime]:
    """When the limits are to be looked at again."""
    standing = draft.book.standing
    found = [] if standing.day_end is None else [standing.day_end]
    if rules.limits.none:
        return found
    found += curfew.edges(rules.limits, draft.at)
    if rules.limits.of_money:
        found += purse.deadlines(draft)
        if standing.read_at is not None and not standing.blind:
            found += [standing.read_at + BLIND_AFTER]
    return found


def measures(book: Book, limits: Limits, at: datetime) -> tuple[Measure, ...]:
    """The limits that are set, and how far each is used up."""
    return _measures(book.standing, purse.money(book.standing, book, at), limits)


def _names(limits: Limits) -> str | None:
    """The limits of money in one text; None when there is none."""
    drawdown = limits.drawdown
    if not limits.of_money:
        return None
    trailing = None if drawdown is None else f"{drawdown.amount}{' end of day' if drawdown.end_of_day else ''}"
    found = {"loss": limits.daily_loss, "profit": limits.daily_profit, "drawdown": trailing}
    return ", ".join(f"{name} {limit}" for name, limit in found.items() if limit is not None)


def _today(draft: Draft, standing: Standing) -> Standing:
    """Ends the day that is over, and the lock with it."""
    if standing.lock is not None and standing.lock.until <= draft.at:
        draft.tell("risk.unlocked", f"the lock is over with its trading day ({standing.lock.why})")
        standing = evolve(standing, lock=None)
    if standing.day_end is not None and draft.at < standing.day_end:
        return standing
    closed_at = standing.closed_at if standing.equity is None else standing.equity
    return evolve(standing, day_end=trading_day(draft.at).end, closed_at=closed_at, forgiven=ZERO)


def _measures(standing: Standing, money: tuple[Decimal, Decimal] | None, limits: Limits) -> tuple[Measure, ...]:
    made = None if money is None else money[0] + money[1] - standing.forgiven
    fallen = None if standing.peak is None or standing.equity is None else standing.peak - standing.equity
    found = []
    if limits.daily_loss is not None:
        found.append(Measure("daily_loss_limit", None if made is None else -made, limits.daily_loss))
    if limits.daily_profit is not None:
        found.append(Measure("daily_profit_limit", made, limits.daily_profit))
    if limits.drawdown is not None:
        found.append(Measure("trailing_drawdown", fallen, limits.drawdown.amount))
    return tuple(found)


def _judged(draft: Draft, standing: Standing, limits: Limits, names: str) -> Standing:
    """Looks at the limits, when the money is known whole."""
    money = purse.money(standing, draft.book, draft.at)
    stale = standing.read_at is not None and draft.at >= standing.read_at + BLIND_AFTER
    if money is None or stale:
        return _blinded(draft, standing, stale=stale)
    standing = _weighed(draft, standing, limits, money)
    found = _measures(standing, money, limits)
    reached = next((one for one in found if one.reached), None)
    if reached is None:
        standing = evolve(standing, checked=names)
    elif standing.lock is None:
        standing = _locked(draft, standing, reached, money, closes=standing.checked == names)
    if standing.read_at == draft.at and standing.read_next is None:
        pace = purse.NEAR_EVERY if any(one.near for one in found) else purse.EVERY
        standing = evolve(standing, read_next=draft.at + pace)
    return evolve(standing, blind=False)


def _weighed(draft: Draft, standing: Standing, limits: Limits, money: tuple[Decimal, Decimal]) -> Standing:
    """Equity and its peak."""
    assert standing.balance is not None, "the money is known"
    balance, equity = standing.balance, standing.balance.cash + money[1]
    if standing.forgive:
        return evolve(standing, equity=equity, peak=equity, forgiven=money[0] + money[1], forgive=False)
    seen = [standing.peak, equity]
    if limits.drawdown is not None and limits.drawdown.end_of_day:
        before_today = balance.at is not None and balance.at < trading_day(draft.at).start and purse.flat(draft.book)
        seen = [standing.peak, standing.closed_at, balance.cash if before_today else None]
    peak = max((one for one in seen if one is not None), default=equity)
    return evolve(standing, equity=equity, peak=peak)


def _locked(
    draft: Draft, standing: Standing, reached: Measure, money: tuple[Decimal, Decimal], *, closes: bool
) -> Standing:
    until = trading_day(draft.at).end
    if reached.key == "trailing_drawdown":
        how = f"equity {standing.equity:.2f} is {reached.used:.2f} below its peak {standing.peak:.2f}"
    else:
        how = f"{money[0] + money[1] - standing.forgiven:+.2f} today (realized {money[0]:+.2f}, open {money[1]:+.2f})"
    why = f"{reached.key} {reached.limit:f} is reached: {how}"
    if closes:
        then = "What is ours is closed at market"
    else:
        then = f"It was so when copying began: nothing is closed. To get out: copierctl flatten {draft.name}"
    draft.tell(
        "risk.locked",
        f"LOCKED until {until:%d %b %H:%M} UTC (17:00 Chicago): {why}. Nothing opens. {then}",
        Severity.WARNING,
        reason=why,
        remedy="to go on before that, with limits that count anew from here: copierctl unlock ACCOUNT",
    )
    lock = Lock(limit=reached.key, why=why, since=draft.at, until=until, closes=closes)
    return evolve(standing, lock=lock)


def _blinded(draft: Draft, standing: Standing, *, stale: bool) -> Standing:
    if standing.blind or standing.read_at is None or not stale or not draft.acting:
        return standing
    draft.tell(
        "risk.blind",
        f"its open profit could not be read since {standing.read_at:%H:%M:%S} UTC, so its limits do not guard it. "
        "Nothing opens until it can",
        Severity.WARNING,
        remedy="nothing to do: it is asked for again and again. A login that is limited (429) has too many accounts",
    )
    return evolve(standing, blind=True)


def _latch(draft: Draft, standing: Standing, rules: CopyRules) -> None:
    """What is ours is on its way out exactly as long as a lock or the hour wants it so."""
    lock = standing.lock
    why = lock.why if lock is not None and lock.closes else curfew.closes(rules.limits, draft.at)
    latched = flattening.by_whom(draft.book, FlattenedBy.RISK) is not None
    if why is None and latched:
        flattening.lift(draft, FlattenedBy.RISK, rules)
    elif why is not None and not latched and _anything_ours(draft.book):
        flattening.ask(draft, FlattenedBy.RISK, why)


def _anything_ours(book: Book) -> bool:
    return any(contract.own for contract in book.contracts.values()) or bool(book.all_open())
