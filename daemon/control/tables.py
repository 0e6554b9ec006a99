"""What `copierctl` prints for people: one line an account, one line a copy.

Rule 1: on a terminal a line is never longer than it; in a pipe nothing is cut, wrapped or coloured.
Rule 2: words of the broker are shown without their control characters: a terminal would obey them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:  # rich takes a while, and the daemon, which has these words from here, never draws
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Json = dict[str, Any]

_GAP = 2
_UNCUT = 10_000  # columns of a pipe
_LEAST_REASON = 16  # columns; below, other columns make room, and the lines under the table tell the whole
_DISPENSABLE = ("leaf", "role")
_PAINT = {"green": "green", "yellow": "yellow", "red": "red", "gray": "bright_black"}
_OUTCOMES = {
    "filled": "green",
    "working": "green",
    "rejected": "red",
    "expired": "red",
    "unknown": "bold red",
    "skipped": "yellow",
    "shadowed": "bright_black",
}


def console(file: TextIO) -> Console:
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            raise

    return Piped(file=file, highlight=False, width=None if file.isatty() else _UNCUT)


def plain(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text))


def period(seconds: float) -> str:
    """In its largest unit, rounded down."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def status_table(status: Json, width: int) -> Table:
    """One line an account, with what fits into `width` columns."""
    from rich.table import Table
    from rich.text import Text

    rows = [_account_cells(account, status["now"]) for account in status["accounts"]]
    names = list(rows[0]) if rows else ["account", "state"]
    for name in _DISPENSABLE:
        if _room(rows, names, width) < min(_LEAST_REASON, _widest(rows, "reason")):
            names.remove(name)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in names:
        room = max(1, _room(rows, names, width)) if name == "reason" else None
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=room)
    for row, account in zip(rows, status["accounts"], strict=True):
        paint = _PAINT.get(account["colour"], "")
        table.add_row(*(Text(row[name], style=paint if name in ("state", "leaf") else "") for name in names))
    return table


def _widest(rows: Sequence[dict[str, str]], name: str) -> int:
    return max([len(name), *(len(row[name]) for row in rows)])


def _room(rows: Sequence[dict[str, str]], names: Sequence[str], width: int) -> int:
    """Columns that are left for the reason, which comes last."""
    return width - sum(_widest(rows, name) + _GAP for name in names if name != "reason") - _GAP


def _account_cells(account: Json, now: str) -> dict[str, str]:
    attempt = account["next_attempt_at"]
    return {
        "account": plain(account["account"]),
        "state": account["state"],
        "role": account["role"],
        "leaf": account["leaf"],
        "since": period(_between(account["since"], now)),
        "positions": ", ".join(f"{plain(symbol)} {net:+d}" for symbol, net in account["positions"].items()) or "-",
        "next": period(_between(now, attempt)) if attempt else "-",
        "reason": reason(account),
    }


def reason(account: Json) -> str:
    """Why this account does not copy, or what else is to be known of it."""
    words = [account["reason"] if account["state"] != "Connected" else None, account["holding"], account["close_only"]]
    said = {"reconnecting", "disconnected", "token-expired", "holding", "close-only", *account["barred"]}
    words += [word for word in account["blocked_by"] if word not in said]
    words += [why for why in account["barred"].values() if why != account["close_only"]]
    words += [f"{one['symbol']}: {one['theirs']:+d} not ours" for one in account["quarantined"]]
    words += [f"{symbol}: {why}" for symbol, why in account["waiting"].items()]
    if account["locked"]:
        words.append(f"{account['locked']['reason']}, until {clock(account['locked']['until'])}")
    if account["pending_config"]:
        words.append("pending_config: a changed size takes effect when the leader is flat")
    if account["orders"] == "denied" and "denied" not in account["barred"]:
        words.append("orders denied")
    return plain("; ".join(word for word in words if word))


def status_lines(status: Json) -> Iterable[Text]:
    """Below the table: what to do, once for all accounts that have the same trouble, and the daemon itself."""
    from rich.text import Text

    troubles: dict[tuple[str, str], list[str]] = {}
    for account in status["accounts"]:
        if account["remedy"]:
            trouble = account["reason"] or account["state"]
            troubles.setdefault((trouble, account["remedy"]), []).append(account["account"])
    for (trouble, remedy), names in troubles.items():
        yield Text(plain(f"{', '.join(names)}: {trouble}. {remedy}"))
    holds: dict[tuple[str, str], list[str]] = {}
    for login in status["logins"]:
        if login["hold_until"]:
            holds.setdefault((login["hold_reason"], login["hold_until"]), []).append(login["login"])
    for (why, until), names in holds.items():
        word = "login" if len(names) == 1 else "logins"
        yield Text(plain(f"{word} {', '.join(names)}: {why}, until {clock(until)}"))
    took = status["latency_ms"]
    pace = ""
    if took["count"]:
        pace = f"; {took['count']} requests sent within {took['p50']:g} ms (p50), {took['p99']:g} ms (p99)"
    up = period(_between(status["started_at"], status["now"]))
    yield Text(f"copierd {status['version']}, up {up}, last stop {status['last_stop']}{pace}", style="dim")


def clock(instant: str, parts: str = "seconds") -> str:
    """The operator's own time of day; `parts` is the smallest that is shown."""
    return datetime.fromisoformat(instant).astimezone().time().isoformat(parts)


def copies_head() -> Text:
    from rich.text import Text

    return Text(f"{'decided':8}  {'follower':8}  {'outcome':8}  {'copy':24}  what came of it", style="bold")


def copy_line(row: Json) -> Text:
    from rich.text import Text

    price = next((f" {row[key]:g}" for key in ("price", "stop_price") if row[key] is not None), "")
    quantity = "" if row["quantity"] is None else f" {row['quantity']}"
    kind = f" {row['order_type']}{price}" if row["order_type"] else ""
    what = f"{row['verb']} {row['action']}{quantity} {row['symbol']}{kind}"
    notes = [row["reason"], row["order_id"] and f"order {row['order_id']}"]
    if row["latency_ms"] is not None:
        notes.append(f"{row['latency_ms']:.1f} ms")
    line = Text(f"{clock(row['decided_at'])}  {row['follower']:8}  ")
    line.append(f"{row['outcome']:8}", style=_OUTCOMES.get(row["outcome"], ""))
    line.append(f"  {plain(what):24}  {plain(', '.join(note for note in notes if note))}")
    line.rstrip()
    return line
