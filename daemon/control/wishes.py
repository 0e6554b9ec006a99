"""An operator's wish on its way: the event is put into an account's inbox, and its turn is waited for.

Rule 1: a request never acts by itself; the chart decides.
Rule 2: an answer never waits for long: an account that is being restarted takes its event later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import attrs
import trio
from starlette.requests import Request

from daemon.control.problems import Problem
from statecharts.events import Event

if TYPE_CHECKING:
    from daemon.logins.login import Login
    from daemon.supervisor import Supervisor
    from daemon.wiring import Running

LOOK_EVERY = 0.005  # seconds
TURN_LIMIT = 0.5  # seconds; a turn takes a millisecond


@attrs.frozen(eq=False)
class Wishes:
    supervisor: Supervisor

    def running(self, request: Request) -> Running:
        """The account that the path names. Raises Problem."""
        name = request.path_params["account"]
        running = self.supervisor.accounts.get(name)
        if running is None:
            known = ", ".join(self.supervisor.accounts)
            raise Problem(
                status=404, kind="unknown-account", detail=f"there is no account {name[:50]!r}; there are: {known}"
            )
        return running

    def login(self, request: Request) -> Login:
        """The login that the path names. Raises Problem."""
        name = request.path_params["login"]
        login = self.supervisor.logins.get(name)
        if login is None:
            known = ", ".join(self.supervisor.logins)
            raise Problem(
                status=404, kind="unknown-login", detail=f"there is no login {name[:50]!r}; there are: {known}"
            )
        return login

    def not_stopping(self) -> None:
        """Raises Problem."""
        if self.supervisor.stopping.is_set():
            raise Problem(status=503, kind="stopping", detail="copierd is stopping; nothing is taken up any more")

    async def post(self, those: Iterable[Running], wish: str, event: Callable[[datetime], Event]) -> None:
        """Returns when each of them has taken its turn, or after half a second. Raises Problem."""
        self.not_stopping()
        asked = list(those)
        for running in asked:
            name = running.runner.name
            self.supervisor.journal.say("operator.asked", f"{name}: {wish} was asked for", account=name)
            running.runner.post(event(self.supervisor.ports.wall()))
        await self.until(lambda: all(running.runner.inbox.idle for running in asked), TURN_LIMIT)

    async def until(self, true: Callable[[], bool], limit: float) -> None:
        """Looks again and again, for `limit` seconds at most."""
        for _ in range(round(limit / LOOK_EVERY)):
            if true():
                break
            await trio.sleep(LOOK_EVERY)
