"""The control socket: how operators, scripts and monitoring speak with a running daemon.

The client's side (`client`, `tables`) imports nothing of the daemon's, so `copierctl` starts at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from daemon.control.unusable import SocketUnusable

if TYPE_CHECKING:
    from daemon.supervisor import Supervisor

__all__ = ["SocketUnusable", "serve"]


async def serve(supervisor: Supervisor, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Answers until it is cancelled; started when the socket answers. Raises SocketUnusable."""
    from daemon.control.server import Server  # a web framework, which copierctl need not wait for

    await Server(supervisor).run(task_status=task_status)
