"""`copierctl events`, `why` and `metrics`: what happened, and why, in lines for people."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import attrs
from rich.text import Text

from daemon.control import tables
from daemon.control.absence import Absence
from daemon.control.client import Client, NoDaemon
from daemon.control.deeds import print_json, segment
from daemon.control.watching import AGAIN, print_line
from daemon.exits import Exit

_PAINT = {"warning": "yellow", "page": "bold red"}

Json = dict[str, Any]


@attrs.frozen
class Events:
    """What the operator was told. Raises NoDaemon and Refused."""

    client: Client
    as_json: bool

    def once(self, limit: int) -> int:
        found = self.client.get("/v1/events", limit=limit)
        if self.as_json:
            print_json(found)
        for event in found["events"] if not self.as_json else ():
            self._show(event)
        return Exit.OK

    def follow(self, limit: int) -> int:
        """And what comes, until Ctrl-C; also over a restart of the daemon, from where it was broken off."""
        events = self.client.get("/v1/events", limit=limit)["events"]
        for event in events:
            self._show(event)
        last = events[-1]["id"] if events else None
        absence = Absence()
        while True:
            try:
                for sent in self.client.stream("/v1/events", last):
                    absence.over()
                    last = last if sent.id is None else sent.id
                    self._show(sent.data)
            except NoDaemon as nobody:
                absence.tell(nobody)
            time.sleep(AGAIN)

    def _show(self, event: Json) -> None:
        if self.as_json:
            print_line(event)
            return
        tables.console(sys.stdout).print(event_line(event), soft_wrap=True)
        sys.stdout.flush()


def event_line(event: Json) -> Text:
    """When, how loud, what, and what to do."""
    if "event" not in event:
        return Text(tables.plain(event["detail"]), style="yellow")
    line = Text(f"{tables.clock(event['at'])}  ")
    line.append(f"{event['event']:20}", style=_PAINT.get(event["severity"], ""))
    remedy = f". {event['remedy'][0].upper()}{event['remedy'][1:]}" if event["remedy"] else ""
    line.append(f"  {tables.plain(event['detail'] + remedy)}")
    return line


def why(client: Client, asked: str, *, as_json: bool) -> int:
    """The chain behind a copy, an order, or what the leader did. Raises NoDaemon and Refused."""
    found = client.get(f"/v1/why/{segment(asked)}")
    if as_json:
        print_json(found)
        return Exit.OK
    screen = tables.console(sys.stdout)
    screen.print(tables.copies_head(), soft_wrap=True)
    for row in found["copies"]:
        screen.print(tables.copy_line(row), soft_wrap=True)
    screen.print()
    for line in chain_lines(found["chain"]):
        screen.print(line, soft_wrap=True)
    return Exit.OK


def chain_lines(chain: list[Json]) -> Iterator[Text]:
    """One line for what happened, and one for each thing that was done about it."""
    for link in chain:
        ms = f"+{link['ms']:.1f} ms" if link["ms"] < 1000 else f"+{tables.period(link['ms'] / 1000)}"
        when = f"{tables.clock(link['at'], parts='milliseconds')}  {ms:>10}"
        yield Text(tables.plain(f"{when}  {link['account']:8}  {link['event']}"))
        for effect in link["effects"]:
            yield Text(tables.plain(f"{'':36}-> {effect}"), style="bold" if effect == link["request"] else "")
        if link["failed"]:
            yield Text(f"{'':36}A BUG IN COPIERD: {tables.plain(link['failed'].strip().splitlines()[-1])}", style="red")


def metrics(client: Client, *, as_json: bool) -> int:
    """Figures for Prometheus, as they are now. Raises NoDaemon and Refused."""
    text = client.text("/metrics")
    if as_json:
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        print_json({name: float(figure) for name, _, figure in lines})
    else:
        print(text, end="")
    return Exit.OK
