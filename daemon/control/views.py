"""What the daemon shows of itself, in the shapes of the contract.

Rule 1: a view reads and changes nothing; it is made between two turns, so it never shows half of one.
Rule 2: what this version does not do yet has its neutral value: a script written today goes on working.
Rule 3: an account is shown as it was before while all that it is made of are the same frozen values: of hundreds, few
        have changed since somebody asked last, and the others must not delay a copy.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from daemon import __version__
from daemon.control import contracts, limits
from daemon.control.evidence import Evidence, Kept, latency
from statecharts import agreements, outages, reopening, risk, strangers
from statecharts import states as s
from statecharts.account import Account
from statecharts.bars import Bar
from statecharts.market_hours import staleness
from statecharts.rules import Limits
from statecharts.states import Cause
from statecharts.values import Order

if TYPE_CHECKING:
    from daemon.logins.login import Login
    from daemon.logins.losses import Loss
    from daemon.supervisor import Supervisor
    from daemon.wiring import Running

Json = dict[str, object]

_BLOCKING: dict[str, str] = {
    s.Reconnecting.shown: "reconnecting",
    s.Disconnected.shown: "disconnected",
    s.TokenExpired.shown: "token-expired",
}


_NO_LIMITS = Limits()


def instant(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, with milliseconds and Z."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status(supervisor: Supervisor, evidence: Evidence) -> Json:
    told = _all_but_accounts(supervisor, evidence)
    return {**told, "accounts": [one.shown for one in _accounts(supervisor, evidence)]}


def status_text(supervisor: Supervisor, evidence: Evidence) -> str:
    """The same as JSON, of which most has been written before."""
    accounts = ",".join(one.text for one in _accounts(supervisor, evidence))
    return f'{{"accounts":[{accounts}],{_text(_all_but_accounts(supervisor, evidence))[1:]}'


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _all_but_accounts(supervisor: Supervisor, evidence: Evidence) -> Json:
    return {
        "version": __version__,
        "started_at": instant(supervisor.started_at),
        "now": instant(supervisor.ports.wall()),
        "logins": [login(supervisor, one) for one in supervisor.logins.values()],
        "last_stop": supervisor.last_stop,
        "hours": hours(supervisor),
        "copies": [
            {
                "copy": copy.name,
                "leader": copy.leader,
                "followers": [follower.account for follower in copy.followers],
                "mode": copy.mode,
            }
            for copy in supervisor.config.copies
        ],
        "latency_ms": latency(running.account.book for running in supervisor.accounts.values()),
    }


def hours(supervisor: Supervisor) -> Json | None:
    """How far the table of market hours reaches; None where no environment has hours."""
    markets, now = supervisor.almanac.markets, supervisor.ports.wall()
    horizon = supervisor.almanac.horizon
    if markets is None or horizon is None:
        return None
    stale = staleness(markets.groups, now)
    return {
        "verified_through": horizon[0].isoformat(),
        "projected_through": horizon[1].isoformat(),
        "state": "ok" if stale is None else stale.severity,
        "trusted": supervisor.almanac.clock.trusted,
    }


def _accounts(supervisor: Supervisor, evidence: Evidence) -> Iterable[Kept]:
    evidence.kept = {name: _kept(supervisor, name, evidence) for name in supervisor.accounts}
    return evidence.kept.values()


def _kept(supervisor: Supervisor, name: str, evidence: Evidence) -> Kept:
    running = supervisor.accounts[name]
    rules = running.account.rules.copy
    leader = supervisor.accounts.get(rules.leader) if rules is not None else None
    made_of = (
        running.account,
        running.config,
        _next_attempt(running),
        leader.account.connection if leader is not None else None,
        supervisor.config,
    )
    before = evidence.kept.get(name)
    by_the_hour = rules is not None and rules.limits != _NO_LIMITS
    if before is not None and not by_the_hour and all(map(operator.is_, before.made_of, made_of)):
        return before
    shown = account(supervisor, name, evidence)
    return Kept(made_of, shown, _text(shown))


def account(supervisor: Supervisor, name: str, evidence: Evidence) -> Json:
    """One element of `accounts`."""
    running = supervisor.accounts[name]
    known, state = running.account, running.account.connection
    remedy = outages.remedy(state)
    held = holding(supervisor, running)
    blocked = _blocked_by(supervisor, running, held)
    rules = known.rules.copy
    return {
        "account": name,
        "login": running.config.login,
        "name": running.config.name,
        "environment": supervisor.config.environment(name).environment,
        "role": ("both" if known.rules.leads else "follower") if rules else "leader",
        "state": state.shown,
        "colour": state.colour,
        "leaf": type(state).__name__,
        "since": instant(state.since),
        "reason": state.reason,
        "attempt": state.attempt if isinstance(state, s.Reconnecting) else 0,
        "next_attempt_at": instant(_next_attempt(running)),
        "cause": state.cause.value if state.cause else None,
        "remedy": remedy and remedy.replace("ACCOUNT", name).replace("LOGIN", running.config.login),
        "expected": state.cause is Cause.MAINTENANCE,
        "until": instant(reopening.ends(state)) if state.cause is Cause.MAINTENANCE else None,
        "copying": isinstance(state, s.Copying) and not blocked,
        "blocked_by": blocked,
        "holding": held,
        "orders": evidence.of_orders(known),
        "paused": known.paused,
        "close_only": _close_only(known),
        "barred": dict(known.book.barred),
        "armed": supervisor.config.armed(name),
        "shadow": rules is not None and rules.shadow,
        "locked": limits.locked(known),
        "pending_config": rules is not None and any(agreements.pending(known.book, rules)),
        "positions": dict(known.book.positions),
        "unprotected": [
            {
                "symbol": symbol,
                "quantity": contract.exposed.quantity,
                "since": instant(contract.exposed.since),
                "why": contract.exposed.why,
            }
            for symbol, contract in known.book.contracts.items()
            if contract.exposed is not None and contract.exposed.told
        ],
        "quarantined": contracts.quarantined(known),
        "waiting": contracts.waiting(known),
        "flatten": contracts.flatten(known),
        "limits": limits.used(known, supervisor.ports.wall()),
    }


def account_in_full(supervisor: Supervisor, name: str, evidence: Evidence) -> Json:
    """The element of `accounts`, what is in hand in each contract, and the orders that work at the broker."""
    known = supervisor.accounts[name].account
    mine = known.book.mine
    working = [_order(order, known) for order in mine.orders.values() if not order.status.finished] if mine else []
    return {
        **account(supervisor, name, evidence),
        "contracts": contracts.in_hand(known),
        "symbols": sorted(contracts.known(known)),
        "working_orders": working,
    }


def _next_attempt(running: Running) -> datetime | None:
    planned = running.activities.next_attempt_at
    return None if planned is None else running.login.may_open_at(planned)


def _order(order: Order, known: Account) -> Json:
    terms = order.terms
    return {
        "order_id": order.id,
        "ours": order.id in known.book.orders,
        "symbol": order.symbol,
        "action": order.side.value,
        "status": order.status.value,
        "quantity": terms.quantity if terms else None,
        "filled": order.filled,
        "order_type": terms.order_type.value if terms else None,
        "price": float(terms.price) if terms and terms.price is not None else None,
        "stop_price": float(terms.stop_price) if terms and terms.stop_price is not None else None,
    }


def holding(supervisor: Supervisor, running: Running) -> str | None:
    """Why a follower that is Connected opens nothing, as far as it is its leader's state; None otherwise."""
    known = running.account
    rules = known.rules.copy
    if rules is None or not isinstance(known.connection, s.Copying) or not known.book.held_back():
        return None
    leader = supervisor.accounts.get(rules.leader)
    if leader is None or isinstance(leader.account.connection, s.Connected):
        return f"leader {rules.leader} is not yet compared with {known.name}"
    return f"leader {rules.leader} is {leader.account.connection.shown}"


