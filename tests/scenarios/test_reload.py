"""The configuration is edited while copierd runs: nothing is traded because a file was edited."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from daemon.config import ConfigErrors, loads
from tests.scenarios.world import SYMBOL, World, config_of, run

EDITS = {
    "ratio": config_of(follower="ratio = 2"),
    "max_position": config_of(follower="max_position = 1"),
    "map": config_of(follower='map = { ES = { to = "MES", factor = 10 } }'),
    "shadow": config_of(follower="shadow = true"),
    "the account of lead": config_of().replace('"LEAD"', '"LEAD2"'),
    "the account of f1": config_of().replace('"F1"', '"F9"'),
    "follows nobody": config_of(("f2",), extra='[accounts.f1]\nlogin = "apex"\nname = "F1"'),
}


@pytest.mark.parametrize("what", EDITS)
def test_what_decides_a_size_is_not_changed_under_a_position(what: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        file = tmp_path / "copier.toml"
        file.write_text(EDITS[what])
        async with world.daemon() as daemon:
            daemon.config_path = file
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
            with pytest.raises(ConfigErrors) as refused:
                daemon.reload()
            (error,) = refused.value.errors
            assert what in f"{error.key} {error.message}"
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
        world.config = loads(config_of(follower="ratio = 1.0"))
        async with world.daemon():
            await world.copying()
        moved = loads(config_of().replace('"LEAD"', '"LEAD2"'))
        old, world.config = world.config, moved
        with pytest.raises(ExceptionGroup):
            async with world.daemon():
                await trio.sleep(30)
        world.config = loads(config_of(follower="ratio = 1.5"))
        with pytest.raises(ExceptionGroup) as refused:
            async with world.daemon():
                await trio.sleep(30)
        told = str(refused.value.exceptions[0].exceptions[0])
        assert "owns +2 ESZ6 by other rules" in told
        assert "ratio 1," in told and "ratio 1.5," in told
        world.config = old
        async with world.daemon():
            await world.copying()
            world.lead("Sell", 2)
            await world.until(lambda: world.positions("f1") == {})
        world.config = loads(config_of(follower="ratio = 1.5"))
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == {SYMBOL: 3})

    run(story, tmp_path)
