"""A follower's limits as the control socket shows them: how far they are used up, and the lock that one has set."""

from __future__ import annotations

from datetime import datetime

from daemon.bulletins import instant
from statecharts import risk
from statecharts.account import Account

Json = dict[str, object]


def locked(account: Account) -> Json | None:
    """The limit that has locked the account, and until when."""
    lock = account.book.standing.lock
    if lock is None:
        return None
    return {
        "limit": lock.limit,
        "reason": lock.why,
        "since": instant(lock.since),
        "until": instant(lock.until),
        "remedy": f"copierctl unlock {account.name}",
    }


def used(account: Account, now: datetime) -> Json:
    """Of each limit of money how much is used up; null while that is not known."""
    rules = account.rules.copy
    found = risk.measures(account.book, rules.limits, now) if rules is not None else ()
    return {
        one.key: {"used": None if one.used is None else float(one.used), "limit": float(one.limit)} for one in found
    }
