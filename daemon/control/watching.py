"""`copierctl status` and `copierctl copies`: once, or again and again.

Rule 1: who watches or follows goes on over a restart of the daemon, from where it was broken off; only a daemon that
        was not there at the beginning is an error.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import attrs
from rich.console import Group
from rich.live import Live
from rich.text import Text

from daemon.control import tables
from daemon.control.absence import Absence
from daemon.control.client import Client, NoDaemon
from daemon.control.deeds import known, print_json
from daemon.exits import Exit

EVERY = 1.0  # seconds between two looks at the status, whose own clocks go by the second
AGAIN = 1.0  # seconds, until a daemon that has gone is asked for once more

Json = dict[str, Any]


def print_line(content: Json) -> None:
    """One of many, for a program to read."""
    print(json.dumps(content, ensure_ascii=False), flush=True)


@attrs.frozen
class Status:
    """What every account does. All methods raise NoDaemon."""

    client: Client
    as_json: bool

    def once(self) -> int:
        status = self._asked()
        if self.as_json:
            print_json(status)
        else:
            screen = tables.console(sys.stdout)
            screen.print(_page(status, screen.width))
        return Exit.OK

    def check(self) -> int:
        """0 when all are Connected, or in a maintenance window that was expected."""
        status = self._asked()
        bad = [one for one in status["accounts"] if one["state"] != "Connected" and not one["expected"]]
        return self._verdict(status, bad, "are Connected, or in a maintenance window")

    def ready(self) -> int:
        """0 when all are copying, and nothing is in the way of any."""
        status = self._asked()
        bad = [one for one in status["accounts"] if not one["copying"] or one["blocked_by"]]
        return self._verdict(status, bad, "are copying")

    def watch(self) -> int:
        """Until Ctrl-C."""
        screen = tables.console(sys.stdout)
        if self.as_json or not sys.stdout.isatty():
            status = self._asked()
            while True:
                if self.as_json:
                    print_line(status)
                else:
                    screen.print(_page(status, screen.width))
                    sys.stdout.flush()
                time.sleep(EVERY)
                status = self._asked_again()
        with Live(console=screen, auto_refresh=False, screen=True) as live:
            while True:
                try:
                    page = _page(self._asked(), screen.width)
                except NoDaemon as nobody:
                    page = Group(Text(tables.plain(nobody), style="red"))
                live.update(page, refresh=True)
                time.sleep(EVERY)

    def _asked(self) -> Json:
        return self.client.get("/v1/status")

    def _asked_again(self) -> Json:
        """Until a daemon answers that was there before: it may just be starting again."""
        absence = Absence()
        while True:
            try:
                return self._asked()
            except NoDaemon as nobody:
                absence.tell(nobody)
            time.sleep(AGAIN)

    def _verdict(self, status: Json, bad: list[Json], good: str) -> int:
        if self.as_json:
            print_json(status)
        for account in bad:
            why = tables.reason(account)
            print(f"{account['account']} is {account['state']}" + (f": {why}" if why else ""), file=sys.stderr)
        if not bad and not self.as_json:
            print(f"all {len(status['accounts'])} accounts {good}")
        return Exit.FAILED if bad else Exit.OK


def _page(status: Json, width: int) -> Group:
    return Group(tables.status_table(status, width), *tables.status_lines(status))


@attrs.frozen
class Copies:
    """What was copied. All methods raise NoDaemon and Refused."""

    client: Client
    as_json: bool
    asked: dict[str, str | None]

    def once(self, limit: int) -> int:
        page = self._asked(limit)
        if self.as_json:
            print_json(page)
        else:
            self._shown(page["copies"])
        return Exit.OK

    def follow(self, limit: int) -> int:
        """And each copy when it is new and whenever its outcome changes, until Ctrl-C; also over a restart."""
        # More is looked at than is shown: which outcomes were there before?
        page = self._asked(max(limit, 100))
        self._shown(page["copies"][:limit])
        show = print_line if self.as_json else self._printer()
        outcomes = {(row["id"], row["follower"]): row["outcome"] for row in page["copies"]}
        last: int = page["last"]
        absence = Absence()
        while True:
            sys.stdout.flush()
            try:
                for sent in self.client.stream("/v1/copies", last, **self.asked):
                    absence.over()
                    row, last = sent.data, last if sent.id is None else sent.id
                    if sent.event == "gap":
                        print(f"copierctl: {row['detail']}", file=sys.stderr)
                    elif outcomes.get((row["id"], row["follower"])) != row["outcome"]:
                        outcomes[row["id"], row["follower"]] = row["outcome"]
                        show(row)
                        sys.stdout.flush()
            except NoDaemon as nobody:
                absence.tell(nobody)
            time.sleep(AGAIN)

    def _asked(self, limit: int) -> Json:
        page = self.client.get("/v1/copies", **self.asked, limit=limit)
        follower = self.asked["follower"]
        if follower is not None and not page["copies"]:  # of an account that has been taken out there may be some
            known(follower, "account", [one["account"] for one in self.client.get("/v1/status")["accounts"]])
        return page

    def _shown(self, rows: list[Json]) -> None:
        show: Callable[[Json], None] = print_line
        if not self.as_json:
            show = self._printer()
            tables.console(sys.stdout).print(tables.copies_head(), no_wrap=True, overflow="ellipsis")
        for row in reversed(rows):
            show(row)

    @staticmethod
    def _printer() -> Callable[[Json], None]:
        screen = tables.console(sys.stdout)
        return lambda row: screen.print(tables.copy_line(row), no_wrap=True, overflow="ellipsis")
