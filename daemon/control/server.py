"""The web application on the Unix socket, inside the daemon's own nursery.

Rule 1: Hypercorn speaks HTTP on each connection; listening, lifetimes and logging are ours. Its own `serve` leaves an
        answer that nobody reads in a shielded send, which would hold up a stop for as long as that client sleeps, and
        passes on what a garbled request makes its parsers raise, which would end the daemon.
Rule 2: nothing that happens on a connection ends the copying.
"""

from __future__ import annotations

import binascii
import contextlib
import socket
from typing import TYPE_CHECKING

import attrs
import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from daemon.control import door
from daemon.control.app import application
from daemon.control.patience import REQUEST_LIMIT, Patience
from daemon.control.protocol import Connection

if TYPE_CHECKING:
    from daemon.supervisor import Supervisor


def _settings() -> Config:
    settings = Config()
    settings.accesslog = None
    settings.errorlog = None  # the application tells its bugs to the journal itself
    settings.include_server_header = False
    settings.keep_alive_timeout = REQUEST_LIMIT
    settings.read_timeout = None  # patience.py knows whether a client has anything to say
    return settings


@attrs.define(eq=False)
class Server:
    supervisor: Supervisor

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Lives until it is cancelled. Raises SocketUnusable."""
        with door.listening(self.supervisor.config.daemon.control_socket) as listening:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
            app = application(self.supervisor)
            settings = _settings()
            context = WorkerContext(None)

            async def connection(stream: trio.SocketStream) -> None:
                patience = Patience(stream)
                wrapped = ASGIWrapper(patience.answered_by(app))  # type: ignore[arg-type]  # Hypercorn's scopes are TypedDicts, Starlette's plain mappings
                http = Connection(wrapped, settings, context, ConnectionState({}), patience)  # type: ignore[arg-type]  # it takes what has a stream's methods
                await self._attend(stream, http)

            async with trio.open_nursery() as nursery:
                await nursery.start(trio.serve_listeners, connection, [listener])
                task_status.started()

    async def _attend(self, stream: trio.SocketStream, http: Connection) -> None:
        """One connection, until either side ends it."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_hang_up_at_the_end, stream)
                await http.run()
                nursery.cancel_scope.cancel()
        except* (h11.ProtocolError, trio.BusyResourceError, binascii.Error):
            # Real world: Hypercorn lets these out when a client breaks off, or sends half a request and no sense.
            self.supervisor.journal.say("control.broken", "a client of the control socket broke off", severity="debug")
        except* Exception as bug:  # noqa: BLE001 - whatever else there is: it ends this connection, and not the copying
            self.supervisor.journal.crash("a bug ended a connection to the control socket", bug)


async def _hang_up_at_the_end(stream: trio.SocketStream) -> None:
    """Shuts the connection down when the daemon stops, which ends even a shielded send."""
    try:
        await trio.sleep_forever()
    finally:
        with contextlib.suppress(OSError):  # it is closed already
            stream.socket.shutdown(socket.SHUT_RDWR)
