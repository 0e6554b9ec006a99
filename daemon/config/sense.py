"""What is wrong between the values of a copier.toml, and what a single type cannot say.

Read from the tables as they stand in the file and not from the finished values, so that an unknown account is told
together with a quoted number elsewhere. A value of the wrong shape is passed over here: config_shape.py tells it.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from daemon.config import durations, secrets
from daemon.config.demands import interval, loopback
from daemon.config.errors import Finding, KeyPath
from daemon.config.leaders import leader_findings
from daemon.config.shape import did_you_mean
from daemon.config.tables import rows, tables, texts
from daemon.config.values import BUILT_IN, SIMULATOR
from daemon.kinds import TOLD

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
PRODUCT_GROUPS = ("equity_index", "interest_rate", "fx", "energy", "metals", "grains", "livestock", "crypto")
EVENTS = list(TOLD)
# To flatten one follower takes a cancel, a close and a look whether it worked; exits must always fit the budget.
FLATTEN_REQUESTS = 3
_SPEAKS_EVERY = dt.timedelta(seconds=2.5)


def findings_between(document: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _names(document)
    yield from _reconnect(document)
    yield from _environments(document)
    yield from _logins(document)
    yield from _accounts(document)
    yield from leader_findings(document)
    yield from _followers(document)
    yield from _market_hours(document)
    yield from _notify(document)


def _names(document: Mapping[str, Any]) -> Iterator[Finding]:
    named: list[tuple[KeyPath, str]] = [
        ((section, name), name)
        for section in ("environments", "logins", "accounts")
        for name in tables(document, section)
    ]
    named += [
        ((*path, "name"), copy["name"]) for path, copy in rows(document, "copy") if isinstance(copy.get("name"), str)
    ]
    remedy = "Use a to z, 0 to 9, _ and -, at most 32 of them, and begin with a letter or a digit."
    for path, name in named:
        if NAME.fullmatch(name) is None:
            yield Finding(path, f"{name!r} cannot be a name", remedy)


def _reconnect(document: Mapping[str, Any]) -> Iterator[Finding]:
    table = document.get("reconnect")
    if not isinstance(table, dict):
        return
    first, longest = _length(table, "first_delay", "1s"), _length(table, "longest_delay", "60s")
    if first and longest and first > longest:
        key = "first_delay" if "first_delay" in table else "longest_delay"
        yield Finding(("reconnect", key), "first_delay is longer than longest_delay", "Make it the shorter of the two.")
    silence = _length(table, "silence_limit", "10s")
    if silence and silence <= _SPEAKS_EVERY:
        remedy = 'The server speaks every 2.5 s: with less than "5s" a healthy connection is dropped. "10s" is proven.'
        yield Finding(("reconnect", "silence_limit"), "this is shorter than the server's own pauses", remedy)


def _environments(document: Mapping[str, Any]) -> Iterator[Finding]:
    for name in tables(document, "environments"):
        if name in BUILT_IN:
            remedy = f"Choose another name, such as {name}2, and give it to the logins."
            yield Finding(("environments", name), f"{name} is built in and cannot be changed", remedy)


def _logins(document: Mapping[str, Any]) -> Iterator[Finding]:
    known = [*BUILT_IN, *tables(document, "environments")]
    own = tables(document, "environments")
    first_of: dict[str, str] = {}
    for name, login in tables(document, "logins").items():
        path: KeyPath = ("logins", name)
        environment = login.get("environment")
        if isinstance(environment, str) and environment not in known:
            yield unknown((*path, "environment"), "environment", environment, known)
        twin = first_of.setdefault(secrets.stem(name), name)
        if twin != name:
            message = f"{twin} and {name} would share the environment variable {secrets.variable(name, 'password')}"
            yield Finding(path, message, "Rename one of the two logins.")
        if environment != SIMULATOR:
            yield from _grant(path, login, own.get(str(environment), {}), str(environment) in own)


def _grant(path: KeyPath, login: Mapping[str, Any], environment: Mapping[str, Any], own: bool) -> Iterator[Finding]:
    if login.get("grant", "password") == "password":
        needed = {"username": "the name that you log in with at the broker"}
    elif login.get("grant") == "oauth":
        needed = {
            "client_id": "the number of your registered application",
            "redirect_uri": "the loopback address that it was registered with",
        }
        for key in ("authorize", "token"):
            if own and key not in environment:
                message = f"environment {login['environment']} has no {key} address, which grant oauth needs"
                yield Finding((*path, "environment"), message, f"Add {key} to [environments.{login['environment']}].")
        uri = re.fullmatch(r"https?://(\[[^\]]*\]|[^/:]*)(?::\d+)?(?:/.*)?", str(login.get("redirect_uri", "")))
        if uri and not loopback(uri[1].strip("[]")):
            remedy = "Register and write a loopback address, such as http://127.0.0.1:8642/callback."
            yield Finding((*path, "redirect_uri"), "the answer would go to another machine", remedy)
    else:
        return
    for key, words in needed.items():
        if key not in login:
            yield Finding((*path, key), "this key is required and missing", f"Add {key}: {words}.")


def _accounts(document: Mapping[str, Any]) -> Iterator[Finding]:
    logins = tables(document, "logins")
    seen: dict[tuple[str, str], str] = {}
    for account, table in tables(document, "accounts").items():
        login, name = table.get("login"), table.get("name")
        if isinstance(login, str) and login not in logins:
            yield unknown(("accounts", account, "login"), "login", login, list(logins))
        if isinstance(login, str) and isinstance(name, str):
            # Two logins may see the same account: copied onto itself, each order would make another.
            environment = str(logins.get(login, {}).get("environment", login))
            twin = seen.setdefault((environment, name), account)
            if twin != account:
                message = f"{twin} and {account} are the same account {name} on {environment}"
                yield Finding(("accounts", account, "name"), message, "Remove one of the two.")
    yield from _budgets(document, logins)


def _budgets(document: Mapping[str, Any], logins: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    following = [f.get("account") for path, copy in rows(document, "copy") for _, f in rows(copy, "followers", path)]
    accounts = tables(document, "accounts")
    load = Counter(str(table.get("login")) for name, table in accounts.items() if name in following)
    for login, table in logins.items():
        reserve = load[login] * FLATTEN_REQUESTS
        for key, default in (("requests_per_minute", 300), ("requests_per_hour", 5000)):
            budget = table.get(key, default)
            if isinstance(budget, int) and budget is not True and 1 <= budget <= reserve:
                whom = f"{load[login]} follower{'s' if load[login] > 1 else ''}"
                message = f"to flatten {whom} takes {reserve} requests, which leaves none of {budget}"
                remedy = f"Raise it above {reserve}, or move followers to another login."
                yield Finding(("logins", login, key), message, remedy)


def _followers(document: Mapping[str, Any]) -> Iterator[Finding]:
    for path, copy in rows(document, "copy"):
        if copy.get("allow") == []:
            yield Finding((*path, "allow"), "an empty list would copy nothing", "Leave it out to copy every product.")
        both = sorted(set(texts(copy, "allow")) & set(texts(copy, "deny")))
        if both:
            yield Finding((*path, "deny"), f"{', '.join(both)} is also in allow", "Take it out of one of the two.")
        ticks = copy.get("fresh_ticks")
        if isinstance(ticks, int) and ticks < 0:
            yield Finding((*path, "fresh_ticks"), f"{ticks} is out of range", "Write 0 or more ticks.")
        for inner, follower in rows(copy, "followers", path):
            ratio = _number(follower.get("ratio"))
            if ratio is not None and ratio < 0 and follower.get("inverse") is not True:
                remedy = "Add inverse = true beside it if the follower shall trade against the leader."
                yield Finding((*inner, "ratio"), f"{ratio} would trade the other way round", remedy)
            if follower.get("inverse") is True and (ratio is None or ratio >= 0):
                remedy = "Make the ratio negative, or remove inverse."
                yield Finding((*inner, "inverse"), "inverse = true needs a negative ratio", remedy)
            latest, flat = _time(follower.get("no_open_after")), _time(follower.get("flat_by"))
            if latest and flat and latest > flat:
                remedy = "Make it the earlier of the two."
                yield Finding((*inner, "no_open_after"), f"openings would go on after flat_by ({flat:%H:%M})", remedy)


def _market_hours(document: Mapping[str, Any]) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for path, row in rows(document, "market_hours"):
        day = str(row.get("day"))
        if row.get("groups") == []:
            remedy = f"Name some of {', '.join(PRODUCT_GROUPS)}."
            yield Finding((*path, "groups"), "an empty list names no product", remedy)
        for index, group in enumerate(texts(row, "groups")):
            if group not in PRODUCT_GROUPS:
                yield unknown((*path, "groups", index), "product group", group, list(PRODUCT_GROUPS))
            elif (group, day) in seen:
                yield Finding((*path, "day"), f"this day of {group} is given twice", "Keep one of the two.")
            seen.add((group, day))
        spans = [span for text in texts(row, "open") if (span := interval(text))]
        for before, after in itertools.pairwise(spans):
            if before[1] >= after[0]:
                remedy = "Write them in order; where one ends as the next begins, write one."
                yield Finding((*path, "open"), "the intervals touch, overlap or are out of order", remedy)


def _notify(document: Mapping[str, Any]) -> Iterator[Finding]:
    for path, row in rows(document, "notify"):
        for index, event in enumerate(texts(row, "events")):
            if event not in EVENTS:
                yield unknown((*path, "events", index), "event", event, EVENTS)


def unknown(path: KeyPath, kind: str, name: str, known: list[str]) -> Finding:
    return Finding(
        path, f"unknown {kind} {name!r}", did_you_mean(name, known) or f"Known are: {', '.join(known) or 'none'}."
    )


def _number(value: Any) -> Decimal | None:
    if isinstance(value, int | Decimal) and Decimal(value).is_finite():  # a NaN cannot even be compared
        return Decimal(value)
    return None


def _length(table: Mapping[str, Any], key: str, default: str) -> dt.timedelta | None:
    try:
        return durations.parse(table.get(key, default))
    except (TypeError, ValueError):
        return None


def _time(value: Any) -> dt.time | None:
    if isinstance(value, dt.time):
        return value
    try:
        return dt.time.fromisoformat(value)
    except (TypeError, ValueError):
        return None
