"""copierd replay: what a daemon has recorded, through today's code and configuration once more."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from daemon.exits import Exit
from daemon.ledger import Ledger
from daemon.ledger.duplicate import duplicated
from daemon.replay import run_replay
from statecharts import account as core
from statecharts import events as e
from statecharts.values import AccountName
from tests.scenarios.world import SYMBOL, World, config_of, now, run

Story = Callable[[World], Awaitable[None]]
TEXT = config_of(("f1", "f2"), each={"f2": "ratio = 2"})


def replay(state: Path, text: str = TEXT, as_json: bool = False) -> tuple[int, str, str]:
    """The exit status, what is printed, and what is complained of."""
    file = state / "copier.toml"
    file.write_text(text)
    out, err = io.StringIO(), io.StringIO()
    status = run_replay(state / "ledger.sqlite", file, as_json, out, err)
    return status, out.getvalue(), err.getvalue()


def recorded(story: Story, state: Path, text: str = TEXT) -> None:
    async def whole(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await story(world)

    run(whole, state, text)


async def in_and_out(world: World) -> None:
    world.lead("Buy", 1)
    await trio.sleep(1)
    world.lead("Sell", 1)
    await trio.sleep(1)


async def a_bad_day(world: World) -> None:
    """Everything that leads to decisions: orders, gaps, lost answers, refusals, a pause, a restart."""
    world.lead("Buy", 3)
    await trio.sleep(1)
    order = world.lead("Sell", 2, "Stop", stop="5190")
    await trio.sleep(1)
    world.change(order, stop="5191")
    await trio.sleep(1)
    world.server.accept_and_lose_answer()
    world.lead("Buy", 1)
    await trio.sleep(20)
    world.server.drop_sockets()
    world.lead("Buy", 2)
    await world.copying(within=120)
    await trio.sleep(5)
    world.server.reject_next("F1", "RiskCheckTimeout", times=2)
    world.move("5189")
    await trio.sleep(20)
    world.account("f1").runner.post(e.PauseAsked(at=now()))
    world.lead("Buy", 1)
    await trio.sleep(1)
    world.account("f1").runner.post(e.ResumeAsked(at=now()))
    world.account("f1").runner.post(e.FlattenAsked(at=now()))
    await trio.sleep(5)
    world.broker.flatten("LEAD", SYMBOL)
    world.broker.place("F2", "Buy", SYMBOL, 1)
    await trio.sleep(5)


@pytest.mark.parametrize("mode", ["orders", "fills"])
def test_the_same_code_and_configuration_decide_the_same(mode: str, tmp_path: Path) -> None:
    text = config_of(("f1", "f2"), copy=f'mode = "{mode}"', each={"f2": "ratio = 2"})

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await a_bad_day(world)
        async with world.daemon():
            await world.copying()
            world.lead("Sell", 1)
            await trio.sleep(5)

    run(story, tmp_path, text)
    status, out, err = replay(tmp_path, text)
    assert (status, err) == (Exit.OK, ""), out
    assert out.endswith(" turns of 3 accounts: 0 would be decided otherwise today\n")
    assert int(out.split()[0]) > 100


def test_another_ratio_names_the_turns_that_would_be_decided_otherwise(tmp_path: Path) -> None:
    recorded(in_and_out, tmp_path)
    status, out, _ = replay(tmp_path, config_of(("f1", "f2"), each={"f2": "ratio = 3"}))
    assert status == Exit.FAILED
    turns = [line for line in out.splitlines() if line.startswith("turn ")]
    assert turns and all("  f2  " in line for line in turns)
    assert "LeaderOrderSeen order" in turns[0] and "Buy 1 ESZ6 Market" in turns[0]
    assert "  then: PlaceOrder Buy 2 ESZ6 Market Day\n  " in out
    assert "  now:  PlaceOrder Buy 3 ESZ6 Market Day\n" in out
    # The way out was agreed when the contract was entered, and so is decided as it was.
    assert "PlaceOrder Sell" not in out
    assert out.endswith("what would have followed is not counted\n")


def test_a_change_that_shows_in_the_book_alone_is_a_difference(tmp_path: Path) -> None:
    recorded(in_and_out, tmp_path)
    status, out, _ = replay(tmp_path, config_of(("f1", "f2"), copy='chase_after = "9s"', each={"f2": "ratio = 2"}))
    assert status == Exit.FAILED
    assert "chase_at" in out and "PlaceOrder" not in out


def test_json_has_an_object_for_each_difference_and_one_of_the_sums(tmp_path: Path) -> None:
    recorded(in_and_out, tmp_path)
    status, out, _ = replay(tmp_path, config_of(("f1", "f2"), each={"f2": "ratio = 3"}), as_json=True)
    *different, sums = [json.loads(line) for line in out.splitlines()]
    assert status == Exit.FAILED
    assert (sums["different"], sums["accounts"], sums["left_out"]) == (len(different), ["f1", "f2", "lead"], {})
    assert different[0].keys() == {"turn", "at", "account", "event", "about", "then", "now"}
    assert (different[0]["account"], different[0]["event"]) == ("f2", "LeaderOrderSeen")


def test_a_ledger_is_read_while_a_daemon_writes_it_and_is_left_as_it_is(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await in_and_out(world)
        turns = sum(1 for _ in world.daemon_now.ledger.turns())
        status, out, _ = replay(tmp_path)
        assert (status, int(out.split()[0])) == (Exit.OK, turns)
        await in_and_out(world)
        assert sum(1 for _ in world.daemon_now.ledger.turns()) > turns

    recorded(story, tmp_path)


def test_a_ledger_that_nobody_has_open_gets_no_file_beside_it(tmp_path: Path) -> None:
    recorded(in_and_out, tmp_path)
    before = (tmp_path / "ledger.sqlite").read_bytes()
    assert replay(tmp_path)[0] == Exit.OK
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copier.toml", "ledger.sqlite"]
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def test_what_other_accounts_did_is_left_out_and_said(tmp_path: Path) -> None:
    recorded(in_and_out, tmp_path)
    status, out, _ = replay(tmp_path, config_of(("f1",)))
    assert status == Exit.OK
    assert "left out: " in out and " of f2, which is not in the configuration\n" in out


def test_a_turn_that_failed_then_and_would_not_today(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.account("f1").runner.post(e.RulesChanged(at=now(), rules=None))  # type: ignore[arg-type]  # a bug
        await trio.sleep(5)

    recorded(story, tmp_path)
    status, out, _ = replay(tmp_path)
    assert status == Exit.FAILED
    (turn,) = [line for line in out.splitlines() if line.startswith("turn ")]
    assert "f1  RulesChanged" in turn
    assert "  then: FAILED: AttributeError: 'NoneType' object has no attribute" in out


def test_a_turn_that_fails_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(in_and_out, tmp_path)
    real = core.step

    def step(account: core.Account, event: e.Event) -> core.Turn:
        if isinstance(event, e.LeaderOrderSeen) and account.name == "f1":
            raise KeyError("a bug")
        return real(account, event)

    monkeypatch.setattr(core, "step", step)
    status, out, _ = replay(tmp_path)
    assert status == Exit.FAILED
    assert "  now:  FAILED: KeyError: 'a bug'\n" in out
    assert {line.split("  ")[2] for line in out.splitlines() if line.startswith("turn ")} == {"f1"}


def test_a_turn_that_fails_as_it_did_is_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(account: core.Account, event: e.Event) -> core.Turn:
        if isinstance(event, e.PauseAsked):
            raise KeyError("a bug")
        return real(account, event)

    real = core.step
    monkeypatch.setattr(core, "step", step)

    async def story(world: World) -> None:
        world.account("f1").runner.post(e.PauseAsked(at=now()))
        await trio.sleep(5)

    recorded(story, tmp_path)
    assert replay(tmp_path)[0] == Exit.OK


def test_a_crash_that_no_event_led_to_is_left_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.account("f1").runner.inbox.crash(RuntimeError("a bug"))
        await trio.sleep(5)

    recorded(story, tmp_path)
    status, out, _ = replay(tmp_path)
    assert status == Exit.OK
    assert "left out: 1 of a crash, which no event led to\n" in out


def test_other_words_are_no_difference_and_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        world.account("f1").runner.post(e.PauseAsked(at=now()))
        await trio.sleep(1)
        await in_and_out(world)

    recorded(story, tmp_path)
    words = property(lambda account: "it rests" if account.paused else account.close_only)
    monkeypatch.setattr(core.Account, "no_openings", words)
    status, out, _ = replay(tmp_path)
    assert status == Exit.OK, out
    assert "more would only be told in other words" in out


def test_an_older_ledger_is_brought_up_to_date_in_the_copy_alone(tmp_path: Path) -> None:
    recorded(in_and_out, tmp_path)
    file = tmp_path / "ledger.sqlite"
    with sqlite3.connect(file) as db:
        for column in ("refresh_token", "refresh_expires_at"):
            db.execute(f"ALTER TABLE logins DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    assert replay(tmp_path)[0] == Exit.OK
    with duplicated(file) as copy:
        assert copy.refresh_token("apex") is None
    with sqlite3.connect(file) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


def _newer(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()


def _of_another_program(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()


def _first_gone(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("DELETE FROM accounts WHERE name = 'f1'")
    db.close()


def _not_understood(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("""UPDATE turns SET changes = '{"book": {"spirit": 1}}' WHERE id = 5""")
    db.close()


def _out_of_reach(file: Path) -> None:
    """As what lies in another user's directory is; whoever runs this may be root, whom nothing is forbidden."""
    file.unlink()
    file.symlink_to(file)


