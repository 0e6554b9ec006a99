"""What answers calls: token endpoints, reads, commands, and the faults that come between a call and its answer.

Rule 1: an order request that has arrived is carried out whether or not the caller still listens.
Rule 2: the observer sees every request, answer and event as they were meant, before any fault mangles them.
"""

from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio

from daemon.simulator.broker import Broker
from daemon.simulator.calls import Answer, Call, Refusal
from daemon.simulator.commands import Commands
from daemon.simulator.faults import Faults, Range
from daemon.simulator.logins import Login
from daemon.simulator.oauth import OAuth
from daemon.simulator.reads import read
from daemon.simulator.tokens import Refused, Token, Tokens, TokenSession, describe_token

Observer = Callable[[str, str, str, int | None, object], None]
WRONG_CREDENTIALS = "Incorrect username or password. Please try again, noting that passwords are case-sensitive."


def nobody(direction: str, transport: str, name: str, status: int | None, payload: object) -> None:
    """The observer that looks away."""


@attrs.frozen
class Fate:
    """What happens to one request: `lost` never arrives, `late` arrives so much later, and then the answer is
    replaced by silence, by `status`, or by the connection being cut."""

    lost: bool = False
    late: float = 0.0
    silent: bool = False
    status: int = 0
    cut: bool = False
    endpoint: str | None = None  # the requests it is for; None: any order request


@attrs.frozen
class Penalty:
    """A p-ticket to be given."""

    seconds: int
    captcha: bool
    endpoint: str


