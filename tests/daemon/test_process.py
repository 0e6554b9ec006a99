"""The signals of `copierd run`, as the kernel sends them."""

from __future__ import annotations

import os
import signal
from typing import cast

import attrs
import trio
import trio.testing

from daemon.process import signals
from daemon.supervisor import Supervisor


@attrs.define
class Supposed:
    """A supervisor that counts."""

    ready: trio.Event = attrs.field(factory=trio.Event)
    stopping: trio.Event = attrs.field(factory=trio.Event)
    reloads: int = 0

    def reload(self) -> list[str]:
        self.reloads += 1
        return []


async def _hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    await trio.sleep(0.01)  # a signal comes through a socket: no virtual time waits for it
    await trio.testing.wait_all_tasks_blocked()


def test_a_configuration_is_read_again_when_everybody_is_there() -> None:
    """Seen: a reload while the logins began made each account a second time, and both of them ran."""

    async def main() -> None:
        supposed = Supposed()
        async with signals(cast(Supervisor, supposed)):
            await _hang_up()
            assert supposed.reloads == 0
            supposed.ready.set()
            await trio.testing.wait_all_tasks_blocked()
            assert supposed.reloads == 1
            await _hang_up()
            assert supposed.reloads == 2

    trio.run(main)


def test_it_is_not_read_again_by_one_that_stops() -> None:
    async def main() -> None:
        supposed = Supposed()
        async with signals(cast(Supervisor, supposed)):
            await _hang_up()
            os.kill(os.getpid(), signal.SIGTERM)
            await supposed.stopping.wait()
            supposed.ready.set()
            await trio.testing.wait_all_tasks_blocked()
            await _hang_up()
            assert supposed.reloads == 0

    trio.run(main)
