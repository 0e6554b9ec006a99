"""What outlives the books of a simulated broker, and what goes with them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from daemon import last_stop, simulation
from daemon.ledger import Ledger
from statecharts.account import Account
from statecharts.book import Book
from statecharts.states import Copying
from statecharts.values import AccountName, Symbol

NOW = datetime(2026, 11, 30, 14, 0, tzinfo=UTC)


def account(name: str, *, paused: bool) -> Account:
    book = Book(positions={Symbol("ESZ6"): 2})
    return Account(name=AccountName(name), connection=Copying(since=NOW), book=book, paused=paused)


def run(directory: Path, meanwhile: Callable[[Ledger], None]) -> None:
    with contextlib.closing(simulation.begun_anew(directory)) as ledger:
        meanwhile(ledger)


def test_who_was_paused_stays_so_and_holds_nothing(tmp_path: Path) -> None:
    def trade(ledger: Ledger) -> None:
        ledger.save(account("half", paused=True))
        ledger.save(account("same", paused=False))

    def look(ledger: Ledger) -> None:
        half = ledger.load(AccountName("half"))
        assert half is not None and half.paused and half.connection.shown == "Disconnected"
        assert half.book == Book()
        assert ledger.load(AccountName("same")) is None

    run(tmp_path, trade)
    run(tmp_path, look)
    run(tmp_path, look)  # and over a third process


def test_the_end_of_the_last_run_is_known(tmp_path: Path) -> None:
    run(tmp_path, lambda ledger: last_stop.running(ledger, "boot-1", "0.1.0"))

    def look(ledger: Ledger) -> None:
        assert last_stop.found(ledger, "boot-1", "0.1.0") == "crash"

    run(tmp_path, look)


def test_the_numbers_of_events_go_on(tmp_path: Path) -> None:
    """Whoever comes back with the last one that he has seen must not be told that there is nothing newer."""
    run(tmp_path, lambda ledger: ledger.keep_fact("run", "3"))

    def look(ledger: Ledger) -> None:
        assert ledger.fact("run") == "3"

    run(tmp_path, look)


def test_what_else_is_kept_of_a_broker_that_is_gone_goes(tmp_path: Path) -> None:
    run(tmp_path, lambda ledger: ledger.keep_fact("refused sim", "no"))

    def look(ledger: Ledger) -> None:
        assert ledger.fact("refused sim") is None

    run(tmp_path, look)


def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / simulation.FILE).write_bytes(b"no ledger" * 1000)
    run(tmp_path, lambda ledger: ledger.keep_fact("last_stop", "clean"))
