"""HTTP/1.1 on one connection, and no other version: what Hypercorn would do otherwise.

Rule 1: what is no request is refused as requests are: with a problem that says why, where Hypercorn says nothing.
Rule 2: an offer of HTTP/2 is not taken up, as HTTP allows: nobody needs two protocols to be right here.
"""

from __future__ import annotations

import h11
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.typing import ConnectionState

from daemon.control.guard import SAFE
from daemon.control.problems import Problem, problem_response

_WORDS = {
    400: "this is no request of HTTP/1.1, or it ends before its end",
    431: "the head of a request must be shorter; nothing here needs a long one",
    501: "a body is taken with its length, or in chunks, and in no other encoding",
}


class Connection(TCPServer):
    """One client's, until either side ends it."""

    async def run(self) -> None:
        try:
            async with TaskGroup() as tasks:
                self._task_group = tasks
                self.protocol = _Http11(  # type: ignore[assignment]  # Hypercorn wraps it, to change it for HTTP/2
                    self.app,
                    self.config,
                    self.context,
                    tasks,
                    ConnectionState(self.state),
                    ssl=False,
                    client=None,
                    server=None,
                    send=self.protocol_send,
                )
                await self.idle_task.restart(tasks, self._idle_timeout)
                await self._read_data()
        except OSError:
            pass  # the client has gone
        finally:
            await self._close()


class _Http11(H11Protocol):
    async def _check_protocol(self, event: h11.Request) -> None:
        """Whether it shall be HTTP/2: never. One who begins with that at once is told by the guard."""

    async def _send_error_response(self, status_code: int) -> None:
        problem = Problem(status=status_code, detail=_WORDS.get(status_code, "this cannot be understood"))
        answer = problem_response(problem, {"connection": "close"})
        headers = [*answer.raw_headers, *SAFE]
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=bytes(answer.body)))
        await self._send_h11_event(h11.EndOfMessage())
