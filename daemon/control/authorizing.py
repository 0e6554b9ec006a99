"""The routes that authorize a login: begin, look how it goes, complete with a pasted address.

Rule 1: the pasted address holds a code: it is passed on and never shown or logged.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from daemon.control import bodies, queries, views
from daemon.control.problems import Problem
from daemon.control.wishes import Wishes
from daemon.logins.authorization import Authorization, Pending, Unfit
from daemon.logins.outcomes import Outcome, nothing_pending

if TYPE_CHECKING:
    from daemon.logins.login import Login
    from daemon.supervisor import Supervisor

LONGEST_BODY = 16_384  # bytes: an address is far shorter


@attrs.define(eq=False, repr=False)
class Authorizing:
    supervisor: Supervisor
    wishes: Wishes

    def routes(self) -> list[Route]:
        path = "/v1/logins/{login}/authorize"
        return [
            Route(path, self.begun, methods=["POST"]),
            Route(path, self.looked_at, methods=["GET"]),
            Route(f"{path}/complete", self.completed, methods=["POST"]),
        ]

    async def begun(self, request: Request) -> JSONResponse:
        """Grant oauth: an address for the browser. Grant password: exactly one request, and what came of it."""
        queries.nothing(request.query_params)
        login = self.wishes.login(request)
        self.wishes.not_stopping()
        self.supervisor.journal.say("operator.asked", f"login {login.name}: authorize was asked for", login=login.name)
        try:
            if login.authorization is None:
                return _answer(login, await login.ask_anew(), None)
            pending = await login.authorization.begin()
        except Unfit as unfit:
            raise _problem(unfit.outcome) from unfit
        return JSONResponse({**_shown(login, None, pending), "authorize_url": pending.address})

    async def looked_at(self, request: Request) -> JSONResponse:
        """The outcome of the latest authorization; null while it is under way."""
        queries.nothing(request.query_params)
        login = self.wishes.login(request)
        pending = login.authorization.pending if login.authorization is not None else None
        if pending is None:
            raise _problem(nothing_pending(login.name))
        return _answer(login, pending.outcome, pending)

    async def completed(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        login = self.wishes.login(request)
        url = await _url(request)
        try:
            outcome = await _of_browser(login).complete(url)
        except Unfit as unfit:
            raise _problem(unfit.outcome) from unfit
        if outcome.kind != "authorized":
            raise _problem(outcome)
        return _answer(login, outcome, None)


def _of_browser(login: Login) -> Authorization:
    if login.authorization is None:
        raise Problem(
            status=409,
            kind="nothing-pending",
            detail=f"login {login.name} has grant password: no browser is needed",
            remedy=f"copierctl authorize {login.name}",
        )
    return login.authorization


async def _url(request: Request) -> str:
    body = await bodies.whole(request, LONGEST_BODY)
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    url = content.get("url") if isinstance(content, dict) else None
    if not isinstance(url, str):
        raise Problem(status=422, kind="no-url", detail='the body must be {"url": "the address the browser ended on"}')
    return url


def _shown(login: Login, outcome: Outcome | None, pending: Pending | None) -> dict[str, object]:
    token = login.tokens.current
    return {
        "login": login.name,
        "outcome": outcome.kind if outcome else None,
        "title": outcome.title if outcome else None,
        "detail": outcome.detail if outcome else None,
        "remedy": outcome.remedy if outcome else None,
        "expires_at": views.instant(pending.expires_at) if pending else None,
        "listening": pending.listening if pending else False,
        "user_id": login.tokens.purse.user_id,
        "token_expires_at": views.instant(token.expires_at) if token else None,
    }


def _answer(login: Login, outcome: Outcome | None, pending: Pending | None) -> JSONResponse:
    return JSONResponse({**_shown(login, outcome, pending), "authorize_url": None})


def _problem(outcome: Outcome) -> Problem:
    return Problem(status=outcome.status, kind=outcome.kind, detail=outcome.detail, remedy=outcome.remedy)
