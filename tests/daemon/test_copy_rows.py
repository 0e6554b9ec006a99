"""The copies as the contract shows them: one row each, newest first, never lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from daemon.ledger import Ledger, Taken, codec
from statecharts import events as e
from statecharts.values import AccountName, BrokerAccountId, Status
from statecharts.view import Snapshot
from tests.daemon.company import EVAL, NOON, Company, limit, unruled

SECOND = AccountName("eval2")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(tmp_path / "ledger.db")) as ledger:
        yield ledger


def test_a_copy_is_one_row_in_the_words_of_the_contract(ledger: Ledger) -> None:
    company = Company.of(EVAL)
    ledger.commit(company.connected())
    ledger.commit(company.round(limit(1)))
    (row,) = ledger.copies()
    copy = next(iter(company.accounts[EVAL].book.copies.values()))
    sent = e.RequestAccepted(
        at=company.at + timedelta(milliseconds=9),
        copy=copy.id,
        client_id=copy.client_id,
        sent_at=company.at + timedelta(milliseconds=1.5),
    )
    ledger.commit([company.turn(EVAL, sent)])
    (after,) = ledger.copies()
    decided = codec.instant_text(company.at)
    assert row == {
        "seq": 1, "id": copy.id, "copy": "main", "follower": "eval1", "leader_order_id": 1, "leader_fill_id": None,
        "verb": "place", "cl_ord_id": copy.client_id, "symbol": "ESZ6", "action": "Buy", "quantity": 1,
        "order_type": "Limit", "price": 5000.25, "stop_price": None, "outcome": "intended", "reason": None,
        "order_id": None, "decided_at": decided, "sent_at": None, "answered_at": None, "latency_ms": None,
    }  # fmt: skip
    assert after == row | {
        "outcome": "sent",
        "sent_at": codec.instant_text(sent.sent_at),
        "answered_at": codec.instant_text(sent.at),
        "latency_ms": 1.5,
    }


def test_copies_are_paged_newest_first_and_filtered(ledger: Ledger) -> None:
    company = Company.of(EVAL, SECOND)
    ledger.commit(company.connected())
    for number in range(1, 6):
        ledger.commit(company.round(limit(number)))
    orders = [row["leader_order_id"] for row in ledger.copies(follower=EVAL)]
    assert orders == [5, 4, 3, 2, 1]
    page = ledger.copies(limit=4)
    assert [row["leader_order_id"] for row in page] == [5, 5, 4, 4]
    last = page[-1]["seq"]
    assert isinstance(last, int)
    assert [row["leader_order_id"] for row in ledger.copies(before=last, limit=3)] == [3, 3, 2]
    assert [row["follower"] for row in ledger.copies(leader_order_id=2)] == [SECOND, EVAL]
    assert {row["leader_order_id"] for row in ledger.copies(since=company.at)} == {5}
    assert ledger.copies(outcome="filled") == []
    assert len(ledger.copies(outcome="intended", follower=SECOND)) == 5
    assert ledger.copies(copy_id=str(page[0]["id"])) == page[:1]


def test_a_copy_that_the_book_forgets_stays_in_the_ledger(ledger: Ledger) -> None:
    company = Company.of(EVAL)
    ledger.commit(company.connected())
    ledger.commit(company.round(limit(1, status=Status.FILLED)))
    account = company.accounts[EVAL]
    kept = ledger.copies()
    empty = attrs.evolve(account, book=attrs.evolve(account.book, copies={}, placed={}, names={}, open={}))
    ledger.commit([Taken(account, empty, e.AlarmRang(at=NOON), ())])
    assert ledger.load(EVAL) == unruled(empty)
    assert ledger.copies() == kept != []


def test_followers_whose_brokers_gave_them_the_same_id_have_rows_of_their_own(ledger: Ledger) -> None:
    company = Company.of(EVAL, SECOND)
    ledger.commit(company.connected())
    for name in company.followers:  # one on demo, the other on live
        same = Snapshot(BrokerAccountId(7), company.tick())
        ledger.commit([company.turn(name, e.SnapshotTaken(at=company.at, snapshot=same))])
    ledger.commit(company.round(limit(1)))
    second, first = ledger.copies()
    assert first["id"] == second["id"]
    assert (first["follower"], second["follower"]) == (EVAL, SECOND)


def test_words_that_no_text_can_hold_do_not_cost_a_turn(ledger: Ledger) -> None:
    company = Company.of(EVAL)
    ledger.commit(company.connected())
    ledger.commit(company.round(limit(1)))
    (copy,) = company.accounts[EVAL].book.copies.values()
    refused = e.RequestRefused(
        at=company.tick(), copy=copy.id, client_id=copy.client_id, reason="\ud83d", sent_at=company.at
    )
    ledger.commit([company.turn(EVAL, refused)])
    (row,) = ledger.copies()
    assert (row["outcome"], row["reason"]) == ("rejected", "?")
    assert ledger.load(EVAL) == unruled(company.accounts[EVAL])