def _event_not_understood(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("""UPDATE turns SET event = '{"kind": "Sneezed"}' WHERE id = 5""")
    db.close()


UNREADABLE: dict[str, Callable[[Path], Any]] = {
    "there is no such file": Path.unlink,
    "it cannot be read: Too many levels of symbolic links": _out_of_reach,
    "file is not a database": lambda file: file.write_text("something else, and longer than a header" * 100),
    "written by a newer copierd": _newer,
    "a database of another program": _of_another_program,
    "whose first state is missing": _first_gone,
    "'spirit' is no field of Book": _not_understood,
    "'Sneezed' is no Event": _event_not_understood,
}


@pytest.mark.parametrize("words", UNREADABLE)
def test_a_ledger_that_cannot_be_read(words: str, tmp_path: Path) -> None:
    recorded(in_and_out, tmp_path)
    for beside in tmp_path.glob("ledger.sqlite-*"):
        beside.unlink()
    UNREADABLE[words](tmp_path / "ledger.sqlite")
    status, _, err = replay(tmp_path)
    assert status == Exit.NO_INPUT
    assert words in err and "ledger.sqlite" in err
    assert err.startswith("copierd: ") and len(err.splitlines()) == 1


def test_a_directory_is_no_ledger(tmp_path: Path) -> None:
    recorded(in_and_out, tmp_path)
    shutil.move(tmp_path / "ledger.sqlite", tmp_path / "kept")
    (tmp_path / "ledger.sqlite").mkdir()
    assert replay(tmp_path)[0] == Exit.NO_INPUT


def test_a_configuration_with_errors(tmp_path: Path) -> None:
    recorded(in_and_out, tmp_path)
    status, out, err = replay(tmp_path, TEXT + "\nratio = 'much'")
    assert (status, out) == (Exit.CONFIG, "")
    assert "copier.toml" in err


def test_a_reload_is_replayed_under_the_rules_of_today(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        account = world.account("f1").account
        world.account("f1").runner.post(e.RulesChanged(at=now(), rules=attrs.evolve(account.rules)))
        await trio.sleep(1)
        await in_and_out(world)

    recorded(story, tmp_path)
    assert replay(tmp_path)[0] == Exit.OK
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    assert any(isinstance(turn.event, e.RulesChanged) for turn in ledger.turns(AccountName("f1")))
    ledger.close()
