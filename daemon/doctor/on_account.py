"""The checks of a login's accounts: are they there, are they the right ones, may they trade, who else trades them."""

from __future__ import annotations

import re
from typing import Final

from daemon.doctor.facts import Answers, Person, Silence
from daemon.doctor.online import CANCEL, COMMANDS, NO_ORDER, TRIAL, rows
from daemon.doctor.verdicts import UNREADABLE, Check, Unknown, Verdict, Well, Wrong
from daemon.tradovate.answers import Asked, Said
from daemon.tradovate.messages import Refused, answer, text_of

_DENIED: Final = "access is denied"
_CLOSING: Final = frozenset({"LiquidateOnlyModeImmediately", "AgreedOnLiqOnlyModeByAutoLiq"})
_LOCKED: Final = frozenset({"LiquidateImmediately", "LockTradingImmediately", "AgreedOnLiquidationByAutoLiq"})


def _said(person: Person, endpoint: str) -> list[dict[str, object]] | Unknown:
    """The rows of a list, or why there are none."""
    match person.online:
        case Answers(said=said):
            found = rows(said.get(endpoint))
            return Unknown(f"{endpoint}: {_how(said.get(endpoint))}") if found is None else found
        case Silence(why=why):
            return Unknown(why)
    return Unknown("the broker was not asked")


def _how(said: Asked | None) -> str:
    if said is None:
        return "it was not asked"
    if isinstance(said, Said):
        return f"HTTP {said.status} {text_of(said.data)}".rstrip()
    return said.reason


def _seen(person: Person) -> Verdict:
    found = _said(person, "account/list")
    if isinstance(found, Unknown):
        return found
    names = {str(row.get("name")) for row in found}
    missing = [account for account in person.accounts if account.name not in names]
    if not missing:
        return Well(", ".join(account.name for account in person.accounts) or "it has no account in the configuration")
    what = ", ".join(f"{account.name} (accounts.{account.account})" for account in missing)
    what += f": not seen by login {person.name}. It sees {', '.join(sorted(names)) or 'no account at all'}"
    remedy = f"write one of these as name: {', '.join(sorted(names))}" if names else ""
    if person.settings is not None and person.settings.username in {account.name for account in missing}:
        remedy += ". The name of the account is wanted, not that of the user"
    return Wrong(what, f"accounts of {person.file.path}", remedy)


def _pairs(person: Person) -> Verdict:
    """The daemon sends accountSpec and the accountId that it has looked up by it: here they can come apart."""
    own = {f"accounts.{account.account}.name": account for account in person.accounts}
    lines = [one for one in person.file.errors if re.fullmatch(r"accounts\.[^.]+\.name", one.key)]
    lines = [one for one in lines if one.key in own or _login_of(person, one.key) == person.name]
    if lines:
        what = "; ".join(f"{one.key}: {one.message}" for one in lines)
        return Wrong(what, f"line {lines[0].line} of {person.file.path}", lines[0].remedy)
    found = _said(person, "account/list")
    if isinstance(found, Unknown):
        return found
    number_of = {str(row.get("name")): row["id"] for row in found}
    name_of = {str(row["id"]): str(row.get("name")) for row in found}
    wrong = []
    for account in person.accounts:
        before, now = person.recorded.get(account.account), number_of.get(account.name)
        if account.name in name_of:
            wrong.append(f'{account.account}: {account.name} is an accountId; its name is "{name_of[account.name]}"')
        elif before is not None and now is not None and before != now:
            then = name_of.get(str(before), "one that this login no longer sees")
            wrong.append(
                f"{account.account}: {account.name} is number {now}, and its state here is of {before} ({then})"
            )
    return Wrong("; ".join(wrong), f"accounts of {person.file.path}") if wrong else Well()


def _login_of(person: Person, key: str) -> object:
    return person.file.table("accounts", key.split(".")[1]).get("login")


def _denied(said: Asked | None) -> bool:
    """Was this refused for want of permission?"""
    if not isinstance(said, Said):
        return False
    found = answer(said.status, said.data)
    return isinstance(found, Refused) and (
        said.status in (401, 403) or found.reason == "Unauthorized" or _DENIED in text_of(said.data).lower()
    )


def _permission(person: Person) -> Verdict:
    """From what has no effect: a list, a cancel of what cannot exist, a dry run of nothing.

    A broker that lets us trade answers the cancel with "not found", or, as a practitioner reports, with the same 401
    as one that does not. So a denied cancel tells nothing by itself; a dry run that is denied as well does.
    """
    if person.denied:
        what = f"the last order of {', '.join(person.denied)} was refused with Access is denied"
        return Wrong(what, f"the API key of login {person.name}")
    if not isinstance(person.online, Answers):
        proven = person.proven
        return Well(f"an order was accepted ({proven.at})") if proven else Unknown("no order has shown it yet")
    said = person.online.said
    if isinstance(said.get("account/list"), Said) and _denied(said.get("account/list")):
        return Unknown("not even reading is allowed: see token")
    if _denied(said.get("order/list")):
        return Wrong("even reading orders is denied", f"the API key of login {person.name}")
    cancel, trial = said.get(CANCEL), said.get(TRIAL)
    if _denied(cancel) and _denied(trial):
        what = "reading works, and a cancel of no order and a dry run of no order are both denied"
        return Wrong(what, f"the API key of login {person.name}")
    if person.proven is not None:
        return Well(f"an order was accepted ({person.proven.at})")
    if not isinstance(cancel, Said) or cancel.status >= 408 or cancel.status == 400:
        return Unknown(f"the cancel of an order that does not exist ({NO_ORDER}) tells nothing: {_how(cancel)}")
    if _denied(cancel):
        why = f"a cancel of order {NO_ORDER}, which does not exist, is denied; some brokers' hosts say so to everybody"
        return Unknown(f"{why}. Look whether the API key has Orders: Full Access; the first real order will tell")
    note = "the broker has looked for an order to cancel"
    return Well(f"{note}; whether the device is approved, only a real order tells" if person.live else note)


