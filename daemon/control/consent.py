"""`copierctl authorize`: shows the address, waits with a countdown, and says what came of it in words.

Rule 1: it opens no browser: on a server there is none, and the one that there is may be logged in as somebody else.
Rule 2: the countdown goes to standard error, and only to a terminal.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import attrs

from daemon.control import tables
from daemon.control.client import Client
from daemon.exits import Exit

EVERY = 1.0  # seconds between two looks
BROKER_LIMIT = 45.0  # seconds: the daemon may make three requests to the broker, of twelve seconds at most each

Json = dict[str, Any]


@attrs.define
class Consent:
    """One `copierctl authorize LOGIN`."""

    client: Client
    login: str
    as_json: bool
    sleep: Callable[[float], None] = time.sleep

    @property
    def _path(self) -> str:
        return f"/v1/logins/{quote(self.login, safe='')}/authorize"

    def begin(self) -> int:
        """The exit status. Raises NoDaemon and Refused, as all commands do."""
        begun = self.client.post(self._path, limit=BROKER_LIMIT)
        if begun["authorize_url"] is None:  # grant password: it is done already
            return self._told(begun)
        if self.as_json:
            print(json.dumps(begun), flush=True)
        else:
            print(_instructions(self.login, begun), flush=True)
        try:
            return self._wait(begun)
        except KeyboardInterrupt:
            words = f"no longer waiting; the address is good until {_local(begun['expires_at'])}"
            print(f"\ncopierctl: {words}", file=sys.stderr)
            return Exit.FAILED

    def complete(self, url: str) -> int:
        return self._told(self.client.post(f"{self._path}/complete", {"url": url}, BROKER_LIMIT))

    def _wait(self, begun: Json) -> int:
        while True:
            found = self.client.get(self._path)
            if found["expires_at"] != begun["expires_at"]:
                print("copierctl: a newer address has been asked for, which alone counts", file=sys.stderr)
                return Exit.FAILED
            if found["outcome"] is not None:
                _countdown("")
                return self._told(found)
            left = max(0, int((_instant(begun["expires_at"]) - datetime.now(UTC)).total_seconds()))
            _countdown(f"waiting for the browser: {left // 60}:{left % 60:02} left")
            self.sleep(EVERY)

    def _told(self, found: Json) -> int:
        good = found["outcome"] == "authorized"
        if self.as_json:
            print(json.dumps(found), flush=True)
        else:
            words = f"{found['title']}: {found['detail']}" + (
                f". {_sentence(found['remedy'])}" if found["remedy"] else ""
            )
            print(tables.plain(words if good else f"copierctl: {words}"), file=sys.stdout if good else sys.stderr)
        return Exit.OK if good else Exit.FAILED


def _instructions(login: str, begun: Json) -> str:
    complete = f"  copierctl authorize {login} --complete 'ADDRESS'"
    if begun["listening"]:
        how = (
            "The browser comes back by itself when it runs on this machine. When it runs elsewhere it ends on an\n"
            "address that does not open; copy that whole address and run, while this waits:"
        )
    else:
        how = (
            "The browser then ends on an address that does not open; copy that whole address and run, while this waits:"
        )
    return (
        f"To authorize {login}, open this address in a browser and log in as the login's own user:\n\n"
        f"{begun['authorize_url']}\n\n{how}\n\n{complete}\n\nThe address is good until {_local(begun['expires_at'])}."
    )


def _countdown(words: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{words:<60}\r", end="", file=sys.stderr, flush=True)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _local(text: str) -> str:
    return f"{_instant(text).astimezone():%H:%M:%S}"


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]
