"""The web application on the Unix socket, inside the daemon's own nursery.

Rule: nothing that happens on a connection ends the copying.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from daemon.control import door
from daemon.control.app import application
from daemon.control.connection import Connection

if TYPE_CHECKING:
    from daemon.supervisor import Supervisor


@attrs.define(eq=False, repr=False)
class Server:
    supervisor: Supervisor

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Lives until it is cancelled. Raises SocketUnusable."""
        with door.listening(self.supervisor.config.daemon.control_socket) as listening:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
            app, journal = application(self.supervisor), self.supervisor.journal

            def broken() -> None:
                journal.say("control.broken", "a client of the control socket broke off", severity="debug")

            async def connection(stream: trio.SocketStream) -> None:
                try:
                    await Connection(stream, app, broken).run()
                except Exception as bug:  # noqa: BLE001 - whatever there is: it ends this connection, and not the copying
                    journal.crash("a bug ended a connection to the control socket", bug)

            async with trio.open_nursery() as nursery:
                await nursery.start(trio.serve_listeners, connection, [listener])
                task_status.started()