class Service:
    """The broker's front office, the same for REST and WebSocket."""

    def __init__(self, broker: Broker, observer: Observer = nobody) -> None:
        self.broker = broker
        self.observer = observer
        self.tokens = Tokens(broker.entities, broker.now, broker.dice, lambda: broker.faults)
        self.token_requests: Counter[str] = Counter()  # by username
        self.renewals: Counter[str] = Counter()
        self.syncs: Counter[str] = Counter()  # syncrequests by login
        self.calls: Counter[str] = Counter()  # by endpoint
        self.fates: list[Fate] = []  # of the next requests
        self.penalties: deque[Penalty] = deque()
        self.on_evicted: Callable[[list[TokenSession]], None] = lambda gone: None
        self.oauth = OAuth(
            self.tokens,
            broker.now,
            broker.dice,
            lambda: broker.faults,
            broker.login_named,
            lambda: [login.spec.username for login in broker.logins.values()],
            lambda gone: self.on_evicted(gone),
        )
        # When each may come back, and with which request: an order's is to be the very same.
        self._tickets: dict[str, tuple[datetime, str, dict[str, Any]]] = {}
        self._throttled: dict[str, tuple[datetime, int]] = {}
        self._recent: dict[int, deque[datetime]] = {}
        self._commands = Commands(broker)

    @property
    def faults(self) -> Faults:
        """What goes wrong at present."""
        return self.broker.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.broker.faults = faults

    def throttle(self, login: str, seconds: float, status: int = 429) -> None:
        """Answer 429, or 423, without a body to all of the user's requests for so long."""
        self._throttled[login] = (self.broker.now() + timedelta(seconds=seconds), status)

    def calm(self) -> None:
        """Nothing is prepared, and nobody is throttled any more."""
        self.fates.clear()
        self.penalties.clear()
        self.broker.desk.risk.rejects.clear()
        self._throttled.clear()
        self._recent.clear()

    # ---- calls

    async def perform(
        self, call: Call, fate: Fate, around: Callable[[Callable[[], Answer]], Answer] | None = None
    ) -> Answer | None:
        """The answer of a call, None when there will be none. `around` brackets the moment of carrying it out."""
        if fate.lost:
            return None
        if fate.late > 0:
            await trio.sleep(fate.late)
        self.observer("request", call.transport, call.endpoint, None, dict(call.body) or dict(call.query))
        answer = self.answer(call) if around is None else around(lambda: self.answer(call))
        self.observer("answer", call.transport, call.endpoint, answer.status, answer.payload)
        delay = self._roll(self.faults.answer_delay)
        if delay > 0:
            await trio.sleep(delay)
        if fate.silent or fate.cut:
            return None
        return Answer(fate.status) if fate.status else answer

    def answer(self, call: Call) -> Answer:
        """Carry out a call that has arrived."""
        self.calls[call.endpoint] += 1
        try:
            penalty = self.penalty(call)
            if penalty is not None:
                return penalty
            if call.endpoint == "auth/accesstokenrequest":
                return self._request_token(call)
            if call.endpoint == "auth/oauthtoken":
                return Answer(200, self.oauth.token(call.body))
            if call.token is None:
                return Answer(401, "Access is denied")
            login = call.token.session.login
            if self._elsewhere(login):
                return Answer(403, "Forbidden")
            if limit := self._limit(login):
                return Answer(limit)
            if call.endpoint == "auth/renewaccesstoken":
                return self._renew_token(call.token)
            if call.endpoint in self._commands:
                return self._commands.carry_out(call, login)
            found = read(self.broker, login, call)
        except Refusal as refusal:
            return refusal.answer
        return found if found is not None else Answer(404, f"Not found: {call.endpoint}")

    def is_order(self, endpoint: str) -> bool:
        """Is it one of the endpoints that trade?"""
        return endpoint in self._commands

    def authorize(self, text: str) -> Token | Refused:
        """The token of a socket or a REST request."""
        return self.tokens.check(text)

    # ---- tokens

    def _request_token(self, call: Call) -> Answer:
        username, password = call.body.get("name"), call.body.get("password")
        self.token_requests[str(username)] += 1
        if not isinstance(username, str) or not isinstance(password, str):
            return Answer(200, {"errorText": "Invalid or missed parameters: name and password"})
        login = self.broker.login_named(username)
        spec = login.spec if login else None
        right = spec is not None and spec.password in (None, password) and spec.sec in (None, call.body.get("sec"))
        if spec is None or login is None or not right:
            if self.faults.login_style == "status":
                return Answer(401, {"error": "Invalid credentials", "message": WRONG_CREDENTIALS})
            return Answer(200, {"errorText": WRONG_CREDENTIALS})
        if self._elsewhere(login):
            return Answer(200, {"errorText": f"This endpoint should be called on {spec.key_of}.tradovateapi.com"})
        device = call.body.get("deviceId")
        token, gone = self.tokens.open(login, device if isinstance(device, str) else None)
        self.on_evicted(gone)
        return Answer(200, describe_token(token, self.broker.now(), self.faults.expiration_shift))

    def _elsewhere(self, login: Login) -> bool:
        """Is the login's API key one of the other environment? Its tokens get 403 here, as a practitioner reports."""
        return login.spec.key_of not in ("", "live" if self.faults.live else "demo")

    def _renew_token(self, token: Token) -> Answer:
        self.renewals[token.session.login.spec.username] += 1
        if self.faults.renew_status != 200:
            return Answer(self.faults.renew_status, {"error": "Token expired", "message": "Renewal is refused"})
        renewed = self.tokens.renew(token)
        told = describe_token(renewed, self.broker.now(), self.faults.expiration_shift)
        host = urlsplit(self.faults.dedicated).netloc
        if host and self.faults.api_hosts:
            told["apiHosts"] = {"live" if self.faults.live else "demo": host, "reportingDemo": f"rpt-{host}"}
        return Answer(200, told)

    # ---- faults

    def draw_fate(self, call: Call) -> Fate:
        """Prepared fates first, then the dice."""
        trades, faults = self.is_order(call.endpoint), self.faults
        for fate in self.fates:
            if fate.endpoint == call.endpoint or (trades and fate.endpoint is None):
                self.fates.remove(fate)
                return fate
        if not trades:
            return Fate(silent=self._chance(faults.read_lost))
        return Fate(
            lost=self._chance(faults.request_lost),
            late=self._roll(faults.late_delay) if self._chance(faults.late) else 0.0,
            silent=self._chance(faults.answer_lost),
            status=500 if self._chance(faults.error_after) else 0,
        )

    def penalty(self, call: Call) -> Answer | None:
        """A prepared penalty, or the same again for a ticket that comes back too early."""
        now = self.broker.now()
        ticket = call.body.get("p-ticket")
        asked = {name: value for name, value in call.body.items() if name != "p-ticket"}
        if isinstance(ticket, str) and ticket in self._tickets:
            until, endpoint, known_body = self._tickets[ticket]
            if self.is_order(call.endpoint) and (endpoint, known_body) != (call.endpoint, asked):
                return Answer(400, "Invalid or missed parameters: p-ticket")
            left = (until - now).total_seconds()
            if left <= 0:
                del self._tickets[ticket]
                return None
            return Answer(200, {"p-ticket": ticket, "p-time": int(left) + 1})
        if self.faults.insist_on_tickets:
            for known, (until, endpoint, known_body) in self._tickets.items():
                if endpoint == call.endpoint and (known_body == asked or not self.is_order(endpoint)):
                    return Answer(200, {"p-ticket": known, "p-time": max(1, int((until - now).total_seconds()) + 1)})
        if not self.penalties or self.penalties[0].endpoint != call.endpoint:
            return None
        penalty = self.penalties.popleft()
        ticket = f"{self.broker.dice.getrandbits(128):032x}"
        body: dict[str, Any] = {"p-ticket": ticket, "p-time": penalty.seconds}
        if penalty.captcha:
            body["p-captcha"] = True
        else:
            self._tickets[ticket] = now + timedelta(seconds=penalty.seconds), penalty.endpoint, asked
        return Answer(200, body)

    def _limit(self, login: Login) -> int:
        """The status that tells the user to slow down, 0 when there is no reason."""
        now = self.broker.now()
        until, status = self._throttled.get(login.key, (now, 0))
        if until > now:
            return status
        most = self.faults.requests_per_minute
        if most <= 0:
            return 0
        recent = self._recent.setdefault(login.user_id, deque())
        while recent and recent[0] <= now - timedelta(minutes=1):
            recent.popleft()
        recent.append(now)
        return 429 if len(recent) > most else 0

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.broker.dice.random() < probability

    def _roll(self, span: Range) -> float:
        return self.broker.dice.uniform(*span) if span != (0.0, 0.0) else 0.0
