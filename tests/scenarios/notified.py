"""A world with a webhook receiver in it, which must find every signature right and no secret in what it gets."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from tests.scenarios.receiver import HOST, URL, Receiver
from tests.scenarios.world import EPOCH, PASSWORD, World, config_of, run

SECRET = "canary-notify-9d2e"

Story = Callable[[World, Receiver], Awaitable[None]]


def notify(**keys: str) -> str:
    lines = [f"{key} = {value if value[0] == '[' else repr(value)}" for key, value in keys.items()]
    return "\n".join(["[[notify]]", f'url = "{URL}"', *lines])


def told(
    story: Story, state: Path, extra: str = "", followers: tuple[str, ...] = ("f1",), receiver: Receiver | None = None
) -> None:
    """Tells a story in which every request to the receiver carries a right signature and no secret."""
    receiver = receiver or Receiver()

    async def with_receiver(world: World) -> None:
        world.network.receivers[HOST] = receiver
        await story(world, receiver)
        secrets = [SECRET, PASSWORD, *world.server.tokens._tokens]
        for entry in world.journal:
            assert "canary" not in entry.message + "".join(entry.fields.values()), entry
        for one in receiver.tries:
            assert signed(one.headers["copierd-signature"], one.body, one.at)
            assert b"canary" not in one.body
            assert not any(str(secret).encode() in one.body for secret in secrets)

    run(with_receiver, state, config_of(followers, extra=extra or notify()))


def signed(header: str, body: bytes, at: float) -> bool:
    moment, digest = (part.partition("=")[2] for part in header.split(","))
    assert abs(float(moment) - (EPOCH.timestamp() + at)) <= 1
    return digest == hmac.new(SECRET.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


async def settled(world: World) -> None:
    """Everybody copies, and the news of the start are over."""
    await world.copying()
    await trio.sleep(100)


async def outage(world: World, seconds: float) -> float:
    """Nobody can be reached for so long. Answers when it began."""
    began = trio.current_time()
    world.server.go_down(refusing=True)
    world.network.refusing = True
    await trio.sleep(seconds)
    world.server.come_up()
    world.network.refusing = False
    return began
