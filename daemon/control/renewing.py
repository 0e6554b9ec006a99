"""The routes by which something begins anew: the connection of a login, and the configuration.

Rule 1: a new connection is made for all accounts of the login at once; whoever waits, was stopped or was refused dials
        too: by asking the operator says that the reason is mended.
Rule 2: what is under way is answered before the socket is let go, if that takes no longer than a moment.
Rule 3: a configuration with an error changes nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from daemon.config import ConfigErrors
from daemon.control import bodies, queries, views
from daemon.control.evidence import Evidence
from daemon.control.problems import Problem, problem_response
from daemon.control.wishes import Wishes
from statecharts import events as e
from statecharts import states as s

if TYPE_CHECKING:
    from daemon.logins.login import Login
    from daemon.supervisor import Supervisor
    from daemon.wiring import Running

ANSWERS_LIMIT = 2.0  # seconds for orders in flight: an order without an answer is a doubt for a quarter of a minute
LEAVING_LIMIT = 2.0  # seconds for the accounts to notice that their session has ended


@attrs.frozen(eq=False)
class Renewing:
    supervisor: Supervisor
    evidence: Evidence
    wishes: Wishes

    def routes(self) -> list[Route]:
        return [
            Route("/v1/logins/{login}/reconnect", self.reconnect, methods=["POST"]),
            Route("/v1/reload", self.reload, methods=["POST"]),
        ]

    async def reconnect(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        login = self.wishes.login(request)
        await bodies.nothing(request)
        self.wishes.not_stopping()
        accounts = [one for one in self.supervisor.accounts.values() if one.login is login]
        await self._let_go(login, accounts)
        if any(isinstance(one.account.connection, s.Unauthorized) for one in accounts):
            login.tokens.credential_changed()
        await self.wishes.post(accounts, f"reconnect login {login.name}", lambda at: e.ReconnectAsked(at=at))
        shown = [views.account_in_full(self.supervisor, one.runner.name, self.evidence) for one in accounts]
        return JSONResponse({**views.login(self.supervisor, login), "accounts": shown}, HTTPStatus.ACCEPTED)

    async def _let_go(self, login: Login, accounts: list[Running]) -> None:
        await self.wishes.until(lambda: not any(one.errands.under_way for one in accounts), ANSWERS_LIMIT)
        copying = [one for one in accounts if isinstance(one.account.connection, s.Connected)]
        login.dial_anew("the operator asked for a new connection")
        await self.wishes.until(
            lambda: not any(isinstance(one.account.connection, s.Connected) for one in copying), LEAVING_LIMIT
        )

    async def reload(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        await bodies.nothing(request)
        await self.supervisor.ready.wait()
        self.wishes.not_stopping()
        if self.supervisor.config_path is None:
            raise Problem(status=409, kind="no-file", detail="this copierd was not started with a file")
        try:
            changed = self.supervisor.reload()
        except ConfigErrors as wrong:
            errors = [str(error) for error in wrong.errors]
            detail = "nothing was changed: " + "; ".join(errors)
            problem = Problem(status=422, kind="bad-configuration", detail=detail)
            return problem_response(problem, more={"errors": errors})
        return JSONResponse({"changed": changed})
