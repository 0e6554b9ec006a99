"""`copierd doctor`: every known cause of trouble, tested one by one, each with its remedy.

It trades nothing and pushes nobody out: see `online` for what is sent, and why that is safe on live.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

import trio

from daemon.config.shape import did_you_mean
from daemon.doctor.examination import Wish, examine, names_in
from daemon.doctor.report import Report
from daemon.doctor.salvage import read
from daemon.exits import Exit
from daemon.journal import Journal
from daemon.ports import Ports

__all__ = ["Wish", "run_doctor"]


def run_doctor(path: Path, wish: Wish, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """0 when nothing is wrong, 1 when something is, 64 when the login is not in the configuration."""
    out, err = out or sys.stdout, err or sys.stderr
    file = read(path)
    names = names_in(file)
    if wish.login is not None and wish.login not in names:
        hint = did_you_mean(wish.login, list(names)) or f"It has: {', '.join(names) or 'none'}."
        print(f"copierd doctor: {path} has no login {wish.login}. {hint}", file=err)
        return Exit.USAGE
    journal = Journal(lambda entry: None)

    def say(words: str) -> None:
        print(journal.clean(words), file=err, flush=True)

    report: Report | None = None
    try:
        report = trio.run(examine, file, wish, Ports.real(), journal, say)
    except* KeyboardInterrupt:
        print("copierd doctor: interrupted, so nothing can be told", file=err)
    if report is None:
        return Exit.FAILED
    form = report.json(journal.clean) if wish.as_json else report.text(terminal=out.isatty(), clean=journal.clean)
    print(form, end="", file=out)
    return Exit.OK if report.well else Exit.FAILED
