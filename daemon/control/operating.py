"""The routes by which the operator gets out, and says whose a position is.

Rule 1: what makes no sense is refused with the reason, before anything is asked of an account.
Rule 2: orders are never sent to a leader that follows nobody.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from daemon.control import bodies, contracts, limits, queries, views
from daemon.control.evidence import Evidence
from daemon.control.problems import Problem
from daemon.control.wishes import Wishes
from statecharts import events as e
from statecharts import ownership
from statecharts import states as s
from statecharts.account import Account
from statecharts.rules import CopyRules
from statecharts.values import Symbol

if TYPE_CHECKING:
    from daemon.supervisor import Supervisor
    from daemon.wiring import Running


@attrs.frozen(eq=False)
class Operating:
    supervisor: Supervisor
    evidence: Evidence
    wishes: Wishes

    def routes(self) -> list[Route]:
        account = "/v1/accounts/{account}"
        return [
            Route(f"{account}/flatten", self.flatten, methods=["POST"]),
            Route(f"{account}/release", self.release, methods=["POST"]),
            Route(f"{account}/adopt", self.adopt, methods=["POST"]),
            Route(f"{account}/unlock", self.unlock, methods=["POST"]),
            Route("/v1/copies/{copy}/flatten", self.flatten_copy, methods=["POST"]),
        ]

    async def flatten(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        running = self.wishes.running(request)
        symbol = await bodies.symbol(request)
        self._follows(running, "flatten")
        if symbol is not None:
            _known(running.account, symbol)
        await self.wishes.post(
            [running], f"flatten {symbol or 'everything'}", lambda at: e.FlattenAsked(at=at, symbol=symbol)
        )
        return self._answer(running)

    async def flatten_copy(self, request: Request) -> JSONResponse:
        """All followers of one copy, each in its own turn: one that is away delays no other."""
        queries.nothing(request.query_params)
        name = request.path_params["copy"]
        await bodies.nothing(request)
        copy = next((one for one in self.supervisor.config.copies if one.name == name), None)
        if copy is None:
            known = ", ".join(one.name for one in self.supervisor.config.copies)
            detail = f"there is no copy {name[:50]!r}; there are: {known}"
            raise Problem(status=404, kind="unknown-copy", detail=detail)
        accounts = self.supervisor.accounts
        followers = [accounts[one.account] for one in copy.followers if one.account in accounts]
        await self.wishes.post(followers, f"flatten copy {name}", lambda at: e.FlattenAsked(at=at))
        shown = [views.account_in_full(self.supervisor, one.runner.name, self.evidence) for one in followers]
        return JSONResponse({"copy": name, "accounts": shown}, HTTPStatus.ACCEPTED)

    async def release(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        running = self.wishes.running(request)
        symbol = await bodies.needed_symbol(request)
        self._follows(running, "release")
        _known(running.account, symbol)
        _unless(running, "nothing-quarantined", ownership.no_release(running.account.book, symbol))
        await self.wishes.post([running], f"release {symbol}", lambda at: e.ReleaseAsked(at=at, symbol=symbol))
        return self._answer(running)

    async def adopt(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        running = self.wishes.running(request)
        symbol = await bodies.needed_symbol(request)
        rules = self._follows(running, "adopt")
        _known(running.account, symbol)
        acting = isinstance(running.account.connection, s.Copying)
        _unless(running, "not-adoptable", ownership.no_adoption(running.account.book, symbol, acting, rules))
        await self.wishes.post([running], f"adopt {symbol}", lambda at: e.AdoptAsked(at=at, symbol=symbol))
        return self._answer(running)

    async def unlock(self, request: Request) -> JSONResponse:
        queries.nothing(request.query_params)
        running = self.wishes.running(request)
        await bodies.nothing(request)
        self._follows(running, "unlock")
        _unless(running, "not-locked", "it is not locked" if limits.locked(running.account) is None else None)
        await self.wishes.post([running], "unlock", lambda at: e.UnlockAsked(at=at))
        return self._answer(running)

    def _answer(self, running: Running) -> JSONResponse:
        shown = views.account_in_full(self.supervisor, running.runner.name, self.evidence)
        return JSONResponse(shown, HTTPStatus.ACCEPTED)

    def _follows(self, running: Running, verb: str) -> CopyRules:
        """The rules by which it follows. Raises Problem for a leader that follows nobody."""
        rules = running.account.in_force.copy
        if rules is not None:
            return rules
        name = running.runner.name
        remedy = None
        if verb == "flatten":
            remedy = "; ".join(f"copierctl flatten --copy {copy.name}" for copy in self.supervisor.config.leads(name))
        raise Problem(
            status=409,
            kind="follows-nobody",
            detail=f"{name} follows nobody: copierd never sends an order to a leader, and nothing on it is ours",
            remedy=remedy,
        )


def _unless(running: Running, kind: str, objection: str | None) -> None:
    if objection is not None:
        raise Problem(status=409, kind=kind, detail=f"{running.runner.name}: {objection}")


def _known(account: Account, symbol: Symbol) -> None:
    """A name that nobody has heard of is a slip of the hand, and must not be taken for flat. Raises Problem."""
    known = contracts.known(account)
    if symbol not in known:
        there = f"; it knows {', '.join(sorted(known))}" if known else ""
        detail = f"{account.name} has never had {symbol} in hand{there}"
        raise Problem(status=422, kind="unknown-symbol", detail=detail)
