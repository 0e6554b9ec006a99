"""The routes of the control socket: which path answers with which view, and which asks an account for what.

Rule 1: a request never acts by itself: it becomes an event in the account's inbox, and the chart decides.
Rule 2: every refusal says what it is about and, where there is one, the remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from daemon.control import bodies, chain, openapi, page, queries, report, views
from daemon.control.authorizing import Authorizing
from daemon.control.copy_stream import CopyStream
from daemon.control.evidence import Evidence
from daemon.control.guard import Guard
from daemon.control.live import Live, last_seen, wants_stream
from daemon.control.operating import Operating
from daemon.control.problems import Problem, ledger_unusable, problem_response, refused
from daemon.control.renewing import Renewing
from daemon.control.wishes import Wishes
from daemon.ledger.schema import LedgerError
from statecharts import events as e
from statecharts import states as s

if TYPE_CHECKING:
    from daemon.supervisor import Supervisor
    from daemon.wiring import Running

ASKED: dict[str, Callable[[datetime], e.Event]] = {
    "pause": lambda at: e.PauseAsked(at=at),
    "resume": lambda at: e.ResumeAsked(at=at),
    "reconnect": lambda at: e.ReconnectAsked(at=at),
    "disconnect": lambda at: e.DisconnectAsked(at=at),
    "resync": lambda at: e.ReconnectAsked(at=at),  # where the session is alive it is the same
}


def application(supervisor: Supervisor) -> ASGIApp:
    evidence, wishes = Evidence(supervisor.ledger), Wishes(supervisor)
    answers = Answers(supervisor, evidence, wishes)
    app = Starlette(
        routes=[
            *page.routes(),
            Route("/v1/status", answers.status, methods=["GET"]),
            Route("/v1/accounts/{account}", answers.account, methods=["GET"]),
            Route("/v1/copies", answers.copies, methods=["GET"]),
            Route("/v1/why/{id}", answers.why, methods=["GET"]),
            Route("/v1/events", Live(supervisor.board).events, methods=["GET"]),
            Route("/v1/openapi.json", answers.described, methods=["GET"]),
            Route("/v1/report", answers.report, methods=["GET"]),
            Route("/metrics", answers.metrics, methods=["GET"]),
            *(Route(f"/v1/accounts/{{account}}/{verb}", answers.asked, name=verb, methods=["POST"]) for verb in ASKED),
            *Operating(supervisor, evidence, wishes).routes(),
            *Renewing(supervisor, evidence, wishes).routes(),
            *Authorizing(supervisor, wishes).routes(),
        ],
        exception_handlers={
            Problem: refused,
            HTTPException: _unrouted,
            LedgerError: _ledger_failed,
            Exception: answers.bug,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app)


@attrs.define(eq=False, repr=False)
class Answers:
    supervisor: Supervisor
    evidence: Evidence
    wishes: Wishes

    async def status(self, request: Request) -> Response:
        queries.nothing(request.query_params)
        return Response(views.status_text(self.supervisor, self.evidence), media_type="application/json")

    async def account(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        running = self.wishes.running(request)
        return JSONResponse(views.account_in_full(self.supervisor, running.runner.name, self.evidence))

    async def copies(self, request: Request) -> Response:
        asked = queries.copies_query(request.query_params)
        if wants_stream(request.headers):
            if asked.since is not None or asked.cursor is not None:
                raise Problem(status=422, kind="unreadable-parameters", detail="since, cursor: a stream has no pages")
            return CopyStream(self.supervisor, asked, last_seen(request.headers, None), _shown)
        rows = self.supervisor.ledger.copies(
            follower=asked.follower,
            outcome=asked.outcome,
            since=asked.since,
            before=asked.cursor,
            limit=asked.limit + 1,  # one more than asked for tells whether there is another page
        )
        page = rows[: asked.limit]
        more = str(page[-1]["seq"]) if len(rows) > len(page) else None
        return JSONResponse(
            {"copies": [_shown(row) for row in page], "next": more, "last": self.supervisor.ledger.last_turn()}
        )

    async def why(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        asked = str(request.path_params["id"])
        rows, turns = chain.found(self.supervisor.ledger, asked)
        links = list(chain.links(turns, frozenset(str(row["id"]) for row in rows)))
        return JSONResponse({"id": asked, "copies": [_shown(row) for row in rows], "chain": links})

    async def described(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        return JSONResponse(openapi.document())

    async def report(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        await self.supervisor.ports.aside(_load_figures)
        return JSONResponse(report.report(self.supervisor, self.evidence))

    async def metrics(self, request: Request) -> Response:
        queries.nothing(request.query_params)
        await self.supervisor.ports.aside(_load_figures)
        from daemon.control import metrics

        return metrics.response(self.supervisor, self.evidence)

    async def asked(self, request: Request) -> JSONResponse:
        """An operator's wish. The answer shows the account after the turn that took it."""
        queries.nothing(request.query_params)
        running = self.wishes.running(request)
        verb = request.url.path.rpartition("/")[2]
        await bodies.nothing(request)
        self._prepare(verb, running)
        await self.wishes.post([running], verb, ASKED[verb])
        shown = views.account_in_full(self.supervisor, running.runner.name, self.evidence)
        return JSONResponse(shown, HTTPStatus.ACCEPTED)

    def _prepare(self, verb: str, running: Running) -> None:
        state = running.account.connection
        if verb == "pause" and running.account.rules.copy is None:
            # Said to be paused, a leader would go on being copied: nobody must be left in that belief.
            copies = self.supervisor.config.leads(running.runner.name)
            raise Problem(
                status=409,
                kind="follows-nobody",
                detail=f"{running.runner.name} follows nobody: there is nothing to pause; its followers would copy on",
                remedy="; ".join(f"copierctl pause {one.account}" for copy in copies for one in copy.followers),
            )
        if verb == "resync" and not isinstance(state, s.HoldsSession):
            raise Problem(
                status=409,
                kind="no-session",
                detail=f"{running.runner.name} is {state.shown}: without a session there is nothing to read it from",
                remedy=f"copierctl reconnect {running.runner.name}",
            )
        if verb == "reconnect":
            running.login.gate.host.doubted()
        if verb == "reconnect" and isinstance(state, s.Unauthorized):
            running.login.tokens.credential_changed()  # so says the operator, by asking

    async def bug(self, request: Request, bug: Exception) -> JSONResponse:
        self.supervisor.journal.crash(f"a bug in the answer to {request.method} {request.url.path}", bug)
        return problem_response(
            Problem(status=500, detail="a bug in copierd; its journal has the details", remedy="copying goes on")
        )


def _load_figures() -> None:
    """Prometheus's library is 0.8 MB and 15 ms of a start, and many never ask for what it writes: it is loaded when
    somebody does, in a thread, for an order may be on its way."""
    import daemon.control.metrics  # noqa: F401 - what needs it imports it again, at once


def _shown(row: dict[str, object]) -> dict[str, object]:
    """A row of the ledger without its place in it, which is the cursor's business."""
    shown = {key: value for key, value in row.items() if key != "seq"}
    for key in ("decided_at", "sent_at", "answered_at"):
        text = row[key]
        shown[key] = views.instant(datetime.fromisoformat(text)) if isinstance(text, str) else None
    return shown


async def _unrouted(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    details = {
        404: f"nothing is offered at {request.url.path[:100]}",
        405: f"{request.method} is not offered at {request.url.path[:100]}",
    }
    problem = Problem(status=error.status_code, detail=details.get(error.status_code, error.detail))
    return problem_response(problem, dict(error.headers or {}))


async def _ledger_failed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LedgerError)
    return problem_response(ledger_unusable(error))
