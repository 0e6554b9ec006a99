"""The facts that need nobody's answer but this machine's: the file, the state directory, the socket, the ledger.

Rule 1: with a daemon running, its ledger is only read; without one, the state directory's lock is held meanwhile.
Rule 2: nothing is made where nothing was, unless the broker is going to be asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from daemon.config import Account, Config, Login, secrets
from daemon.config.demands import LONGEST_SOCKET
from daemon.control.client import Client, NoDaemon, Refused
from daemon.control.evidence import DENIED
from daemon.doctor.facts import Door, File, Kept, Orders, Person, Proof, State, Trouble
from daemon.ledger import Ledger, LedgerError
from daemon.ledger.schema import MEMORY
from daemon.logins.rate import Limits, Rate
from daemon.logins.restraint import kept_hold
from daemon.state_lock import StateInUse, StateLock
from statecharts.values import AccountName

LEDGER = "ledger.sqlite"
LOOKED_THROUGH = 500  # rows of an account's copies, newest first


@attrs.frozen
class Holding:
    """The state as it was found, and the ledger: ours to write when no daemon runs and `writable`."""

    state: State
    ledger: Ledger | None
    writable: bool = False


@contextlib.contextmanager
def held(directory: Path, *, make: bool) -> Iterator[Holding]:
    """The state directory for as long as it is looked at. `make`: it is made where there is none."""
    free = _free(directory)
    if not make and not directory.exists():
        yield Holding(State(directory, trouble=_cannot_be_made(directory), free=free), None)
        return
    with contextlib.ExitStack() as stack:
        state, ledger, writable = State(directory, free=free), None, False
        try:
            stack.enter_context(StateLock.taken(directory))
        except StateInUse as error:
            if isinstance(error.__cause__, BlockingIOError):
                state = attrs.evolve(state, held=True)
            else:
                state = attrs.evolve(state, trouble=Trouble(str(error)))
        try:
            if state.held:
                ledger = _only_read(directory / LEDGER)
            elif state.trouble is None and (make or (directory / LEDGER).exists()):
                ledger, writable = Ledger.open(directory / LEDGER), True
        except LedgerError as error:
            state = attrs.evolve(state, trouble=Trouble(f"{error.path}: {error.what}", error.remedy))
        if ledger is not None:
            stack.callback(ledger.close)
        yield Holding(state, ledger, writable)


def _only_read(path: Path) -> Ledger:
    """A ledger that another process writes: nothing is made, brought up to date or changed. Raises LedgerError."""
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        db.execute("SELECT refresh_token, device_id FROM logins LIMIT 1").fetchall()
    except sqlite3.Error as error:
        remedy = "Run copierd doctor as the user that copierd runs as, and in the same version"
        raise LedgerError(f"the running daemon's ledger cannot be read: {error}", path, remedy) from error
    return Ledger(path, db)


def _free(directory: Path) -> int | None:
    there = next((one for one in (directory, *directory.parents) if one.is_dir()), None)
    with contextlib.suppress(OSError):
        return shutil.disk_usage(there).free if there else None
    return None


def _cannot_be_made(directory: Path) -> Trouble | None:
    there = next(one for one in directory.parents if one.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return None
    return Trouble(f"{directory} is not there and cannot be made in {there}")


def door(path: Path) -> Door:
    """Knocks on the control socket and asks who is there. Waits for an answer, so not on the event loop."""
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        remedy = f"name one of at most {LONGEST_SOCKET} bytes with control_socket in [daemon]"
        return Door(path, Trouble(f"the path is {len(os.fsencode(path))} bytes long", remedy))
    try:
        found = path.lstat()
    except FileNotFoundError:
        return Door(path, None if path.parent.exists() else _cannot_be_made(path.parent))
    except OSError as error:
        return Door(path, Trouble(f"{path} cannot be looked at: {error.strerror}"))
    if not stat.S_ISSOCK(found.st_mode):
        remedy = "move it away, or give copierd another control_socket in [daemon]"
        return Door(path, Trouble(f"{path} is there and is no socket", remedy))
    try:
        return Door(path, status=Client((path,)).get("/v1/status"))
    except Refused as refused:
        return Door(path, Trouble(f"the copierd there does not answer: {refused}"))
    except NoDaemon as nobody:
        # A socket that nobody listens on is swept away at the next start.
        gone = isinstance(nobody.__cause__, ConnectionRefusedError)
        return Door(path, None if gone else Trouble(str(nobody)))


def person(name: str, file: File, now: datetime, ledger: Ledger | None, status: Any) -> Person:
    """What is known of a login before anybody is asked."""
    config = file.config
    settings = config.logins.get(name) if config else None
    accounts = tuple(one for one in config.accounts.values() if one.login == name) if config else ()
    mine = {one.account for one in accounts}
    followers = [f.account for copy in config.copies for f in copy.followers if f.account in mine] if config else []
    one = _element(status, "logins", "login", name)
    return Person(
        name=name,
        now=now,
        file=file,
        settings=settings,
        environment=config.environments[settings.environment] if config and settings else None,
        accounts=accounts,
        followers=len(followers),
        twins=_twins(config, settings) if config and settings else (),
        secrets=_secrets(settings) if settings else {},
        kept=kept(ledger, settings) if ledger and settings else Kept(),
        status=one,
        proofs={account.account: _proof(ledger, account) for account in accounts} if ledger else {},
        recorded=_recorded(ledger, accounts) if ledger else {},
        leaders=frozenset(mine - set(followers)),
        requests_left=_requests_left(one, settings, ledger, len(followers), now),
    )


def _requests_left(
    status: dict[str, Any] | None, settings: Login | None, ledger: Ledger | None, followers: int, now: datetime
) -> int | None:
    """As a running daemon says, else as the last one has left it."""
    told = status.get("requests_left") if status else None
    if isinstance(told, int) or settings is None or ledger is None:
        return told if isinstance(told, int) else None
    limits = Limits(settings.requests_per_minute, settings.requests_per_hour)
    return Rate(settings.login, limits, ledger, lambda: now, lambda: followers, lambda: False).left


def _element(status: Any, section: str, key: str, name: str) -> dict[str, Any] | None:
    rows = status.get(section) if isinstance(status, dict) else None
    found = (row for row in rows if isinstance(row, dict) and row.get(key) == name) if isinstance(rows, list) else ()
    return next(iter(found), None)


def _twins(config: Config, settings: Login) -> tuple[str, ...]:
    def user(login: Login) -> tuple[str, str | None]:
        return login.environment, login.username

    return tuple(
        other.login
        for other in config.logins.values()
        if other.login != settings.login and settings.username and user(other) == user(settings)
    )


def _secrets(settings: Login) -> dict[str, Trouble | None]:
    """Whether each can be had. None of them is kept here."""
    kinds: tuple[secrets.Kind, ...] = ("password", "sec") if settings.grant == "password" else ("client_secret",)
    found: dict[str, Trouble | None] = {}
    for kind in kinds:
        name = settings.login
        remedy = f"set the credential {name}.{kind}, or {secrets.variable(name, kind)}, or {kind}_file in the login"
        missing = Trouble(f"there is no {kind} for login {name}", remedy)
        try:
            found[kind] = None if secrets.find(settings, kind) else missing
        except secrets.SecretUnreadable as error:
            found[kind] = Trouble(error.message, error.remedy)
    return found


# The ledger


def _look(login: str) -> str:
    return f"doctor device {login}"


def kept(ledger: Ledger, settings: Login) -> Kept:
    name = settings.login
    token, refresh, refused = ledger.token(name), ledger.refresh_token(name), ledger.fact(f"refused {name}")
    made = ledger.device(name)
    look = json.loads(ledger.fact(_look(name)) or "{}")
    before = look.get("before") or (made if settings.device_id and not look else look.get("device"))
    changed = look.get("changed_at")
    current = settings.device_id or made
    return Kept(
        token_expires_at=token[1] if token else None,
        refresh_expires_at=refresh[1] if refresh else None,
        has_refresh=refresh is not None,
        refused=json.loads(refused)[1] if refused else None,
        device=made,
        before=before if before != current else None,
        changed_at=datetime.fromisoformat(changed) if changed and look.get("device") == current else None,
        hold=kept_hold(ledger, name),
    )


def remember_device(ledger: Ledger, person: Person) -> None:
    """So that the next look can tell a change. A change counts until an order has been accepted since."""
    if person.device is None:
        return
    found = person.kept
    look: dict[str, str] = {"device": person.device}
    if found.before is not None and not settled(person):
        look |= {"before": found.before, "changed_at": (found.changed_at or person.now).isoformat()}
    ledger.keep_fact(_look(person.name), json.dumps(look))


def settled(person: Person) -> bool:
    """Has an order been accepted since the device changed?"""
    changed, proven = person.kept.changed_at, person.proven
    return changed is not None and proven is not None and datetime.fromisoformat(proven.at) > changed


def _proof(ledger: Ledger, account: Account) -> Proof:
    for row in ledger.copies(follower=account.account, limit=LOOKED_THROUGH):
        reason = row["reason"]
        said: Orders | None = "proven" if row["order_id"] is not None else None
        if isinstance(reason, str) and DENIED in reason:
            said = "denied"
        if said is not None:
            return Proof(said, str(row["decided_at"]))
    return Proof()


def _recorded(ledger: Ledger, accounts: tuple[Account, ...]) -> dict[str, int]:
    """Unreadable accounts are the state directory's trouble, and are left out here."""
    found: dict[str, int] = {}
    for account in accounts:
        with contextlib.suppress(LedgerError):
            saved = ledger.load(AccountName(account.account))
            if saved is not None and saved.book.mine is not None:
                found[account.account] = saved.book.mine.broker_id
    return found


def own_orders(ledger: Ledger | None, accounts: tuple[Account, ...]) -> frozenset[int | str]:
    """The orders and client order ids that this ledger knows for ours."""
    own: set[int | str] = set()
    for account in accounts if ledger else ():
        assert ledger is not None
        for row in ledger.copies(follower=account.account, limit=10 * LOOKED_THROUGH):
            own |= {one for one in (row["order_id"], row["cl_ord_id"]) if isinstance(one, int | str)}
    return frozenset(own)


def memory() -> Ledger:
    """For an environment that ends with us: what it grants is worth nothing afterwards."""
    return Ledger.open(MEMORY)