def _market_data(person: Person) -> Verdict:
    if not person.live:
        return Well("only live asks for one")
    if person.proven is not None and not person.denied:
        return Well(f"an order was accepted ({person.proven.at})")
    found = _said(person, "marketDataSubscription/list")
    if isinstance(found, Unknown):
        return found
    if any(row.get("expired") is False for row in found):
        return Well()
    what = "all have ended" if found else "there is none"
    return Wrong(f"market data subscriptions: {what}; the broker takes no live order without one", person.where)


def _restricted(person: Person) -> Verdict:
    accounts, found = _said(person, "account/list"), _said(person, "accountRiskStatus/list")
    if isinstance(accounts, Unknown):
        return accounts
    if isinstance(found, Unknown):
        return found
    name_of = {row["id"]: row.get("name") for row in accounts}
    ours = {account.name for account in person.accounts}
    wrong = []
    for row in found:
        name, action = name_of.get(row["id"]), row.get("adminAction")
        if name not in ours:
            continue
        if action in _LOCKED:
            wrong.append(f"{name} is locked ({action})")
        elif action in _CLOSING or row.get("userTriggeredLiqOnly") is True:
            wrong.append(f"{name} may only close positions ({action})")
    wrong += [
        f"{row.get('name')} is not active" for row in accounts if row.get("active") is False and row["name"] in ours
    ]
    return Wrong("; ".join(wrong), f"login {person.name}, at the broker") if wrong else Well()


def _strangers(person: Person) -> Verdict:
    """Automated orders on followers that our ledger does not know. What a leader trades is its own affair."""
    if person.settings is None:
        return UNREADABLE
    parts = {name: _said(person, name) for name in ("account/list", "order/list", COMMANDS)}
    for part in parts.values():
        if isinstance(part, Unknown):
            return part
    accounts, orders, commands = (part for part in parts.values() if not isinstance(part, Unknown))
    assert isinstance(person.online, Answers)
    own = person.online.own
    followers = {account.name for account in person.accounts if account.account not in person.leaders}
    name_of = {row["id"]: str(row.get("name")) for row in accounts if row.get("name") in followers}
    account_of = {row["id"]: name_of.get(row.get("accountId")) for row in orders}
    foreign: dict[str, list[str]] = {}
    for command in commands:
        number = command.get("orderId")
        name = account_of.get(number)
        known = number in own or command.get("clOrdId") in own
        if name and command.get("commandType") == "New" and command.get("isAutomated") is True and not known:
            foreign.setdefault(name, []).append(str(number))
    if not foreign:
        return Well()
    told = "; ".join(f"{name}: {len(ids)}, the last is order {ids[-1]}" for name, ids in foreign.items())
    return Wrong(f"automated orders that are not ours: {told}", "at the broker")


ACCOUNT: Final = (
    Check(
        "account-name",
        "an account that the login does not see",
        "write the account's name as Tradovate shows it, and under the login that owns it",
        _seen,
        online=True,
    ),
    Check(
        "account-pair",
        "accountId and accountSpec of different accounts",
        "write the account's name (not its number) as name. If another account is meant, give it an entry of its own "
        "in [accounts], so that it has state of its own",
        _pairs,
    ),
    Check(
        "order-permission",
        "an API key or application whose permission Orders is not Full Access",
        "set Orders to Full Access in Tradovate (Application Settings, API Access; for an oauth application its "
        "registration), then get a new token: copierctl authorize LOGIN. If it is set, see device-approval and "
        "market-data",
        _permission,
    ),
    Check(
        "market-data",
        "a live login without a market data subscription",
        "subscribe to market data in Tradovate (Application Settings, Market Data), and to API Access where it is "
        "missing",
        _market_data,
        online=True,
    ),
    Check(
        "liquidation-only",
        "an account that may only close positions, or is locked",
        "ask the broker or the prop firm what has tripped (a loss limit, margin) and when it ends; pause the account "
        "until then: copierctl pause ACCOUNT",
        _restricted,
        online=True,
    ),
    Check(
        "second-copier",
        "another program that trades a follower's account",
        "stop the other copier or strategy on that account, or take the account out of [[copy.followers]]: two copiers "
        "double every order",
        _strangers,
        online=True,
    ),
)
