"""`copierctl flatten`: says what it will do, asks, and waits until the broker has shown that it is done.

Rule 1: nobody gets out by accident: on a terminal it is asked, elsewhere --yes must say that it is meant.
Rule 2: of many accounts each is asked, whatever becomes of the others.
Rule 3: flat is what the daemon has verified. What is left when the wait is over is named, with why and what to do.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import attrs

from daemon.control import tables
from daemon.control.client import Client, Refused
from daemon.control.deeds import followers, print_json, segment
from daemon.exits import Exit

EVERY = 0.25  # seconds between two looks
Json = dict[str, Any]


@attrs.frozen(kw_only=True)
class Wish:
    """One account, perhaps one contract of it; or the followers of a copy; or all followers."""

    account: str | None = None
    symbol: str | None = None
    copy: str | None = None
    wait: float = 30.0  # seconds
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False


@attrs.frozen
class GettingOut:
    client: Client
    wish: Wish
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic

    def run(self) -> int:
        """The exit status. Raises NoDaemon, and Refused where one account alone was asked."""
        names = [self.wish.account] if self.wish.account else followers(self.client, self.wish.copy)
        if self.wish.dry_run or not self.wish.yes:
            accounts = [self._account(name) for name in names]
            if self._unheard_of(accounts):
                return Exit.FAILED
            plans = [self._plan(account) for account in accounts]
            for plan in plans if not self.wish.as_json else ():
                print(tables.plain(plan))
            if self.wish.dry_run:
                if self.wish.as_json:
                    print_json({"would": plans})
                return Exit.OK
            if not self._agreed():
                return Exit.FAILED
        asked = list(self._asked(names))
        return self._wait(asked, Exit.OK if len(asked) == len(names) else Exit.FAILED)

    def _account(self, name: str) -> Json:
        return self.client.get(f"/v1/accounts/{segment(name)}")

    def _unheard_of(self, accounts: list[Json]) -> bool:
        """Says of a contract that nobody has heard of what the daemon would say: it must not be taken for flat."""
        symbol = self.wish.symbol
        for account in accounts if symbol is not None else ():
            known = account["symbols"]
            if symbol not in known and account["role"] != "leader":
                there = f"; it knows {', '.join(known)}" if known else ""
                words = f"{account['account']} has never had {symbol} in hand{there}"
                print(f"copierctl: {tables.plain(words)}", file=sys.stderr)
                return True
        return False

    def _plan(self, account: Json) -> str:
        name = account["account"]
        if account["role"] == "leader":
            return f"{name}: refused, because it follows nobody: copierd never sends an order to a leader"
        contracts = [one for one in account["contracts"] if self.wish.symbol in (None, one["symbol"])]
        parts = [part for one in contracts for part in _parts(one)]
        left = [f"{one['theirs']:+d} {one['symbol']}" for one in contracts if one["theirs"]]
        what = ", ".join(parts) or "nothing of ours is open"
        beside = f"; left alone, because it is not ours: {', '.join(left)}" if left else ""
        return f"{name}: {what}{beside}; then nothing opens until: copierctl resume {name}"

    def _agreed(self) -> bool:
        if not sys.stdin.isatty():
            print("copierctl: this closes positions at market. Not on a terminal, so say it: --yes", file=sys.stderr)
            return False
        print("Cancel and close this at market now? Type yes: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip() == "yes":
            return True
        print("copierctl: nothing was done", file=sys.stderr)
        return False

    def _asked(self, names: Iterable[str]) -> Iterator[str]:
        """Those that took it up."""
        alone = self.wish.account is not None
        for name in names:
            body = {"symbol": self.wish.symbol} if self.wish.symbol else None
            try:
                self.client.post(f"/v1/accounts/{segment(name)}/flatten", body)
            except Refused as refused:
                if alone:
                    raise
                print(f"copierctl: {tables.plain(refused)}", file=sys.stderr)
            else:
                yield name

    def _wait(self, names: list[str], status: int) -> int:
        until = self.now() + self.wish.wait
        while True:
            accounts = [self._account(name) for name in names]
            open_ = [account for account in accounts if not _verified(account)]
            if not open_ or self.now() >= until:
                break
            self.sleep(EVERY)
        with contextlib.suppress(BrokenPipeError):  # who is not flat is told elsewhere too, and by the status
            if self.wish.as_json:
                print_json({"flat": not open_, "accounts": accounts})
            for account in accounts:
                if account not in open_ and not self.wish.as_json:
                    print(tables.plain(flat(account)))
        for account in open_:
            for words in not_flat(account):
                print(tables.plain(words), file=sys.stderr)
        return Exit.NOT_FLAT if open_ else status


def _parts(contract: Json) -> Iterator[str]:
    """What would be done in one contract."""
    symbol, ours, orders = contract["symbol"], contract["ours"], contract["orders"]
    if orders:
        yield f"cancel {_count(orders, 'order')} in {symbol}"
    if ours:
        yield f"{'sell' if ours > 0 else 'buy'} {abs(ours)} {symbol} at market"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _verified(account: Json) -> bool:
    return account["flatten"] is None or account["flatten"]["verified_at"] is not None


def flat(account: Json) -> str:
    """One line for an account that is out; `account` as the status shows it."""
    name, flatten = account["account"], account["flatten"]
    left = ", ".join(f"{net:+d} {symbol}" for symbol, net in flatten["not_ours"].items()) if flatten else ""
    beside = f". Left alone, because it is not ours: {left}" if left else ""
    return f"FLAT: {name}, as the broker shows it{beside}. Nothing opens until: copierctl resume {name}"


def not_flat(account: Json) -> Iterator[str]:
    """One line for everything that is left: what, why, and what to do."""
    name, left = account["account"], account["flatten"]["left"]
    for one in left:
        what = _what(one)
        then = "Close it" if one["ours"] else "Cancel it" if one["orders"] == 1 else "Cancel them"
        yield f"NOT FLAT: {name} still {what} ({_why(one)}). {then} in Tradovate now."
    if not left:
        state = account["state"] + (f": {account['reason']}" if account["reason"] else "")
        yield f"NOT VERIFIED: {name} has nothing of ours left by the book, and could not be read yet ({state})"


def _what(one: Json) -> str:
    ours, symbol, orders = one["ours"], one["symbol"], one["orders"]
    position = f"{'long' if ours > 0 else 'short'} {abs(ours)} {symbol}" if ours else ""
    resting = f"has {_count(orders, 'order')} in {symbol}" if orders and not ours else ""
    return position or resting or f"waits for an answer in {symbol}"


def _why(one: Json) -> str:
    if one["retry_at"] is None:
        return str(one["why"])
    again = datetime.fromisoformat(one["retry_at"]).astimezone()
    return f"{one['why']}; tried again at {again:%H:%M:%S}"
