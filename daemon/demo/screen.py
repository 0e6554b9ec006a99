"""What the viewer sees: a table that lives at the foot of a terminal, or plain lines where there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

import attrs
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from daemon.demo.cast import FOLLOWERS, LEADER
from daemon.demo.reckoning import Reckoned
from daemon.demo.scene import Scene, words
from daemon.journal import Entry
from statecharts import states as s

STYLES = {"green": "green", "yellow": "yellow", "red": "red", "gray": "bright_black"}
QUIET = frozenset({"copy.placed", "state"})  # kinds of lines that are many; the journal's file has them


class Screen(Protocol):
    """`say` is the story's voice, `hear` takes every line of the daemon's journal, `refresh` is called now and then."""

    def say(self, at: float, told: str) -> None: ...
    def hear(self, entry: Entry) -> None: ...
    def refresh(self, scene: Scene) -> None: ...
    def shown(self) -> contextlib.AbstractContextManager[None]: ...
    def conclude(self, scene: Scene, accounts: list[Reckoned], faults: list[str]) -> None: ...


@attrs.define(eq=False, repr=False)
class PlainScreen:
    """One line for whatever happens; positions follow each act of the story."""

    console: Console
    _positions: str = ""

    def say(self, at: float, told: str) -> None:
        self.console.print(f"{at:5.1f} s  {told}")

    def hear(self, entry: Entry) -> None:
        if entry.kind not in QUIET:
            self.console.print(f"         copierd: {entry.message}")

    def refresh(self, scene: Scene) -> None:
        """Positions are printed when they have changed."""
        followers = [f"{name} {words(scene.holds(name))} of {words(scene.target(name))}" for name in FOLLOWERS]
        positions = "; ".join([f"{LEADER} {words(scene.holds(LEADER))}", *followers])
        if positions != self._positions:
            self._positions = positions
            self.console.print(f"         positions: {positions}")

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        yield

    def conclude(self, scene: Scene, accounts: list[Reckoned], faults: list[str]) -> None:
        _conclude(self.console, accounts, faults)


@attrs.define(eq=False, repr=False)
class LiveScreen:
    """The story scrolls above, the table stays below."""

    console: Console
    _live: Live | None = None
    _last: str = ""

    def say(self, at: float, told: str) -> None:
        self.console.print(Text.assemble((f"{at:5.1f} s  ", "bright_black"), (told, "bold")))

    def hear(self, entry: Entry) -> None:
        if entry.kind in QUIET:
            return
        self._last = entry.message
        if entry.severity not in ("debug", "info"):
            self.console.print(Text(f"         {entry.message}", style="yellow"))

    def refresh(self, scene: Scene) -> None:
        if self._live is not None:
            self._live.update(Group(table(scene), Text(self._last, style="bright_black")), refresh=True)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        with Live(console=self.console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def conclude(self, scene: Scene, accounts: list[Reckoned], faults: list[str]) -> None:
        _conclude(self.console, accounts, faults)


def table(scene: Scene) -> RenderableType:
    """All accounts now. Positions and working orders are the broker's own, states and reasons the daemon's."""
    found = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("Account", "State", "Leader", "Follower", "Target", "Working", "Reason"):
        found.add_column(column, no_wrap=column != "Reason")
    leader = words(scene.holds(LEADER))
    working = str(len(scene.working(LEADER)))
    found.add_row(LEADER, _state(scene, LEADER), leader, "", "", working, _reason(scene, LEADER))
    for name in FOLLOWERS:
        held, target = scene.holds(name), scene.target(name)
        there = Text(words(held), style="" if held == target else "yellow")
        working = str(len(scene.working(name)))
        found.add_row(name, _state(scene, name), leader, there, words(target), working, _reason(scene, name))
    return found


def _state(scene: Scene, account: str) -> Text:
    state = scene.state(account)
    return Text(state.shown, style=STYLES[state.colour])


def _reason(scene: Scene, account: str) -> str:
    """Why an account does not copy, or not everything; empty when all is well."""
    state = scene.state(account)
    if not isinstance(state, s.Connected):
        return state.reason or "starting"
    if account == LEADER:
        return ""
    if scene.holding(account):
        leader = scene.state(LEADER)
        return "comparing with the leader" if isinstance(leader, s.Connected) else f"holds: {LEADER} is {leader.shown}"
    contracts = scene.supervisor.accounts[account].account.book.contracts
    return "; ".join(f"{symbol}: {contract.no_entry}" for symbol, contract in contracts.items() if contract.no_entry)


def _conclude(console: Console, accounts: list[Reckoned], faults: list[str]) -> None:
    """The reckoning of every account, and the verdict."""
    console.print()
    console.print("Reckoning: the broker's books, the ledger and the rules, each asked by itself")
    found = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("Account", "Broker holds", "Ledger says", "Rules want"):
        found.add_column(column, no_wrap=True)
    for column in ("Orders", "Contracts", "Skipped", "Twice"):
        found.add_column(column, no_wrap=True, justify="right")
    found.add_column("Verdict", no_wrap=True)
    for one in accounts:
        verdict = Text("WRONG", style="red") if one.faults else Text("as it should be", style="green")
        counts = (str(one.orders), str(one.filled), str(len(one.skipped)), str(one.twice))
        ours, target = ("" if n is None else words(n) for n in (one.ours, one.target))
        found.add_row(one.account, words(one.broker), ours, target, *counts, verdict)
    console.print(found)
    for one in accounts:
        for told in one.skipped:
            console.print(f"  {one.account}: {told}")
    console.print()
    wrong = [*faults, *(f"{one.account}: {fault}" for one in accounts for fault in one.faults)]
    for fault in wrong:
        console.print(Text(f"WRONG: {fault}", style="red"))
    if not wrong:
        console.print(Text("Every follower ended where it should, and no order was sent twice.", style="green"))
