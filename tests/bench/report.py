"""What was measured, as a table for people, as JSON for machines, and as a plot."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import attrs

from tests.bench import svg
from tests.bench.latency import OURS, Latency

Found = dict[tuple[int, bool], dict[str, Latency]]

WHAT = (
    "Python {python}, {machine}. Milliseconds from the leader's event, as it leaves the broker, to an order as it "
    "comes off its socket there: median and 99th percentile."
)
RAISED = (
    "The daemon's budget of requests and its circuit breaker (`runaway`) are raised for the benchmark: they stop what "
    "it does. Nothing else is changed, and every copy is written to the ledger before it is sent. The broker is a "
    "stand-in in a process of its own, on the loopback interface; it answers orders after 25 ms."
)


def markdown(found: Found, more: dict[str, Any]) -> str:
    lines = [
        WHAT.format(python=platform.python_version(), machine=platform.machine()),
        "",
        RAISED,
        "",
        "| followers | logins | | first p50 | first p99 | last p50 | last p99 | last / floor | CPU ms a copy |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (followers, together), measured in found.items():
        lines += [_row(followers, together, name, measured) for name in measured]
    if more:
        lines += ["", "| beside that | |", "|---|---|", *(f"| {name} | {figure} |" for name, figure in more.items())]
    return "\n".join([*lines, ""])


def _row(followers: int, together: bool, name: str, measured: dict[str, Latency]) -> str:
    one, floor = measured[name], next(latency for other, latency in measured.items() if other != OURS)
    logins = "one" if together else f"{followers + 1}"
    figures = [f"{figure:.2f}" for figure in (one.first, one.first_p99, one.last, one.last_p99, one.last / floor.last)]
    lost = f" ({one.lost} rounds incomplete)" if one.lost else ""
    return f"| {followers} | {logins} | {name}{lost} | {' | '.join(figures)} | {one.cpu_per_copy:.2f} |"


def write(directory: Path, found: Found, more: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "bench.md").write_text(markdown(found, more))
    rows = [
        {"followers": followers, "one_login": together, "program": name, **attrs.asdict(latency)}
        for (followers, together), measured in found.items()
        for name, latency in measured.items()
    ]
    (directory / "bench.json").write_text(json.dumps({"latency_ms": rows, "more": more}, indent=1) + "\n")
    for together in sorted({together for _, together in found}):
        lines: dict[str, list[tuple[float, float]]] = {}
        for (followers, where), measured in sorted(found.items()):
            for name, latency in measured.items() if where is together else ():
                lines.setdefault(name, []).append((followers, latency.last))
        where_words = "on one login" if together else "each on a login of its own"
        title = f"Last follower's order after the leader's, p50, followers {where_words}"
        name = "one-login" if together else "many-logins"
        (directory / f"latency-{name}.svg").write_text(svg.plot(title, lines))
