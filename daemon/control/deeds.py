"""What `copierctl` asks of a running daemon: one request, and a sentence about what came of it.

Rule 1: of many accounts each is asked: one that refuses does not keep the others from it, and is told.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import attrs

from daemon.control import tables
from daemon.control.client import Client, Refused
from daemon.exits import Exit

Json = dict[str, Any]

# verb -> what the help says, what is said when it was done
VERBS: dict[str, tuple[str, str]] = {
    "pause": (
        "open nothing on this account; entries that rest are cancelled, exits still go",
        "is paused: nothing opens, exits still go",
    ),
    "resume": ("let this account open again, also after a flatten", "may open again"),
    "reconnect": ("connect this account, or read it again when it is connected", "connects, or is read again"),
    "disconnect": ("let go of this account's connection until reconnect", "is disconnected; orders stay at the broker"),
    "resync": ("read this account again", "is read again"),
    "unlock": ("end the lock that a limit has set, before its session is over", "is unlocked"),
}
FOR_ALL = ("pause", "resume")  # of every follower at once
OF_A_SYMBOL: dict[str, tuple[str, str]] = {
    "release": (
        "trade again beside what is not ours in this contract; it stays untouched",
        "trades {symbol} again; what is not ours there stays untouched",
    ),
    "adopt": (
        "count the whole position in this contract as ours, from now on",
        "counts all of its {symbol} as ours",
    ),
}


def segment(name: str) -> str:
    """A name as one part of a path, whatever is in it."""
    return quote(name, safe="")


def known(name: str, kind: str, names: list[str]) -> None:
    """Raises Refused, as the daemon does, when there is none of that name."""
    if name not in names:
        raise Refused(404, f"there is no {kind} {tables.plain(name[:50])!r}; there are: {', '.join(names)}")


def followers(client: Client, copy: str | None = None) -> list[str]:
    """Of one copy, or of all. Raises Refused when there is no such copy."""
    copies = client.get("/v1/status")["copies"]
    if copy is not None:
        known(copy, "copy", [one["copy"] for one in copies])
    return [name for one in copies if copy in (None, one["copy"]) for name in one["followers"]]


@attrs.frozen
class Deeds:
    client: Client
    as_json: bool

    def each(self, verb: str, accounts: Iterable[str]) -> int:
        """Asks them one by one."""
        status, answers = Exit.OK, []
        for name in accounts:
            try:
                answers.append(self._ask(verb, name))
            except Refused as refused:
                print(f"copierctl: {tables.plain(refused)}", file=sys.stderr)
                status = Exit.FAILED
        if self.as_json:
            print_json(answers)
        for answer in answers if not self.as_json else ():
            self._told(answer, VERBS[verb][1])
        return status

    def one(self, verb: str, account: str) -> int:
        """Raises Refused."""
        return self._done(self._ask(verb, account), VERBS[verb][1])

    def of_symbol(self, verb: str, account: str, symbol: str) -> int:
        """Raises Refused."""
        answer = self._ask(verb, account, {"symbol": symbol})
        return self._done(answer, OF_A_SYMBOL[verb][1].format(symbol=symbol))

    def reconnect(self, login: str) -> int:
        """Raises Refused."""
        answer = self.client.post(f"/v1/logins/{segment(login)}/reconnect", limit=10.0)
        if self.as_json:
            print_json(answer)
        else:
            names = ", ".join(account["account"] for account in answer["accounts"])
            print(tables.plain(f"login {answer['login']} is dialed anew for {names or 'no account'}"))
        return Exit.OK

    def reload(self) -> int:
        """Raises Refused."""
        answer = self.client.post("/v1/reload")
        if self.as_json:
            print_json(answer)
        else:
            changed = "; ".join(answer["changed"]) or "nothing changed"
            print(tables.plain(f"the configuration was read again: {changed}"))
        return Exit.OK

    def _ask(self, verb: str, account: str, body: dict[str, str] | None = None) -> Json:
        return self.client.post(f"/v1/accounts/{segment(account)}/{verb}", body)

    def _done(self, answer: Json, words: str) -> int:
        if self.as_json:
            print_json(answer)
        else:
            self._told(answer, words)
        return Exit.OK

    def _told(self, account: Json, words: str) -> None:
        why = tables.reason(account)
        state = f"{account['state']}, {account['leaf']}" + (f" ({why})" if why else "")
        print(tables.plain(f"{account['account']} {words}. Now: {state}"))


def print_json(answer: object) -> None:
    """For a program to read."""
    print(json.dumps(answer, indent=2, ensure_ascii=False), flush=True)
