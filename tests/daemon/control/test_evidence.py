"""What the copies prove of an account's orders, and of our own pace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs

from daemon.control.evidence import Evidence, latency
from daemon.ledger import Ledger
from statecharts import states as s
from statecharts.account import Account
from statecharts.book import Book, Copy, Verb
from statecharts.order import Stage
from statecharts.values import AccountName, CopyId, CopyName, OrderId, Side, Symbol

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DENIED = "UnknownReason: Access is denied"


def copy(
    number: int, stage: Stage, *, order: int | None = None, reason: str | None = None, ms: float | None = None
) -> Copy:
    return Copy(
        id=CopyId(f"c{number}"),
        client_id=f"c{number}",
        copy=CopyName("main"),
        verb=Verb.PLACE,
        symbol=Symbol("ESZ6"),
        side=Side.BUY,
        stage=stage,
        decided_at=NOON,
        order_id=None if order is None else OrderId(order),
        reason=reason,
        sent_at=None if ms is None else NOON + timedelta(milliseconds=ms),
    )


def account(*copies: Copy) -> Account:
    book = Book()
    for one in copies:
        book = book.with_copy(one)
    return Account(name=AccountName("f1"), connection=s.Stopped(since=NOON), book=book)


def said(ledger: Ledger, *copies: Copy) -> str:
    return Evidence(ledger).of_orders(account(*copies))


def test_only_an_accepted_order_proves_that_orders_work(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    assert said(ledger) == "untested"
    assert said(ledger, copy(1, Stage.SHADOWED), copy(2, Stage.SKIPPED), copy(3, Stage.UNKNOWN)) == "untested"
    assert said(ledger, copy(1, Stage.REJECTED, reason="MaxPosition")) == "untested"
    assert said(ledger, copy(1, Stage.FILLED, order=7), copy(2, Stage.SKIPPED)) == "proven"


def test_the_latest_word_counts(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    good, bad = copy(1, Stage.FILLED, order=7), copy(2, Stage.REJECTED, reason=DENIED)
    assert said(ledger, good, bad) == "denied"
    assert said(ledger, bad, good) == "proven"


def test_what_the_book_forgets_is_still_known(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    evidence = Evidence(ledger)
    assert evidence.of_orders(account(copy(1, Stage.FILLED, order=7))) == "proven"
    assert evidence.of_orders(account()) == "proven"


def test_latency_is_measured_where_something_was_sent(tmp_path: Path) -> None:
    assert latency([Book()]) == {"p50": None, "p99": None, "count": 0}
    sent = [copy(n, Stage.FILLED, order=n, ms=n / 2) for n in range(1, 101)]
    books = [account(*sent[:50]).book, account(*sent[50:], copy(999, Stage.SKIPPED)).book]
    assert latency(books) == {"p50": 25.0, "p99": 49.5, "count": 100}
    assert latency([account(attrs.evolve(sent[0], id=CopyId("x"))).book]) == {"p50": 0.5, "p99": 0.5, "count": 1}
