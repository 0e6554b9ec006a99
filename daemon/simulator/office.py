"""The office: REST without any connection, and what outlives a caller. Base path /v1, in any case of letters.

Rule 1: `run` must be alive; it owns what outlives a caller (an order accepted late is accepted although the caller
went away) and the broker's delays.
Rule 2: `rest` is one request.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlsplit

import trio

from daemon.simulator.broker import Broker
from daemon.simulator.calls import Answer, Call, Refusal, fields_of
from daemon.simulator.deeds import Deeds
from daemon.simulator.faults import Act
from daemon.simulator.pages import Page
from daemon.simulator.script import bound
from daemon.simulator.service import Fate, Observer, nobody
from daemon.simulator.tokens import Refused, Token

BASE = "/v1/"
TOKEN = "/auth/oauthtoken"  # noqa: S105 - an address; it is answered with and without /v1
OPEN = frozenset({"auth/accesstokenrequest", "auth/oauthtoken"})  # no token is needed


class Severed(Exception):
    """The connection is refused or cut instead of answered (`rest` raises it; a stream is closed)."""


class Office(Deeds):
    """The service with its own nursery."""

    def __init__(self, broker: Broker, observer: Observer = nobody) -> None:
        super().__init__(broker, observer)
        self._nursery: trio.Nursery | None = None
        # What an act names need not be there at its moment. Without anybody to be told, it ends the house.
        self.on_failed_act: Callable[[Act, Exception], None] | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the house alive until cancelled; carries out the acts of the faults file. Raises FaultsInvalid."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self.broker.run)
            for act in self.faults.acts:
                nursery.start_soon(self._act, act, bound(act, self, self.broker))
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def misplaced(self, host: str) -> bool:
        """Has a request come to this host that only another one answers?"""
        return bool(self.faults.dedicated) and host not in ("", urlsplit(self.faults.dedicated).netloc)

    async def _act(self, act: Act, deed: Callable[[], object]) -> None:
        await trio.sleep(act.after)
        try:
            deed()
        except (LookupError, ValueError, ArithmeticError) as error:
            if self.on_failed_act is None:
                raise
            self.on_failed_act(act, error)

    def spawn(self, act: Callable[[], Awaitable[None]]) -> None:
        """Run in the house's own nursery. Raises RuntimeError when `run` is not alive."""
        if self._nursery is None:
            raise RuntimeError("Server.run is not running")
        self._nursery.start_soon(act)

    # ---- REST

    async def rest(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request; never returns when the answer is to be lost. Raises Severed when down and refusing.

        The method does not matter (Tradovate OpenAPI: not enforced). `target` is path and query.
        """
        if self.faults.refusing:
            raise Severed
        answer = await self._respond(target, {name.lower(): value for name, value in headers.items()}, body)
        reply = {"date": format_datetime(self.broker.now(), usegmt=True)}
        if answer.status == 307:
            reply["location"] = str(answer.payload)
            answer = Answer(307)
        content = b""
        if isinstance(answer.payload, Page):
            reply["content-type"], content = "text/html; charset=utf-8", answer.payload.html.encode()
            reply.update({"location": answer.payload.location} if answer.payload.location else {})
        elif isinstance(answer.payload, str):
            reply["content-type"], content = "text/plain; charset=utf-8", answer.payload.encode()
        elif answer.payload is not None:
            reply["content-type"], content = "application/json", json.dumps(answer.payload).encode()
        reply["content-length"] = str(len(content))
        return answer.status, reply, content

    async def _respond(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        parts = urlsplit(target)
        if self.faults.down:
            return Answer(503)
        if self.faults.redirect:
            return Answer(307, self.faults.redirect + target)
        if self.misplaced(headers.get("host", "")):
            return Answer(307, self.faults.dedicated + target)
        path, query = parts.path.lower(), dict(parse_qsl(parts.query))
        try:
            fields = fields_of(headers.get("content-type", ""), body)
        except Refusal as refusal:
            return refusal.answer
        if page := self.oauth.page(path, query, fields):
            return Answer(page.status, page)
        if not path.startswith(BASE) and path != TOKEN:
            return Answer(404, "Not found")
        endpoint = path.removeprefix(BASE).strip("/")
        token: Token | None = None
        if endpoint not in OPEN:
            checked = self.authorize(headers.get("authorization", "").removeprefix("Bearer ").strip())
            if isinstance(checked, Refused):
                return self._refuse(endpoint, checked)
            token = checked
        call = Call(endpoint, query, fields, token, "rest")
        fate = self.draw_fate(call)
        if fate == Fate() and self.faults.answer_delay == (0.0, 0.0):
            answer = await self.perform(call, fate)
        else:
            answer = await self._perform_apart(call, fate)
        if fate.cut:
            raise Severed
        if answer is None:
            await trio.sleep_forever()
        return answer

    def _refuse(self, endpoint: str, refused: Refused) -> Answer:
        if refused.status == 401 and (self.faults.bad_token_status != 401 or not self.faults.bad_token_words):
            return Answer(self.faults.bad_token_status, refused.text if self.faults.bad_token_words else None)
        if endpoint == "auth/renewaccesstoken" and refused.status == 401:
            return Answer(401, {"error": "Token expired", "message": refused.text})
        return Answer(refused.status, refused.text or None)

    async def _perform_apart(self, call: Call, fate: Fate) -> Answer | None:
        """Perform in the house's nursery: the caller may give up, the order may not."""
        box: list[Answer | None] = []
        done = trio.Event()

        async def work() -> None:
            box.append(await self.perform(call, fate))
            done.set()

        self.spawn(work)
        await done.wait()
        return box[0]
