"""The board: ids that are never given twice, words without secrets, boxes that hold nobody up."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import trio

from daemon.bulletins import BOX, IDS_OF_A_RUN, Board, Box, Bulletin
from daemon.journal import Entry, Journal
from daemon.ledger import Ledger

NOON = datetime(2026, 11, 20, 12, 0, 0, 500_000, tzinfo=UTC)
FIELDS = ["id", "at", "event", "severity", "account", "login", "state", "reason", "remedy", "detail"]


def board(entries: list[Entry] | None = None) -> Board:
    return Board(Journal((entries if entries is not None else []).append, "debug"), lambda: NOON)


def test_ids_ascend_and_go_on_after_a_restart(tmp_path: Path) -> None:
    ids = []
    for run in (1, 2, 3):
        ledger = Ledger.open(tmp_path / "ledger.sqlite")
        one = Board.of(Journal(lambda entry: None), lambda: NOON, ledger)
        ids += [one.tell("daemon.started", "started").id for _ in range(3)]
        assert ids[-3:] == [run * IDS_OF_A_RUN + number for number in (1, 2, 3)]
        ledger.close()
    assert ids == sorted(set(ids))
    assert ids[-1] < 2**53  # exact in every reader of JSON


def test_a_bulletin_is_a_line_of_the_journal_with_the_same_id() -> None:
    entries: list[Entry] = []
    told = board(entries).tell(
        "copy.failed", "f1: refused", severity="page", account="f1", login="apex", remedy="close it", copy="c1", odd=7
    )
    (entry,) = entries
    assert (entry.kind, entry.message, entry.severity) == ("copy.failed", "f1: refused. Close it", "page")
    assert entry.fields == {"id": str(told.id), "account": "f1", "login": "apex", "copy": "c1", "odd": "7"}


def test_json_has_all_fields_of_the_contract_and_more_where_there_is_more() -> None:
    told = board().tell("leader.back", "back")
    assert list(told.as_json())[:10] == FIELDS
    assert told.as_json()["at"] == "2026-11-20T12:00:00.500Z"
    assert "accounts" not in told.as_json() and "positions" not in told.as_json()
    ready = board().tell("daemon.ready", "ready", accounts=("f1",), positions={"f1": ({}, {"ESZ6": 1})}).as_json()
    assert ready["accounts"] == ["f1"]
    assert ready["positions"] == {"f1": {"before": {}, "after": {"ESZ6": 1}}}


def test_no_registered_secret_is_in_a_bulletin() -> None:
    one = board()
    one.journal.keep_secret("canary")
    told = one.tell("token.refused", "it was canary", reason="canary", remedy="not canary")
    assert "canary" not in str(told)
    assert told.detail == "it was ***"


def test_a_live_view_takes_up_where_it_was() -> None:
    one = board()
    first, second, third = (one.tell("copy.placed", str(number)) for number in range(3))
    assert one.since(0) == [first, second, third]
    assert one.since(second.id) == [third]


def test_a_box_that_nobody_empties_loses_the_oldest_and_counts() -> None:
    one = board()
    box = one.subscribe()
    for number in range(BOX + 3):
        one.tell("copy.placed", str(number))
    assert box.missed == 3
    taken = box.take()
    assert [taken[0].detail, taken[-1].detail, len(taken)] == ["3", str(BOX + 2), BOX]
    assert box.take() == []


def test_a_subscriber_that_has_left_hears_nothing() -> None:
    one = board()
    box, other = one.subscribe(), one.subscribe()
    one.unsubscribe(box)
    told = one.tell("copy.placed", "1")
    assert box.closed and box.take() == [] and other.take() == [told]


async def _wait_for_news() -> list[Bulletin]:
    one, box = board(), Box()
    with trio.move_on_after(0.01) as nothing:
        await box.news()
    assert nothing.cancelled_caught
    box.put(one.tell("copy.placed", "1"))
    await box.news()
    taken = box.take()
    box.close()
    await box.news()  # at once, for good
    assert box.take() == []
    await box.news()
    return taken


def test_news_wakes_who_waits_for_it() -> None:
    assert [one.detail for one in trio.run(_wait_for_news)] == ["1"]
