"""What was committed is there again, whole or not at all, and reading it back stays short."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from daemon.ledger import LATER_TURNS, Ballast, Ledger, LedgerError, Posted, Taken, codec, schema, writing
from statecharts import events as e
from statecharts.account import fail
from statecharts.values import AccountName, CopyId
from tests.daemon.company import EVAL, LEAD, NOON, Company, announced, limit, stopped, taken, unruled
from tests.daemon.ledger_writer import BUSY, company_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(path)) as ledger:
        yield ledger


def assert_loads(ledger: Ledger, company: Company) -> None:
    for name, account in company.accounts.items():
        assert ledger.load(name) == unruled(account)


def rows(ledger: Ledger, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(ledger.path)) as db:
        return db.execute(statement).fetchall()


def test_an_account_without_a_turn_is_not_there(ledger: Ledger) -> None:
    assert ledger.load(EVAL) is None
    assert ledger.first(EVAL) is None


def test_turns_load_again_in_another_process(ledger: Ledger, path: Path) -> None:
    company = Company.of(EVAL, BUSY)
    ledger.commit(company.connected())
    for number in range(1, 6):
        ledger.commit(company.round(limit(number)))
    with closing(Ledger.open(path)) as other:
        assert_loads(other, company)
        assert other.first(EVAL) == stopped(EVAL)


def test_loading_goes_on_from_the_last_save(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SAVE_EVERY", 4)
    company = Company.of(EVAL, BUSY)
    rounds = 30
    with closing(Ledger.open(path)) as ledger:
        ledger.commit(company.connected())
        for number in range(1, rounds):
            ledger.commit(company.round(limit(number)))
            ledger.commit([company.turn(name, e.AlarmRang(at=company.tick())) for name in company.accounts])
        saved = [turn for (turn,) in rows(ledger, "SELECT turn FROM accounts ORDER BY turn")]
        (last,) = rows(ledger, "SELECT max(id) FROM turns")[0]
    assert len(set(saved)) == len(saved) == 3, "two accounts were written whole in one commit"
    waits = rounds // 2 + 2  # an account takes two turns a time, as many as it has copies, and two others may go first
    assert last - saved[0] <= 2 * 3 * waits, "no account falls behind"
    with closing(Ledger.open(path)) as ledger:
        assert_loads(ledger, company)
        ledger.save(company.accounts[EVAL])
        assert_loads(ledger, company)


def test_no_order_waits_while_an_account_is_written_whole(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SAVE_EVERY", 1)
    company = Company.of(EVAL)
    for turn in company.connected():
        ledger.commit([turn])
    before = rows(ledger, "SELECT turn FROM accounts")
    ledger.commit(company.round(limit(1)))
    assert rows(ledger, "SELECT turn FROM accounts") == before
    ledger.commit([company.turn(EVAL, e.AlarmRang(at=company.tick()))])
    assert rows(ledger, "SELECT turn FROM accounts") != before


def test_what_happened_outside_of_turns_is_recorded_with_the_next_one(ledger: Ledger) -> None:
    company = Company.of(EVAL)
    ledger.commit(company.connected())
    company.accounts[EVAL] = attrs.evolve(company.accounts[EVAL], paused=True)
    ledger.commit(company.round(limit(1)))
    assert_loads(ledger, company)


def test_a_failed_turn_is_recorded_with_what_it_led_to(ledger: Ledger) -> None:
    company = Company.of(EVAL)
    ledger.commit(company.connected())
    event = e.AlarmRang(at=company.tick())
    turn = fail(company.accounts[EVAL], event.at, "IndexError")
    what = "Traceback ... IndexError: \ud83d"  # half a surrogate pair, as a broker's text may hold
    ledger.commit([Taken(company.accounts[EVAL], turn.account, event, turn.effects, failed=what)])
    assert ledger.load(EVAL) == unruled(turn.account)
    last = list(ledger.turns(EVAL))[-1]
    assert last.failed == "Traceback ... IndexError: ?"
    assert (last.event, last.effects, last.state) == (event, turn.effects, "Resyncing")


def test_an_announcement_waits_until_it_is_taken(ledger: Ledger) -> None:
    company = Company.of(EVAL, BUSY)
    ledger.commit(company.connected())
    news = []
    for number in (1, 2):
        turns = company.round(limit(number), idle=[EVAL])
        news.append(announced(turns[0]))
        news_ids = ledger.commit(turns, [Posted(LEAD, BUSY, news[-1])])
        assert len(news_ids) == 1
    first, second = ledger.undelivered(BUSY)
    assert [first[1], second[1]] == news
    assert first[0] < second[0] == news_ids[0]
    assert ledger.undelivered(EVAL) == []
    ledger.commit([company.turn(BUSY, first[1], consumed=first[0])])
    assert ledger.undelivered(BUSY) == [second]
    assert_loads(ledger, company)


def test_an_announcement_is_taken_once_and_a_refused_commit_leaves_nothing(ledger: Ledger) -> None:
    company = Company.of(EVAL, BUSY)
    ledger.commit(company.connected())
    turns = company.round(limit(1), idle=[EVAL])
    (one,) = ledger.commit(turns, [Posted(LEAD, BUSY, announced(turns[0]))])
    before = company.accounts[BUSY]
    ledger.commit([company.turn(BUSY, announced(turns[0]), consumed=one)])
    count = rows(ledger, "SELECT count(*) FROM turns")
    again = [*company.round(limit(2), idle=[]), taken(before, announced(turns[0]), consumed=one)]
    with pytest.raises(LedgerError, match=f"announcement {one} does not wait for eval2"):
        ledger.commit(again, [Posted(LEAD, EVAL, announced(again[0]))])
    assert rows(ledger, "SELECT count(*) FROM turns") == count
    assert ledger.undelivered(EVAL) == []
    ledger.commit(again[:1])
    assert_loads(ledger, company)


def test_why_names_the_leaders_turn_too(ledger: Ledger) -> None:
    company = Company.of(EVAL, BUSY)
    ledger.commit(company.connected())
    turns = company.round(limit(1), idle=[EVAL])
    (one,) = ledger.commit(turns, [Posted(LEAD, BUSY, announced(turns[0]))])
    ledger.commit([company.turn(BUSY, announced(turns[0]), consumed=one)])
    for follower in (EVAL, BUSY):
        (row,) = ledger.copies(follower=follower)
        chain = ledger.why(CopyId(str(row["id"])))
        assert [(turn.account, type(turn.event).__name__) for turn in chain] == [
            (LEAD, "OrderSeen"),
            (follower, "LeaderOrderSeen"),
        ]


def test_turns_are_read_in_order_and_rebuild_the_account(ledger: Ledger) -> None:
    company = Company.of(EVAL)
    ledger.commit(company.connected())
    for number in range(1, 8):
        ledger.commit(company.round(limit(number)))
    everything = list(ledger.turns())
    assert [turn.id for turn in everything] == list(range(1, len(everything) + 1))
    assert [turn.id for turn in ledger.turns(after=3, limit=2)] == [4, 5]
    account = ledger.first(EVAL)
    assert account is not None
    for turn in ledger.turns(EVAL):
        account = codec.applied(account, turn.changes)
    assert account == unruled(company.accounts[EVAL])


def test_tokens_devices_and_facts(ledger: Ledger, path: Path) -> None:
    assert (ledger.token("apex"), ledger.device("apex"), ledger.fact("last_stop")) == (None, None, None)
    ledger.keep_device("apex", "3b0d")
    assert ledger.token("apex") is None
    ledger.keep_token("apex", "first", NOON, None)
    ledger.keep_token("apex", "second", NOON + timedelta(minutes=80), 40125)
    ledger.keep_fact("last_stop", "crash")
    ledger.keep_fact("last_stop", "clean")
    with closing(Ledger.open(path)) as other:
        assert other.token("apex") == ("second", NOON + timedelta(minutes=80), 40125)
        assert (other.device("apex"), other.fact("last_stop")) == ("3b0d", "clean")
        other.forget_token("apex")
    assert (ledger.token("apex"), ledger.device("apex")) == (None, "3b0d")
    assert ledger.user("apex") == 40125
    assert "second" not in repr(ledger)


def test_a_refresh_token_comes_and_goes_with_its_access_token(ledger: Ledger, path: Path) -> None:
    assert (ledger.refresh_token("fund"), ledger.user("fund")) == (None, None)
    ledger.keep_token("fund", "a1", NOON, 7, "r1", NOON + timedelta(hours=26))
    with closing(Ledger.open(path)) as other:
        assert other.refresh_token("fund") == ("r1", NOON + timedelta(hours=26))
    ledger.forget_token("fund")
    assert ledger.refresh_token("fund") == ("r1", NOON + timedelta(hours=26))
    ledger.keep_token("fund", "a2", NOON, 7, "r2")
    assert ledger.refresh_token("fund") == ("r2", None)
    ledger.keep_token("fund", "a3", NOON, 7)
    assert ledger.refresh_token("fund") is None


def test_a_ledger_of_the_first_schema_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(schema, "STEPS", schema.STEPS[:1])
        older.setattr(schema, "VERSION", 1)
        with closing(Ledger.open(path)) as ledger:
            ledger.keep_device("apex", "3b0d")
            ledger._db.execute("UPDATE logins SET token = 't', token_expires_at = '2026-11-20T12:00:00.000000Z'")
    with closing(Ledger.open(path)) as ledger:
        assert (ledger.device("apex"), ledger.refresh_token("apex")) == ("3b0d", None)
        assert ledger.token("apex") is not None


def test_it_can_live_in_memory() -> None:
    company = Company.of(EVAL)
    with closing(Ledger.open(Path(":memory:"))) as ledger:
        ledger.commit(company.connected())
        ledger.checkpoint()
        assert_loads(ledger, company)


def test_only_the_owner_may_read_the_file(ledger: Ledger, path: Path) -> None:
    ledger.keep_token("apex", "secret", NOON, None)
    files = list(path.parent.iterdir())
    assert {file.name for file in files} == {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_checkpoint_moves_the_log_into_the_file(ledger: Ledger, path: Path, tmp_path: Path) -> None:
    company = Company.of(EVAL)
    ledger.commit(company.connected())
    ledger.checkpoint()
    alone = tmp_path / "alone.db"
    alone.write_bytes(path.read_bytes())
    with closing(Ledger.open(alone)) as other:
        assert_loads(other, company)


def writer(path: Path, *arguments: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.daemon.ledger_writer", str(path), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_a_process_killed_at_any_moment_leaves_whole_rounds(path: Path) -> None:
    dice = random.Random(7)
    for _ in range(5):
        with writer(path) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(dice.randrange(1, 40))]
            time.sleep(dice.uniform(0, 0.003))  # some rounds' worth: the kill must not always meet the same line
            process.kill()
            said += process.stdout.read().split()
        assert_whole(path, int(said[-1]))


def test_a_process_killed_between_any_two_statements_of_a_round_leaves_whole_rounds(path: Path) -> None:
    acknowledged = 0
    for statement in range(1, 15):
        with writer(path, statement) as process:
            assert process.stdout is not None
            said = process.stdout.read().split()
        assert process.returncode == -signal.SIGKILL
        acknowledged = int(said[-1]) if said else acknowledged
        assert_whole(path, acknowledged)


def assert_whole(path: Path, acknowledged: int) -> None:
    with closing(Ledger.open(path)) as ledger:
        company = company_of(ledger)
        view = company.accounts[LEAD].book.mine
        assert view is not None
        seen = len(view.orders)
        assert seen >= acknowledged
        assert len(ledger.copies(follower=EVAL, limit=10**6)) == seen
        posted = rows(ledger, "SELECT count(*) FROM outbox")
        assert posted == [(seen,)]
        assert len(ledger.copies(follower=BUSY, limit=10**6)) == seen - len(ledger.undelivered(BUSY))
        assert rows(ledger, "SELECT count(*) FROM turns JOIN outbox ON turns.id = outbox.turn") == posted
        assert rows(ledger, "PRAGMA integrity_check") == [("ok",)]


def test_loading_twenty_accounts_out_of_a_million_turns_reads_only_what_came_after_the_save(path: Path) -> None:
    names = [AccountName(f"eval{n}") for n in range(20)]
    start, event = stopped(EVAL), codec.event_text(e.AlarmRang(at=NOON))
    with closing(Ledger.open(path)) as ledger, closing(sqlite3.connect(path)) as db:
        db.executemany(
            "INSERT INTO turns (at, account, state, event, effects, changes) VALUES ('', ?, '', ?, '[]', '{}')",
            ((names[n % 20], event) for n in range(1_000_000)),
        )
        db.commit()
        for name in names:
            ledger.save(attrs.evolve(start, name=name))
        db.executemany(
            "INSERT INTO turns (at, account, state, event, effects, changes) VALUES ('', ?, '', ?, '[]', ?)",
            ((names[n % 20], event, codec.text({"failures": n})) for n in range(2_000)),
        )
        db.commit()
        plan = " ".join(str(row) for row in db.execute(f"EXPLAIN QUERY PLAN {LATER_TURNS}", (EVAL, 0)))
    assert "SEARCH turns USING INDEX turns_of_account (account=? AND rowid>?)" in plan
    assert "TEMP B-TREE" not in plan
    with closing(Ledger.open(path)) as ledger:
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        ledger._db.set_progress_handler(count, 1)
        for n, name in enumerate(names):
            assert ledger.load(name) == attrs.evolve(start, name=name, failures=1_980 + n)
    assert steps < 20 * 100 * 20, "instructions of SQLite's machine: some ten for each of the 2,000 later turns"


def test_the_ballast_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert Ballast(tmp_path / "ballast", size=4096).put()
    finally:
        os.umask(before)
    assert (tmp_path / "ballast").stat().st_mode & 0o777 == 0o600
