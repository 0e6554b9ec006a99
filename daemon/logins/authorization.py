"""Authorizing a login in the user's browser: an address, a wait, an answer. Repair, never replace.

Rule 1: one authorization at a time for each login; a newer one supersedes the older.
Rule 2: an answer counts when its state is ours, once, and before it is too late. It comes by the loopback redirect, or
        is pasted; both are treated alike.
Rule 3: until the new token is known to be the login's own user's and is written down, the old state stays.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import attrs
import trio

from daemon.logins import outcomes, redirect
from daemon.logins.grant import Teller
from daemon.logins.grants import granted
from daemon.logins.outcomes import Outcome
from daemon.logins.redirect import Callback, Page
from daemon.logins.standing import LIMITS
from daemon.logins.tokens import NoToken, Tokens
from daemon.tradovate.answers import Limited, Owner, Penalised, Unreachable
from daemon.tradovate.oauth import Application, Declined, OAuth, Pair, authorize_url

PATIENCE = timedelta(minutes=10)  # for the user: the broker's page does not last longer either
SHOW_LIMIT = 5.0  # seconds for the last page to reach the browser


@attrs.frozen
class Unfit(Exception):
    """An answer that does not count, or an authorization that cannot be begun."""

    outcome: Outcome


@attrs.define(eq=False, repr=False)
class Pending:
    """One authorization. `listening`: the browser can come back to us by itself. `outcome` None: under way."""

    address: str = attrs.field(repr=False)
    expires_at: datetime
    application: Application
    state: str = attrs.field(repr=False)
    verifier: str = attrs.field(repr=False)
    listening: bool = False
    outcome: Outcome | None = None
    came_back: bool = False  # the browser has brought the answer
    claimed: trio.Event = attrs.field(factory=trio.Event)  # an answer has come
    concluded: trio.Event = attrs.field(factory=trio.Event)  # and this is what became of it
    shown: trio.Event = attrs.field(factory=trio.Event)  # also to the browser
    closed: trio.Event = attrs.field(factory=trio.Event)  # nobody listens any more

    def conclude(self, outcome: Outcome) -> None:
        if self.outcome is None:
            self.outcome = outcome
            self.claimed.set()
            self.concluded.set()


@attrs.define(eq=False, repr=False)
class Authorization:
    """`page` is the broker's address for the browser; `accounts` are the configured ones, by the broker's names.

    `owner` answers whose a token is; `successor` is told when a new session is asked for (True), and when there is
    none after all (False); `authorized` is called when there is a new token; `crashed` is told a bug.
    """

    login: str
    page: str
    application: Callable[[], Application]
    oauth: OAuth
    owner: Callable[[str], Awaitable[Owner | Unreachable]]
    tokens: Tokens
    accounts: frozenset[str]
    wall: Callable[[], datetime]
    tell: Teller
    successor: Callable[[bool], None]
    authorized: Callable[[], None]
    crashed: Callable[[BaseException], None]
    patience: timedelta = PATIENCE
    pending: Pending | None = None
    _nursery: trio.Nursery | None = None
    _beginning: trio.Lock = attrs.field(factory=trio.Lock)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Lives as long as the login."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def begin(self) -> Pending:
        """A new address for the browser. Raises Unfit when the application's secret cannot be read."""
        assert self._nursery is not None, "a login runs before it is authorized"
        async with self._beginning:
            if self.pending is not None:
                if not self.pending.claimed.is_set():
                    self.pending.conclude(outcomes.superseded(self.login))
                await self.pending.closed.wait()
            try:
                application = self.application()
            except NoToken as error:
                raise Unfit(outcomes.of_password(self.login, error)) from error
            state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
            address = authorize_url(self.page, application, state, verifier)
            self.pending = Pending(address, self.wall() + self.patience, application, state, verifier)
            await self._nursery.start(self._attend, self.pending)
            self.tell("authorization.begun", f"an authorization in the browser has begun; it ends in {self.patience}")
            return self.pending

    async def complete(self, url: str) -> Outcome:
        """The address that the browser ended on, as the user has pasted it. Raises Unfit."""
        try:
            query = dict(parse_qsl(urlsplit(url.strip()).query))
        except ValueError:
            query = {}
        pending = self._claim(query)
        return await _concluded(pending)

    def _claim(self, query: Mapping[str, str]) -> Pending:
        """The authorization that this answer belongs to; from now on no other answer counts. Raises Unfit."""
        pending = self.pending
        if pending is None:
            raise Unfit(outcomes.nothing_pending(self.login))
        ours = hmac.compare_digest(query.get("state", "").encode(errors="replace"), pending.state.encode())
        if not ours or not ("code" in query or "error" in query):
            raise Unfit(outcomes.foreign_answer(self.login))
        if pending.claimed.is_set():
            raise Unfit(outcomes.session_expired(self.login))
        assert self._nursery is not None, "whatever is pending was begun"
        pending.claimed.set()
        self._nursery.start_soon(self._conclude, pending, query)
        return pending

    async def _attend(self, pending: Pending, task_status: trio.TaskStatus[None]) -> None:
        """Listens for the browser until there is an outcome, or it is too late."""
        callback = Callback(pending.application.redirect_uri)
        try:
            async with trio.open_nursery() as nursery:
                for listener in await _listeners(callback):
                    pending.listening = True
                    nursery.start_soon(trio.serve_listeners, partial(self._receive, pending, callback), [listener])
                task_status.started()
                with trio.move_on_after(self.patience.total_seconds()):
                    await pending.claimed.wait()
                if not pending.claimed.is_set():
                    self._end(pending, outcomes.session_expired(self.login))
                await pending.concluded.wait()
                with trio.move_on_after(SHOW_LIMIT if pending.came_back else 0):
                    await pending.shown.wait()
                nursery.cancel_scope.cancel()
        finally:
            pending.closed.set()

    async def _receive(self, pending: Pending, callback: Callback, stream: trio.abc.Stream) -> None:
        """One connection of the browser."""
        async with stream:
            request = await redirect.heard(stream)
            if request is None:
                return
            page = callback.objection(request)
            if page is not None:
                await redirect.show(stream, page)
                return
            try:
                claimed = self._claim(dict(parse_qsl(redirect.target_of(request)[1])))
            except Unfit as unfit:
                await redirect.show(stream, _page(unfit.outcome))
                return
            claimed.came_back = True
            await redirect.show(stream, _page(await _concluded(claimed)))
        claimed.shown.set()

    async def _conclude(self, pending: Pending, query: Mapping[str, str]) -> None:
        try:
            await self._judge(pending, query)
        except Exception as bug:  # noqa: BLE001 - told with its traceback: it must end neither the login nor the others
            self.successor(False)
            pending.conclude(outcomes.broken(self.login))
            self.crashed(bug)

    async def _judge(self, pending: Pending, query: Mapping[str, str]) -> None:
        if "error" in query:
            outcome = outcomes.declined(self.login, query["error"][:64], query.get("error_description", "")[:300])
        else:
            self.successor(True)
            outcome = await self._exchanged(pending, query["code"])
        self._end(pending, outcome)
        if outcome.kind == "authorized":
            self.authorized()
        else:
            self.successor(False)

    def _end(self, pending: Pending, outcome: Outcome) -> None:
        pending.conclude(outcome)
        good = outcome.kind == "authorized"
        remedy = f". To mend it: {outcome.remedy}" if outcome.remedy else ""
        self.tell("token.renewed" if good else "authorization.failed", f"{outcome.title}: {outcome.detail}{remedy}")

    async def _exchanged(self, pending: Pending, code: str) -> Outcome:
        restraint, asked_at = self.tokens.restraint, self.wall()
        restraint.human_was_there()
        try:
            restraint.check_hold()
        except NoToken as held:
            return outcomes.unreachable(self.login, held.reason)
        answer = await self.oauth.exchange(pending.application, code, pending.verifier)
        match answer:
            case Declined():
                return outcomes.refused(self.login, answer)
            case Penalised(ticket=ticket, seconds=seconds, captcha=captcha):
                penalty = restraint.penalise(seconds, ticket, captcha)
                return outcomes.captcha(self.login) if captcha else outcomes.unreachable(self.login, penalty.reason)
            case Limited(status=status, retry_after=retry_after) if status in LIMITS:
                return outcomes.unreachable(self.login, restraint.limited(status, retry_after).reason)
            case Limited(status=status):
                return outcomes.unreachable(self.login, f"HTTP {status}")
            case Unreachable(reason=reason):
                return outcomes.unreachable(self.login, reason)
            case Pair():
                return await self._repaired(answer, asked_at)

    async def _repaired(self, pair: Pair, asked_at: datetime) -> Outcome:
        self.tokens.conceal(pair.access)
        owner = await self.owner(pair.access)
        if isinstance(owner, Unreachable):
            return outcomes.unreachable(self.login, owner.reason)
        wrong = outcomes.objection(self.login, owner, self.tokens.purse.user_id, self.accounts)
        if wrong is not None:
            return outcomes.wrong_user(self.login, wrong)
        try:
            await self.tokens.adopt(granted(pair, asked_at, user_id=owner.user_id))
        except NoToken as error:
            return outcomes.unreachable(self.login, error.reason)
        return outcomes.authorized(self.login, owner.name)


async def _concluded(pending: Pending) -> Outcome:
    await pending.concluded.wait()
    assert pending.outcome is not None, "whatever is concluded has an outcome"
    return pending.outcome


async def _listeners(callback: Callback) -> list[trio.SocketListener]:
    """None where the port cannot be had: then the address is pasted."""
    if callback.port is None:
        return []
    try:
        return await trio.open_tcp_listeners(callback.port, host=redirect.HOST)
    except OSError:
        return []


def _page(outcome: Outcome) -> Page:
    if outcome.kind == "authorized":
        return Page(200, outcome.title, (f"{outcome.detail[0].upper()}{outcome.detail[1:]}.", "Copying goes on."))
    words = [outcome.detail, outcome.remedy or ""]
    return Page(outcome.status, outcome.title, tuple(f"{line[0].upper()}{line[1:]}." for line in words if line))