def _blocked_by(supervisor: Supervisor, running: Running, held: str | None) -> list[str]:
    known = running.account
    rules = known.rules.copy
    conditions = {
        _BLOCKING.get(known.connection.shown, ""): not isinstance(known.connection, s.Connected),
        "holding": held is not None,
        "quarantined": any(strangers.quarantined(contract) for contract in known.book.contracts.values()),
        "paused": known.paused,
        "close-only": _close_only(known) is not None,
        **{bar.value: bar in known.book.barred for bar in (Bar.DENIED, Bar.FIRM, Bar.MARGIN, Bar.PENALTY)},
        "locked": known.book.standing.lock is not None,
        "limits": rules is not None and bool(risk.bar(known.book, rules.limits, supervisor.ports.wall())),
        "shadow": rules is not None and rules.shadow,
        "unarmed": rules is not None and not supervisor.config.armed(known.name),
    }
    return [word for word, holds in conditions.items() if holds] + contracts.words(known)


def _close_only(known: Account) -> str | None:
    barred = known.book.barred
    return known.close_only or barred.get(Bar.RUNAWAY) or barred.get(Bar.DISK)


def login(supervisor: Supervisor, one: Login) -> Json:
    token = one.tokens.current
    hold = one.tokens.restraint.hold
    until, why = one.gate.budget.held_until, one.gate.budget.hold_reason  # the process's: it holds for all logins
    if hold is not None and (until is None or hold.until > until):
        until, why = hold.until, hold.reason
    spent = one.gate.budget.spent
    if until is None and spent is not None and one.session is not None and one.session.waits_for_a_dial:
        until, why = spent.until, f"{spent.reason}; one login after the other is let through"
    state = _login_state(supervisor, one, hold is not None)
    skew = one.tokens.skew
    loss = one.session.loss if one.session is not None else None
    return {
        "login": one.name,
        "user_id": token.user_id if token else None,
        "state": state,
        "cause": loss.cause.value if loss is not None and state != "Connected" else None,
        "reason": loss.reason if loss is not None and state != "Connected" else None,
        "remedy": _remedy(one, loss) if state != "Connected" else None,
        "token_expires_at": instant(token.expires_at) if token else None,
        "refresh_expires_at": instant(one.tokens.purse.refresh_expires_at),
        "password_expires_at": instant(one.tokens.purse.password_expires_at),
        "requests_left": one.rate.left,
        "hold_until": instant(until),
        "hold_reason": why,
        "clock_skew_ms": None if skew is None else round(skew / timedelta(milliseconds=1)),
    }


def _remedy(one: Login, loss: Loss | None) -> str | None:
    """What only the login knows; the rest is the accounts' own."""
    return loss.advice.replace("LOGIN", one.name) if loss is not None and loss.advice is not None else None


def _login_state(supervisor: Supervisor, one: Login, held: bool) -> str:
    """Connected, Connecting, Refused (by the broker, for good), Held (by the broker, for a while), Waiting, or Idle."""
    session = one.session
    if session is not None and not session.ended.is_set():
        return "Connected" if session.authorized.is_set() else "Connecting"
    if session is not None and session.loss is not None and session.loss.final:
        return "Refused"
    if held:
        return "Held"
    wanted = any(
        running.login is one and not isinstance(running.account.connection, s.Stopped)
        for running in supervisor.accounts.values()
    )
    return "Waiting" if wanted else "Idle"
