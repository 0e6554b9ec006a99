"""On which host of the broker a login lives: the environment's, or one that the broker has named for it.

Some organisations have hosts of their own. The wrong host answers REST with 307 and an upgrade to a WebSocket with 421;
the answers to token requests name the right ones as `apiHosts`.

Rule 1: a host that is not of the environment's own domain is never a home, whoever names it: the token would follow.
Rule 2: a home is remembered, also over a restart, until the broker names another, or it cannot be reached three times
        in a row: then the environment's host is asked anew.
Rule 3: to a 421 without a known host the broker is asked once an hour at most: renewals are counted per address.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import attrs

from daemon.logins.grant import Facts
from daemon.tradovate.hosts import host_of, on_host, same_house

FAILURES_THAT_TELL = 3
ASK_AGAIN_AFTER = timedelta(hours=1)


@attrs.define(eq=False, repr=False)
class Home:
    """`rest` and `websocket` are the environment's addresses; `kind` is "live" or "demo", as the broker names hosts.

    `moved` is told the address for REST whenever it changes.
    """

    login: str
    rest: str
    websocket: str
    kind: str
    facts: Facts
    wall: Callable[[], datetime]
    moved: Callable[[str], None] = lambda address: None
    _host: str | None = None
    _failures: int = 0
    _asked_at: datetime | None = None

    def load(self) -> None:
        """Takes up what the last process knew of this environment."""
        kept = json.loads(self.facts.fact(self._key) or "{}")
        if kept.get("of") == self.rest:
            self._settle(kept.get("host"))

    @property
    def elsewhere(self) -> str | None:
        """The host, when it is another than the environment's."""
        return self._host

    @property
    def socket_address(self) -> str:
        return self.websocket if self._host is None else on_host(self.websocket, self._host)

    def named(self, hosts: Mapping[str, str]) -> bool:
        """The broker has said in an answer which hosts are this login's. Is ours another one now?"""
        return self.kind in hosts and self._adopt(hosts[self.kind])

    def redirected(self, address: str) -> None:
        """A REST request was sent to this address instead."""
        self._adopt(address)

    def may_ask(self) -> bool:
        """May the broker be asked where we live? Counts as asking."""
        now = self.wall()
        if self._asked_at is not None and now - self._asked_at < ASK_AGAIN_AFTER:
            return False
        self._asked_at = now
        return True

    def reached(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        """Nobody answered there."""
        self._failures += 1
        if self._host is not None and self._failures >= FAILURES_THAT_TELL:
            self._keep(None)

    def _adopt(self, named: str) -> bool:
        host = host_of(named)
        if host is None or not self._ours(host):
            return False
        known = None if host == urlsplit(self.rest).netloc else host
        if known == self._host:
            return False
        self._keep(known)
        return True

    def _ours(self, host: str) -> bool:
        addresses = (self.rest, self.websocket)
        return all(same_house(address, on_host(address, host)) for address in addresses)

    def _keep(self, host: str | None) -> None:
        self.facts.keep_fact(self._key, json.dumps({"of": self.rest, "host": host}))
        self._settle(host)

    def _settle(self, host: str | None) -> None:
        self._host, self._failures = host, 0
        self.moved(self.rest if host is None else on_host(self.rest, host))

    @property
    def _key(self) -> str:
        return f"home {self.login}"
