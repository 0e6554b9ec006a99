"""A broker that is away in its maintenance windows, and what the daemon makes of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import trio

from daemon.bulletins import STATE
from statecharts import states as s
from statecharts.market_hours import CHICAGO
from tests.scenarios.notified import notify
from tests.scenarios.receiver import HOST, Receiver
from tests.scenarios.world import World, config_of, now, run

HOURS = "hours = true"
FOLLOWED = 'allow = ["ES"]'

Story = Callable[[World, Receiver], Awaitable[None]]


def chicago(text: str) -> dt.datetime:
    """A wall-clock time of Chicago, as UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=CHICAGO).astimezone(dt.UTC)


async def sleep_until(moment: dt.datetime) -> None:
    await trio.sleep(max(0.0, (moment - now()).total_seconds()))


def told(story: Story, state: Path, begins: str, text: str | None = None, copy: str = FOLLOWED) -> World:
    """Tells a story that begins then, in an environment with hours and with somebody who is notified.

    Answers the world, for what is left of it.
    """
    receiver, worlds = Receiver(), []

    async def with_receiver(world: World) -> None:
        worlds.append(world)
        world.network.receivers[HOST] = receiver
        await story(world, receiver)

    config = text or config_of(("f1", "f2"), extra=notify(), copy=copy, environment=HOURS)
    run(with_receiver, state, config, begins=chicago(begins))
    return worlds[0]


@attrs.define(eq=False)
class Week:
    """What a daemon does while the broker comes and goes. `back` says how long it took to copy again, in seconds."""

    world: World
    back: list[float] = attrs.field(factory=list)

    async def away(self, start: str, end: str, *, refusing: bool = False, shutdown: bool = False) -> None:
        """The broker is away from then to then; nobody copies at its end but within a minute."""
        await sleep_until(chicago(start))
        self.world.server.go_down(refusing, shutdown)
        await sleep_until(chicago(end))
        assert not any(self.world.leaf(name) is s.Copying for name in self.world.config.accounts)
        self.world.server.come_up()
        began = trio.current_time()
        await self.world.copying(within=60)
        self.back.append(trio.current_time() - began)

    @property
    def leaves(self) -> set[str]:
        """Every leaf that an account has entered."""
        return {message.split(" -> ")[1].split(" on ")[0] for message in self.world.said(STATE)}
