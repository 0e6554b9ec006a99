"""Accounts and followers come, go and move by a reload, while everything else keeps its connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from daemon.config import ConfigErrors, loads
from daemon.control import views
from daemon.control.evidence import Evidence
from daemon.simulator import LoginSpec
from daemon.supervisor import Supervisor
from statecharts import states as s
from tests.scenarios import truth
from tests.scenarios.world import PASSWORD, SYMBOL, World, config_of, run

# What the broker has, whatever the file names.
BROKER = {
    "apex": LoginSpec(username="jane", password=PASSWORD, accounts=("LEAD", "LEAD2", "F1", "F2", "F3", "F9")),
    "fund": LoginSpec(username="joe", password=PASSWORD, accounts=("FUND1", "FUND2")),
}
Edit = Callable[[str], list[str]]
Story = Callable[[World, Supervisor, Edit], Awaitable[None]]


def told(story: Story, state: Path, text: str) -> None:
    async def whole(world: World) -> None:
        file = state / "copier.toml"
        async with world.daemon() as daemon:
            daemon.config_path = file

            def edit(edited: str) -> list[str]:
                file.write_text(edited)
                changed = daemon.reload()
                world.config = daemon.config
                return changed

            await world.copying()
            await story(world, daemon, edit)
            assert not world.said("daemon.bug") and daemon.crashes == 0

    run(whole, state, text, logins=BROKER)


def shown(daemon: Supervisor) -> list[str]:
    accounts = views.status(daemon, Evidence(daemon.ledger))["accounts"]
    assert isinstance(accounts, list)
    return [one["account"] for one in accounts]


async def trade(world: World, holders: dict[str, int]) -> None:
    """The leader buys two, and sells them again; these followers are in it meanwhile."""
    world.lead("Buy", 2)
    await trio.sleep(2)
    assert {name: world.positions(name).get(SYMBOL, 0) for name in holders} == holders
    world.broker.flatten("LEAD", SYMBOL)
    await trio.sleep(3)
    assert all(world.positions(name) == {} for name in holders)


def test_a_follower_comes_on_a_live_login_and_joins_the_next_trade(tmp_path: Path) -> None:
    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        since = world.account("f1").account.connection
        world.lead("Buy", 2)
        await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
        assert edit(config_of(("f1", "f2"))) == ["f2 is new"]
        await world.copying()
        await trio.sleep(1)
        assert shown(daemon) == ["lead", "f1", "f2"]
        assert world.account("f1").account.connection is since
        assert world.login().sockets == world.server.sockets_opened == world.server.syncs["apex"] == 1
        more = world.lead("Buy", 1)
        await trio.sleep(2)
        assert world.row(more)["outcome"] == "filled" and world.row(more, "f2")["outcome"] == "skipped"
        assert "before copying began" in str(world.row(more, "f2")["reason"])
        world.broker.flatten("LEAD", SYMBOL)
        await trio.sleep(3)
        assert world.positions("f1") == {}
        await trade(world, {"f1": 2, "f2": 2})
        truth.in_step(world)

    told(story, tmp_path, config_of())


def test_a_follower_that_owns_nothing_goes_and_the_others_stay(tmp_path: Path) -> None:
    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        await trade(world, {"f1": 2, "f2": 2})
        since = world.account("f1").account.connection
        assert edit(config_of(("f1",))) == ["f2 has gone"]
        await trio.sleep(2)
        assert shown(daemon) == ["lead", "f1"] and world.said("connection.deleted")
        assert world.account("f1").account.connection is since and world.login().sockets == 1
        copied = len(daemon.ledger.copies(follower="f2", limit=1000))
        await trade(world, {"f1": 2})
        assert len(daemon.ledger.copies(follower="f2", limit=1000)) == copied
        assert edit(config_of(("f1", "f2"))) == ["f2 is new"]
        await world.copying()
        await trio.sleep(1)
        await trade(world, {"f1": 2, "f2": 2})

    told(story, tmp_path, config_of(("f1", "f2")))


@pytest.mark.rule("reload.removed-owning")
@pytest.mark.parametrize("owns", ["a position", "a working order", "an unknown"])
def test_a_follower_that_owns_something_cannot_go(owns: str, tmp_path: Path) -> None:
    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        match owns:
            case "a position":
                world.lead("Buy", 1)
            case "a working order":
                world.lead("Buy", 1, "Limit", price="5100")
            case _:
                world.server.lose_request(endpoint="order/placeorder")
                lost = world.lead("Buy", 1, "Limit", price="5100")
                await trio.sleep(1.5)
                await world.until(lambda: world.row(lost)["outcome"] == "unknown", within=15)
        await trio.sleep(1.5)
        with pytest.raises(ConfigErrors) as refused:
            edit(config_of(("f2",), extra='[accounts.f1]\nlogin = "apex"\nname = "F1"'))
        (error,) = refused.value.errors
        assert "f1 follows nobody any more, and owns" in error.message and "copierctl flatten f1" in error.remedy
        assert shown(daemon) == ["lead", "f1"]

    told(story, tmp_path, config_of())


def test_a_follower_moves_to_another_account_of_the_broker(tmp_path: Path) -> None:
    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        await trade(world, {"f1": 2})
        assert edit(config_of().replace('"F1"', '"F9"')) == ["f1 has moved"]
        await world.copying()
        await trio.sleep(1)
        assert world.login().sockets <= 2
        await trade(world, {"f1": 2})
        assert {one.account for one in world.broker.accepted if one.account in ("F1", "F9")} == {"F1", "F9"}
        assert world.broker.positions("F1").get(SYMBOL, 0) == 0

    told(story, tmp_path, config_of())


def test_a_leader_moves_and_his_followers_wait_for_the_new_one(tmp_path: Path) -> None:
    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        await trade(world, {"f1": 2})
        world.broker.place("LEAD2", "Buy", SYMBOL, 1, "Market")
        assert sorted(edit(config_of().replace('"LEAD"', '"LEAD2"'))) == ["f1 has other rules", "lead has moved"]
        await world.copying()
        await trio.sleep(2)
        world.broker.place("LEAD", "Buy", SYMBOL, 5, "Market")  # nobody's leader any more
        world.broker.place("LEAD2", "Buy", SYMBOL, 1, "Market")
        await trio.sleep(2)
        assert world.positions("f1") == {}
        world.broker.flatten("LEAD2", SYMBOL)
        await trio.sleep(2)
        world.broker.place("LEAD2", "Buy", SYMBOL, 2, "Market")
        await world.until(lambda: world.positions("f1") == {SYMBOL: 2})
        world.broker.flatten("LEAD2", SYMBOL)
        await world.until(lambda: world.positions("f1") == {})

    told(story, tmp_path, config_of())


TWO_LEADERS = config_of(("f1", "f2"), extra='[accounts.lead2]\nlogin = "apex"\nname = "LEAD2"')


def test_a_follower_follows_another_leader_and_then_nobody_and_then_again(tmp_path: Path) -> None:
    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        await trade(world, {"f1": 2, "f2": 2})
        since = world.account("f2").account.connection
        other = '[[copy]]\nname = "other"\nleader = "lead2"\n[[copy.followers]]\naccount = "f2"\nratio = 2'
        both = TWO_LEADERS.replace('[[copy.followers]]\naccount = "f2"', "")
        assert sorted(edit(f"{both}\n{other}")) == ["f2 has other rules", "lead2 has other rules"]
        await trio.sleep(2)
        await trade(world, {"f1": 2, "f2": 0})
        world.broker.place("LEAD2", "Buy", SYMBOL, 1, "Market")
        await world.until(lambda: world.positions("f2") == {SYMBOL: 2})
        with pytest.raises(ConfigErrors):
            edit(both)
        world.broker.flatten("LEAD2", SYMBOL)
        await world.until(lambda: world.positions("f2") == {})
        await trio.sleep(1)
        edit(both)
        await trio.sleep(1)
        world.broker.place("LEAD2", "Buy", SYMBOL, 1, "Market")
        await trade(world, {"f1": 2, "f2": 0})
        edit(TWO_LEADERS)
        await trio.sleep(1)
        await trade(world, {"f1": 2, "f2": 2})
        assert world.account("f2").account.connection is since and world.login().sockets == 1

    told(story, tmp_path, TWO_LEADERS)


def test_a_login_comes_with_its_account_and_goes_with_it(tmp_path: Path) -> None:
    elsewhere = config_of(("f1", "fund1"), elsewhere=("fund1",))

    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        assert edit(elsewhere) == ["fund1 is new"]
        await world.copying()
        await trio.sleep(1)
        assert len(world.server.live_sockets("fund")) == 1 and set(daemon.logins) == {"apex", "fund"}
        await trade(world, {"f1": 2, "fund1": 2})
        assert edit(config_of()) == ["fund1 has gone"]
        await trio.sleep(2)
        assert world.server.live_sockets("fund") == [] and set(daemon.logins) == {"apex"}
        assert world.login().sockets == 1
        await trade(world, {"f1": 2})
        edit(elsewhere)
        await world.copying()
        await trio.sleep(1)
        await trade(world, {"f1": 2, "fund1": 2})

    told(story, tmp_path, config_of())


def test_an_account_that_its_login_does_not_see_stops_alone(tmp_path: Path) -> None:
    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        edit(config_of(("f1", "nobody")))
        await trio.sleep(2)
        assert world.leaf("nobody") is s.Stopped
        assert "does not see an account named NOBODY" in str(world.account("nobody").account.connection.reason)
        await trade(world, {"f1": 2})
        assert edit(config_of()) == ["nobody has gone"]
        await trade(world, {"f1": 2})

    told(story, tmp_path, config_of())


def test_a_shadow_becomes_real_and_joins_the_next_trade(tmp_path: Path) -> None:
    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        world.lead("Buy", 2)
        await trio.sleep(2)
        edit(config_of())
        await trio.sleep(1)
        world.lead("Buy", 1)
        await trio.sleep(2)
        assert world.ours("f1") == []
        world.broker.flatten("LEAD", SYMBOL)
        await trio.sleep(2)
        await trade(world, {"f1": 2})
        edit(config_of(follower="shadow = true"))
        await trio.sleep(1)
        await trade(world, {"f1": 0})

    told(story, tmp_path, config_of(follower="shadow = true"))


@pytest.mark.parametrize("where", ["down", "up"])
def test_who_comes_while_the_broker_is_away_is_connected_with_the_others(where: str, tmp_path: Path) -> None:
    async def story(world: World, daemon: Supervisor, edit: Edit) -> None:
        if where == "down":
            world.server.go_down()
            await trio.sleep(3)
        edit(config_of(("f1", "f2", "f3")))
        edit(config_of(("f1", "f3")))
        edit(config_of(("f1", "f2", "f3")))
        await trio.sleep(5)
        if where == "down":
            world.server.come_up()
        await world.copying(within=120)
        await trio.sleep(2)
        assert len(world.server.live_sockets()) == 1
        await trade(world, {"f1": 2, "f2": 2, "f3": 2})
        truth.in_step(world)

    told(story, tmp_path, config_of())


def test_a_file_that_was_edited_while_no_daemon_ran_begins_anew_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trade(world, {"f1": 2})
            world.broker.place("LEAD2", "Buy", SYMBOL, 3, "Market")
        world.config = loads(config_of().replace('"LEAD"', '"LEAD2"').replace('"F1"', '"F9"'))
        async with world.daemon():
            await world.copying()
            await trio.sleep(2)
            book = world.account("f1").account.book
            assert book.theirs is not None and book.mine is not None and world.positions("f1") == {}
            assert not [one for one in book.copies.values() if one.filled]
            world.broker.flatten("LEAD2", SYMBOL)
            await trio.sleep(1)
            world.broker.place("LEAD2", "Buy", SYMBOL, 2, "Market")
            await world.until(lambda: world.positions("f1") == {SYMBOL: 2})

    run(story, tmp_path, config_of(), logins=BROKER)


def test_who_was_taken_out_with_a_position_comes_back_as_he_was_and_not_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "copier.toml"

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            world.lead("Buy", 2)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 2})
        world.config = loads(config_of(("f2",)))
        async with world.daemon() as daemon:
            daemon.config_path = file
            await world.copying()
            file.write_text(config_of(("f1", "f2"), each={"f1": "shadow = true"}))
            with pytest.raises(ConfigErrors, match=r"f1 owns \+2 ESZ6 by other rules"):
                daemon.reload()
            assert shown(daemon) == ["lead", "f2"]
            file.write_text(config_of(("f1", "f2")))
            daemon.reload()
            world.config = daemon.config
            await world.copying()
            await trio.sleep(1)
            world.lead("Sell", 1)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {SYMBOL: 1})
            world.lead("Sell", 1)
            await world.until(lambda: world.positions("f1") == world.positions("f2") == {})
            await trio.sleep(1)
            truth.in_step(world)

    run(story, tmp_path, config_of(("f1", "f2")), logins=BROKER)
