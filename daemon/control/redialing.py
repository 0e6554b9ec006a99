"""The route that gives a login a new connection, for all of its accounts at once.

Rule: an account whose session is alive would only be read anew by its own reconnect; this ends the session first.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from daemon.control import queries, views
from daemon.control.authorizing import login_of
from daemon.control.evidence import Evidence
from daemon.control.problems import Problem
from statecharts import events as e
from statecharts import states as s

if TYPE_CHECKING:
    from daemon.supervisor import Supervisor


@attrs.define(eq=False)
class Redialing:
    supervisor: Supervisor
    evidence: Evidence

    def routes(self) -> list[Route]:
        return [Route("/v1/logins/{login}/reconnect", self.asked, methods=["POST"])]

    async def asked(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        login = login_of(self.supervisor, request)
        if self.supervisor.stopping.is_set():
            raise Problem(status=503, kind="stopping", detail="copierd is stopping; nothing is taken up any more")
        self.supervisor.journal.say("operator.asked", f"login {login.name}: reconnect was asked for", login=login.name)
        mine = {name: one for name, one in self.supervisor.accounts.items() if one.login is login}
        if any(isinstance(one.account.connection, s.Unauthorized) for one in mine.values()):
            login.tokens.credential_changed()  # so says the operator, by asking
        login.dial_anew("the operator asked for a new connection")
        for running in mine.values():
            if not isinstance(running.account.connection, s.HoldsSession):
                running.runner.post(e.ReconnectAsked(at=self.supervisor.ports.wall()))
        shown = views.login(self.supervisor, login)
        accounts = [views.account(self.supervisor, name, self.evidence) for name in mine]
        return JSONResponse({**shown, "accounts": accounts}, HTTPStatus.ACCEPTED)
