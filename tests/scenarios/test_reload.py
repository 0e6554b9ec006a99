"""The configuration is edited while copierd runs: nothing is traded because a file was edited."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from daemon.config import ConfigErrors, loads
from daemon.control import views
from daemon.control.evidence import Evidence
from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, config_of, run

REFUSED = {
    "mode": config_of(copy='mode = "fills"'),
    "shadow": config_of(follower="shadow = true"),
    "the account of lead": config_of().replace('"LEAD"', '"LEAD2"'),
    "the account of f1": config_of().replace('"F1"', '"F9"'),
    "follows nobody": config_of(("f2",), extra='[accounts.f1]\nlogin = "apex"\nname = "F1"'),
}


def _line(text: str, words: str) -> int:
    """Where this stands, or 1 where it does not."""
    return next((n for n, line in enumerate(text.splitlines(), 1) if line == words), 1)


# On which line the operator is sent.
LINES = {
    "mode": lambda text: _line(text, 'mode = "fills"'),
    "shadow": lambda text: _line(text, "shadow = true"),
    "the account of lead": lambda text: _line(text, 'name = "LEAD2"'),
    "the account of f1": lambda text: _line(text, 'name = "F9"'),
    "follows nobody": lambda text: _line(text, "[accounts.f1]"),
}
# What the next buy of 2 makes of the follower.
PENDING = {
    "ratio = 2": {SYMBOL: 4},
    "ratio = 0.25": {},
    "ratio = 0.25\nmin_one = true": {SYMBOL: 1},
    "max_position = 1": {SYMBOL: 1},
    "max_order = 1": {SYMBOL: 1},
    'map = { ES = { to = "MES", factor = 10 } }': {"MESZ6": 20},
}


def pending(world: World) -> bool:
    told = views.account(world.daemon_now, "f1", Evidence(world.daemon_now.ledger))["pending_config"]
    assert isinstance(told, bool)
    return told


@pytest.mark.rule("reload.pending", "reload.nothing-traded")
@pytest.mark.parametrize("how", ["reload", "restart"])
@pytest.mark.parametrize("edit", PENDING)
def test_what_decides_a_size_takes_effect_when_the_leader_is_flat_in_the_contract(
    edit: str, how: str, tmp_path: Path
) -> None:
    async def before(world: World) -> None:
        world.lead("Buy", 2)
        await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
        assert not pending(world)

    async def after(world: World) -> None:
        assert pending(world)
        await trio.sleep(60)
        assert world.positions("f1") == {SYMBOL: 2} and len(world.ours("f1")) == 1
        world.lead("Buy", 1)
        await world.until(lambda: world.positions("f1") == {SYMBOL: 3})
        world.lead("Sell", 1)
        await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
        truth.all_is_well(world)
        world.lead("Sell", 2)
        await world.until(lambda: world.positions("f1") == {})
        await world.until(lambda: not pending(world))
        world.lead("Buy", 2)
        await trio.sleep(5)
        assert world.positions("f1") == PENDING[edit]
        world.lead("Sell", 2)
        await trio.sleep(30)
        assert world.positions("f1") == {}
        assert world.login().sockets == 1

    async def story(world: World) -> None:
        file = tmp_path / "copier.toml"
        file.write_text(config_of(follower=edit))
        async with world.daemon() as daemon:
            daemon.config_path = file
            await world.copying()
            await before(world)
            if how == "reload":
                daemon.reload()
                await trio.sleep(1)
                await after(world)
        if how == "restart":
            world.config = loads(file.read_text())
            async with world.daemon():
                await world.copying()
                await after(world)

    run(story, tmp_path)


@pytest.mark.rule("reload.removed-owning")
@pytest.mark.parametrize("what", REFUSED)
def test_who_follows_whom_is_not_changed_under_a_position(what: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        file = tmp_path / "copier.toml"
        file.write_text(REFUSED[what])
        async with world.daemon() as daemon:
            daemon.config_path = file
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
            with pytest.raises(ConfigErrors) as refused:
                daemon.reload()
            (error,) = refused.value.errors
            assert what in error.message
            assert error.line == LINES[what](file.read_text())
            assert f"owns +2 {SYMBOL}" in error.message
            await trio.sleep(30)
            assert world.positions("f1") == {SYMBOL: 2}
            world.lead("Sell", 2)
            await world.until(lambda: world.positions("f1") == {})

    run(story, tmp_path)


def test_a_flat_follower_takes_its_new_ratio_and_keeps_its_connection(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        file = tmp_path / "copier.toml"
        file.write_text(config_of(follower="ratio = 2"))
        async with world.daemon() as daemon:
            daemon.config_path = file
            await world.copying()
            daemon.reload()
            await trio.sleep(1)
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
            assert world.login().sockets == 1

    run(story, tmp_path)


def test_a_start_with_an_edited_file_is_refused_while_the_follower_owns_something(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
        old, world.config = world.config, loads(config_of().replace('"LEAD"', '"LEAD2"'))
        with pytest.raises(ExceptionGroup) as refused:
            async with world.daemon():
                await trio.sleep(30)
        told = str(refused.value.exceptions[0].exceptions[0])
        assert "f1 owns +2 ESZ6 by other rules" in told
        assert "LEAD of login apex" in told and "LEAD2 of login apex" in told
        world.config = old
        async with world.daemon() as daemon:
            assert daemon.last_stop == "clean", "a start that was refused was no run"
            await world.copying()
            world.lead("Sell", 2)
            await world.until(lambda: world.positions("f1") == {})

    run(story, tmp_path)


def test_after_a_reload_the_status_shows_what_is_in_force(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        file = tmp_path / "copier.toml"
        text = config_of(copy="settle = '20s'").replace('name = "main"', 'name = "renamed"')
        async with world.daemon() as daemon:
            daemon.config_path = file
            await world.copying()
            file.write_text(text)
            daemon.reload()
            shown = views.status(daemon, Evidence(daemon.ledger))
            assert shown["copies"] == [{"copy": "renamed", "leader": "lead", "followers": ["f1"], "mode": "orders"}]
            world.lead("Buy", 1)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 1})
            assert world.rows("f1")[-1]["copy"] == "renamed"
            file.write_text(
                text.replace('environment = "test"', 'environment = "demo"').replace("cid = 8123", "cid = 1")
            )
            with pytest.raises(ConfigErrors):  # it owns something, and would be another account
                daemon.reload()
            world.lead("Sell", 1)
            await world.until(lambda: world.positions("f1") == {})
            await trio.sleep(1)
            daemon.reload()
            assert "restart copierd for logins.apex.environment" in world.said("daemon.reloaded")
            assert daemon.config.logins["apex"].environment == "test" and daemon.config.logins["apex"].cid == 1

    run(story, tmp_path)


@pytest.mark.rule("reload.unconfigured")
def test_an_account_that_was_taken_out_of_the_file_is_told_at_the_start_with_what_it_owned(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 2})
            world.lead("Sell", 2, "Stop", stop="4900")
            await trio.sleep(1)
        world.config = loads(config_of(("f2",)))
        for severity in ("page", "info"):
            async with world.daemon() as daemon:
                await world.copying()
                (told,) = [one for one in daemon.board.since(0) if one.event == "position.drifted"]
                assert (told.account, told.severity) == ("f1", severity)
                assert told.detail.startswith("f1 is in copier.toml no more, and owned +2 ESZ6, 1 orders under way")
                assert told.remedy is not None and "put f1 back into copier.toml, then: copierctl reload" in told.remedy
        world.config = loads(config_of(("f1", "f2")))
        async with world.daemon() as daemon:
            await world.copying()
            assert not [one for one in daemon.board.since(0) if one.event == "position.drifted"]
            assert world.positions("f1") == {SYMBOL: 2}

    run(story, tmp_path, config_of(("f1", "f2")))
