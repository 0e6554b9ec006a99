"""Who copies whom: every account follows at most once, and nobody leads himself, not even around a corner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.config.errors import Finding, KeyPath
from daemon.config.shape import did_you_mean
from daemon.config.tables import rows, tables


def leader_findings(document: Mapping[str, Any]) -> Iterator[Finding]:
    accounts = list(tables(document, "accounts"))
    leader_of: dict[str, str] = {}
    names: set[str] = set()
    for path, copy in rows(document, "copy"):
        name, leader = copy.get("name"), copy.get("leader")
        if isinstance(name, str) and name in names:
            yield Finding((*path, "name"), f"there are two copies of the name {name}", "Rename one of the two.")
        elif isinstance(name, str):
            names.add(name)
        if isinstance(leader, str) and leader not in accounts:
            yield _unknown((*path, "leader"), leader, accounts)
        if copy.get("followers") == []:
            yield Finding((*path, "followers"), "nobody follows", "Add a [[copy.followers]] or remove the copy.")
        for inner, follower in rows(copy, "followers", path):
            account = follower.get("account")
            if not isinstance(account, str):
                continue
            where = (*inner, "account")
            if account not in accounts:
                yield _unknown(where, account, accounts)
            elif account == leader:
                yield Finding(where, f"{account} would copy itself", "Remove it from the followers.")
            elif account in leader_of:
                message = f"{account} follows already ({leader_of[account]}); an account may follow once"
                yield Finding(where, message, "Remove one of the two.")
            elif isinstance(leader, str):
                leader_of[account] = leader
                circle = _circle(account, leader_of)
                if circle:
                    message = f"the leaders go in a circle: {' <- '.join(circle)}"
                    yield Finding(where, message, "Every order would come back to its leader: remove one of these.")


def _circle(start: str, leader_of: Mapping[str, str]) -> list[str]:
    """From an account to its leader and on, when that leads back to the account; else nothing."""
    way = [start]
    while (leader := leader_of.get(way[-1])) is not None and leader not in way:
        way.append(leader)
    return [*way, start] if leader == start else []


def _unknown(path: KeyPath, account: str, accounts: list[str]) -> Finding:
    remedy = did_you_mean(account, accounts) or f"Add [accounts.{account}] with its login and its name at the broker."
    return Finding(path, f"unknown account {account!r}", remedy)
