"""What a session reads by asking, and how an answer, a refusal and a penalty are told apart.

Rule 1: what the session cannot do without raises SocketLost when it does not come; the next session begins anew.
Rule 2: a penalty is an answer to nothing. Where it meets what no session can do without, the session ends with it, and
        its login holds (see restraint.py). What is read on a live one is read later: orders may go out meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from daemon.logins.calls import Call, Lost, Urgency
from daemon.logins.naming import READ_LIMIT, Ask
from daemon.tradovate.messages import Penalty, objection, penalty, text_of
from daemon.tradovate.socket import SocketLost

_READ_BACK = {"order": "order/list", "fill": "fill/list", "position": "position/list"}


@attrs.define(eq=False, repr=False)
class Reads:
    """`ask` queues a request. `penalised` is told that the broker wants us to wait, and answers why, in words; with
    `put_off` the session goes on. `unasked` counts what there was no request left for, or what was put off. `refused`
    says which of the lists asked for last was refused.
    """

    ask: Ask
    penalised: Callable[[Penalty], str]
    put_off: Callable[[Penalty], object]
    unasked: int = 0
    refused: str | None = None

    async def lists(self) -> Mapping[str, object]:
        """The broker's orders, fills and positions, asked for at once; None for what it refused. Raises SocketLost."""
        self.refused = None
        calls = {kind: self.ask(endpoint, None, Urgency.READ, "") for kind, endpoint in _READ_BACK.items()}
        return {kind: await self.politely(call, _READ_BACK[kind]) for kind, call in calls.items()}

    async def politely(self, call: Call, endpoint: str) -> object:
        """The rows of a list. It may be refused: too many requests, or a session that is gone, is for that to find out.

        A business error has status 200, and is no list.
        """
        answer = await call.answer(READ_LIMIT)
        if isinstance(answer, Lost) and not answer.begun:
            self.unasked += 1  # there was no request left for it
            return None
        if isinstance(answer, Lost):
            raise SocketLost(f"{endpoint}: {answer.reason}")
        if answer.status != 200:
            self.refused = self.refused or f"{endpoint} was answered with {answer.status}"
            return None
        found = penalty(answer.data)
        if found is not None and not found.captcha:
            self.unasked += 1
            self.put_off(found)
            return None
        rows = self.served(answer.data, endpoint)
        if not isinstance(rows, list):
            self.refused = self.refused or f"{endpoint} was answered with what is no list"
            return None
        return rows

    def served(self, data: object, endpoint: str) -> object:
        """The content of an answer. Raises SocketLost for a penalty."""
        found = penalty(data)
        if found is not None:
            raise SocketLost(f"{endpoint}: {self.penalised(found)}")
        return data

    async def needed(self, endpoint: str) -> object:
        """Raises SocketLost when it cannot be had."""
        return await self.good(self.ask(endpoint, None, Urgency.VITAL, ""), endpoint, READ_LIMIT)

    async def good(self, call: Call, endpoint: str, limit: float) -> object:
        """The content of an answer that the session cannot do without; `limit` in seconds. Raises SocketLost."""
        answer = await call.answer(limit)
        if isinstance(answer, Lost):
            raise SocketLost(f"{endpoint}: {answer.reason}")
        if answer.status != 200:
            words = text_of(answer.data)
            raise SocketLost(f"{endpoint} was answered with {answer.status}{f': {words}' if words else ''}")
        data = self.served(answer.data, endpoint)
        no = objection(data)
        if no:
            raise SocketLost(f"{endpoint} was answered with: {no}")
        return data
