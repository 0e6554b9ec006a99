"""`copierctl status` and `copierctl copies`: once, or again and again.

Rule 1: on a terminal --watch also waits for a daemon that restarts; in a pipe the daemon's end is the end.
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
from daemon.control.client import Client, NoDaemon
from daemon.control.deeds import print_json
from daemon.exits import Exit

EVERY = 1.0  # seconds between two looks
PAGES = 50  # a burst of copies between two looks is shown whole up to here

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
            while True:
                status = self._asked()
                if self.as_json:
                    print_line(status)
                else:
                    screen.print(_page(status, screen.width))
                    sys.stdout.flush()
                time.sleep(EVERY)
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
        page = self.client.get("/v1/copies", **self.asked, limit=limit)
        if self.as_json:
            print_json(page)
        else:
            self._shown(page["copies"])
        return Exit.OK

    def follow(self, limit: int) -> int:
        """And each copy when it is new and whenever its outcome changes, until Ctrl-C."""
        # More is looked at than is shown: which copies there were before?
        rows = self.client.get("/v1/copies", **self.asked, limit=max(limit, 100))["copies"]
        self._shown(rows[:limit])
        show = print_line if self.as_json else self._printer()
        shown = {row["id"]: row["outcome"] for row in rows}
        newest = rows[0]["decided_at"] if rows else None
        while True:
            sys.stdout.flush()
            time.sleep(EVERY)
            found = self._since(newest)
            for row in reversed(found):
                # A copy from before the first look is told of only when it changes
                known = shown.get(row["id"])
                if known != row["outcome"] and (known is not None or newest is None or row["decided_at"] >= newest):
                    show(row)
                shown[row["id"]] = row["outcome"]
            newest = max([row["decided_at"] for row in found] + ([newest] if newest else []), default=None)

    def _since(self, newest: str | None) -> list[Json]:
        page = self.client.get("/v1/copies", **self.asked)
        found: list[Json] = page["copies"]
        for _ in range(PAGES):
            if page["next"] is None or newest is None or page["copies"][-1]["decided_at"] <= newest:
                break
            page = self.client.get("/v1/copies", **self.asked, cursor=page["next"])
            found += page["copies"]
        return found

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
