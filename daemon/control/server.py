"""The web application on the Unix socket, inside the daemon's own nursery.

Rule 1: nothing that happens on a connection ends the copying.
Rule 2: a socket that has gone from its place is made anew. Without it nobody can flatten, and a second daemon that
        could is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from daemon.control import door
from daemon.control.app import application
from daemon.control.connection import Connection
from daemon.control.unusable import SocketUnusable

if TYPE_CHECKING:
    from daemon.supervisor import Supervisor


LOOK_AGAIN = 5.0  # seconds between two looks whether the socket is in its place


@attrs.define(eq=False, repr=False)
class Server:
    supervisor: Supervisor

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Lives until it is cancelled. Raises SocketUnusable when there is no socket to begin with."""
        path, journal = self.supervisor.config.daemon.control_socket, self.supervisor.journal
        app = application(self.supervisor)

        def broken() -> None:
            journal.say("control.broken", "a client of the control socket broke off", severity="debug")

        async def connection(stream: trio.SocketStream) -> None:
            try:
                await Connection(stream, app, broken).run()
            except Exception as bug:  # noqa: BLE001 - whatever there is: it ends this connection, and not the copying
                journal.crash("a bug ended a connection to the control socket", bug)

        async def serve(clients: trio.Nursery, begun: Callable[[], None]) -> None:
            """Until the socket has gone from its place. Raises SocketUnusable when it cannot be made."""
            with door.listening(path) as ours:
                listener = trio.SocketListener(trio.socket.from_stdlib_socket(ours.socket))
                async with trio.open_nursery() as nursery:
                    await nursery.start(partial(trio.serve_listeners, connection, [listener], handler_nursery=clients))
                    begun()
                    while True:
                        await trio.sleep(LOOK_AGAIN)
                        if not ours.is_there():
                            nursery.cancel_scope.cancel()

        def again() -> None:
            words = f"the control socket had gone from {path}; it is there again"
            journal.say("control.lost", words, severity="warning")

        async with trio.open_nursery() as clients:  # they outlive the place where they came in
            await serve(clients, task_status.started)
            told = ""
            while True:
                try:
                    await serve(clients, again)
                    told = ""
                except SocketUnusable as why:
                    if str(why) != told:
                        told = str(why)
                        words = f"copierctl does not reach this copierd, which goes on copying: {told}"
                        journal.say("control.lost", words, severity="warning")
                    await trio.sleep(LOOK_AGAIN)
