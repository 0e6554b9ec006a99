"""`copierd demo`: the whole daemon at work on the embedded simulator, told in words, and reckoned up at the end.

Rule 1: only the broker is staged: supervisor, sockets, ledger and control socket are the real ones.
Rule 2: the reckoning compares what the broker did with what the ledger says and with the rules; it can fail.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import trio
from rich.console import Console

from daemon.config import load
from daemon.demo.cast import written
from daemon.demo.performance import Performance, play
from daemon.demo.screen import LiveScreen, PlainScreen, Screen
from daemon.exits import Exit

PLAIN_WIDTH = 120  # columns, where there is no terminal to ask


def run_demo(seconds: float | None, keep: bool) -> int:
    """0 when every follower ends where it should; else 1, and the state directory is kept for a look at it."""
    console = Console(highlight=False, markup=False)
    screen: Screen = LiveScreen(console)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, soft_wrap=True, width=PLAIN_WIDTH)
        screen = PlainScreen(console)
    state = Path(tempfile.mkdtemp(prefix="copierd-demo-"))
    well = interrupted = False
    try:
        config = load(written(state))
        well = trio.run(play, Performance(config, state, screen, seconds))
    except* KeyboardInterrupt:
        interrupted = True
        console.print("Interrupted: the session is not at its end, so nothing is reckoned up.")
    finally:
        _put_away(console, state, keep, well, interrupted)
    return Exit.OK if well else Exit.FAILED


def _put_away(console: Console, state: Path, keep: bool, well: bool, interrupted: bool) -> None:
    if (well or interrupted) and not keep:
        shutil.rmtree(state, ignore_errors=True)
        return
    if not well and not interrupted:
        console.print(f"Something is wrong. The daemon's journal: {state / 'copierd.log'}")
    console.print(f"The state directory is kept: {state} (configuration, journal, ledger)")
