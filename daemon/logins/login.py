"""A login's shared session: leases, single flight, and one throw of the dice for all of its accounts.

Rule 1: whoever needs the session takes a lease; the first lease makes it, the last one closes it. An account that stops
        or crashes drops its own lease alone.
Rule 2: accounts that dial at the same time get the same attempt.
Rule 3: the wait before an attempt is rolled once for the login, so its accounts wake together and one dial serves all.
        So is the wait before a slow probe.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import attrs
import trio

from daemon.logins import outcomes
from daemon.logins.authorization import Authorization, Unfit
from daemon.logins.gate import Gate
from daemon.logins.grant import Teller
from daemon.logins.outcomes import Outcome
from daemon.logins.rate import Rate
from daemon.logins.reading import Patience
from daemon.logins.session import Session, SessionSettings
from daemon.logins.tokens import NoToken, Tokens, WrongUser
from daemon.logins.turns import Rank
from daemon.ports import Ports
from daemon.tradovate.answers import Granted, Owner, Unreachable
from statecharts.events import Event
from statecharts.states import Cause
from statecharts.values import BrokerAccountId

AFTER_A_BUG = 60.0  # seconds: what raised may be a request, and must not become a storm of them
HANG_UP_LIMIT = 1.0  # seconds for closing idle connections


@attrs.frozen
class LoginHooks:
    """What a login tells the daemon: news for the journal, a message it could not understand, a session that is up."""

    tell: Teller
    fault: Callable[[str], None]
    session_up: Callable[[], None]
    crashed: Callable[[BaseException], None]
    reauthorized: Callable[[], None] = lambda: None  # there is a new credential


@attrs.define(eq=False, repr=False)
class Login:
    name: str
    settings: SessionSettings
    tokens: Tokens
    gate: Gate
    rate: Rate
    ports: Ports
    hooks: LoginHooks
    owner: Callable[[str], Awaitable[Owner | Unreachable]]  # whose a token is
    accounts: frozenset[str]  # the configured ones, by the broker's names
    authorization: Authorization | None = None  # grant oauth alone
    hang_up: Callable[[], Awaitable[None]] | None = None  # closes the connections that requests have left open
    ask_the_time: Callable[[], Awaitable[datetime | None]] | None = None  # of the broker
    rank: Callable[[], Rank] = lambda: Rank.WAITS
    session: Session | None = None
    sockets: int = 0  # sessions begun, for metrics and tests
    faults: int = 0  # messages that could not be understood
    _patience: Patience = attrs.field(factory=Patience)
    _leases: int = 0
    _nursery: trio.Nursery | None = None
    _hearers: dict[BrokerAccountId, Callable[[Event], None]] = attrs.field(factory=dict)
    _wakes: dict[int, float] = attrs.field(factory=dict)
    _probing: trio.Lock = attrs.field(factory=trio.Lock)
    _probe_at: float | None = None  # on trio's clock
    _probed: tuple[float, bool] | None = None  # the probe of that moment, and its answer

    async def the_time(self) -> datetime | None:
        """The broker's clock; None when it cannot be had, or nothing may be asked now."""
        held = self.tokens.restraint.hold is not None
        return None if self.ask_the_time is None or held else await self.ask_the_time()

    @property
    def connected(self) -> bool:
        session = self.session
        return session is not None and session.authorized.is_set() and not session.ended.is_set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Lives as long as the daemon; the login's sessions live in its nursery."""
        self.tokens.load()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._keep_token)
                if self.authorization is not None:
                    await nursery.start(self.authorization.run)
                task_status.started()
                await trio.sleep_forever()
        finally:
            with trio.move_on_after(HANG_UP_LIMIT, shield=True):
                if self.hang_up is not None:
                    await self.hang_up()

    async def _keep_token(self) -> None:
        """A bug in here must not end the other logins, and without a token this one would never come back.

        Meanwhile a dial gets its token: it would wait for it with one of the process's two handshakes in its hand.
        """
        while True:
            try:
                await self.tokens.keep_fresh()
            except Exception as bug:  # noqa: BLE001 - told with its traceback; tried again when a minute has passed
                self.hooks.crashed(bug)
            await self.tokens.serve(AFTER_A_BUG)

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Session]:
        """The login's session, made when there is none. It may not be authorized yet, or may have ended already."""
        session = self._joined()
        self._leases += 1
        try:
            yield session
        finally:
            if session is self.session:
                self._leases -= 1
                if self._leases == 0:
                    session.abandoned.set()

    async def ask_anew(self) -> Outcome:
        """Grant password: the secret is read again, and exactly one token is asked for or renewed. Raises Unfit."""
        self.awaits_successor(True)
        opened = False
        try:
            opened = await self.tokens.anew(self._fits)
        except NoToken as failure:
            raise Unfit(outcomes.of_password(self.name, failure)) from failure
        finally:
            self.awaits_successor(opened)
        if opened:
            self.succeeded()
            return outcomes.authorized(self.name, "")
        self.hooks.reauthorized()
        return outcomes.renewed(self.name)

    async def _fits(self, granted: Granted) -> None:
        """Repair, never replace: what cannot be told is not taken. Raises WrongUser or NoToken."""
        owner = await self.owner(granted.token)
        if isinstance(owner, Unreachable):
            known = self.tokens.purse.user_id
            if known is None or granted.user_id is None:
                raise NoToken(f"it cannot be told whose this credential is ({owner.reason})", Cause.NETWORK)
            owner = Owner(granted.user_id, "the owner of this credential", self.accounts)
        wrong = outcomes.objection(self.name, owner, self.tokens.purse.user_id, self.accounts)
        if wrong is not None:
            raise WrongUser(wrong.what, Cause.CREDENTIALS, final=True, advice=wrong.mend)

    def awaits_successor(self, yes: bool) -> None:
        """We ask for a further session: when the broker ends the present one for it, nobody else has taken it."""
        if self.session is not None:
            self.session.awaits_successor = yes

    def succeeded(self) -> None:
        """There is a new session, so ours of before is let go: the two together would leave none for the user."""
        self.dial_anew("the login has a new token, and its connection is made anew with it")
        self.hooks.reauthorized()

    def dial_anew(self, why: str) -> None:
        """Lets go of the session that lives; its accounts dial again at once, also where the host seemed to be down."""
        self.gate.host.doubted()
        if self.session is not None and self.connected:
            self.session.retire(why)

    def credential_read_again(self) -> bool:
        """After the configuration or a secret may have changed: has the refused credential been mended?"""
        if not self.tokens.mended():
            return False
        self.tokens.credential_changed()
        self.hooks.reauthorized()
        return True

    def own(self, accounts: frozenset[str]) -> None:
        """From now on these are the configured accounts."""
        self.accounts = accounts
        if self.authorization is not None:
            self.authorization.accounts = accounts

    def hear(self, account: BrokerAccountId, hearer: Callable[[Event], None] | None) -> None:
        """From now on facts about this account go to `hearer` (None: to nobody)."""
        if hearer is None:
            self._hearers.pop(account, None)
        else:
            self._hearers[account] = hearer

    def wake_time(self, attempt: int, low: float, high: float) -> float:
        """When this login makes its attempt number `attempt`, on trio's clock. Bounds in seconds from now."""
        now = trio.current_time()
        at = self._wakes.get(attempt)
        if at is None or at <= now:
            at = self._wakes[attempt] = now + self.ports.dice.uniform(low, high)
        return at

    def may_open_at(self, planned: datetime) -> datetime:
        """When a session may come for who is to dial at `planned`.

        Before the end of a hold none is opened, and while the host is down all logins wait for its probe.
        """
        tokens, probe = self.tokens, self.gate.host.next_probe_at
        held = tokens.restraint.held_until(tokens.current is not None)
        return max(filter(None, (planned if probe is None or self._own_address else probe, held)))

    @property
    def _own_address(self) -> str | None:
        """Where this login lives, when that is not on the environment's host."""
        home = self.tokens.home
        return home.socket_address if home is not None and home.elsewhere else None

    def probe_time(self, low: float, high: float) -> float:
        """When the login is probed next, between `low` and `high` seconds from now; on trio's clock."""
        now = trio.current_time()
        if self._probe_at is None or not now < self._probe_at <= now + high:
            self._probe_at = now + self.ports.dice.uniform(low, high)
        return self._probe_at

    async def probe(self, at: float, shared: float = 0.0) -> bool:
        """The slow probe of that moment: does the broker's host take a connection?

        It is made once for all accounts of the login that wait for it, and not at all when another login has made one
        within `shared` seconds.
        """
        await trio.sleep_until(at)
        address = self._own_address
        if self.gate.host.down and address is None:
            return False  # it is probed already, for all logins, and its return wakes them
        async with self._probing:
            if self._probed is None or self._probed[0] != at:
                self._probed = at, await self.gate.probe(address, shared)
            return self._probed[1]

    def _joined(self) -> Session:
        last = self.session
        if last is not None and not last.ended.is_set():
            if last.abandoned.is_set() and not last.authorized.is_set():
                last.abandoned = trio.Event()  # a dial that nobody waited for any more is taken up again
            if not last.abandoned.is_set():
                return last
        assert self._nursery is not None, "a login runs before its accounts do"
        self._leases = 0
        self._hearers.clear()
        self.sockets += 1
        self.session = Session(
            self.settings,
            self.tokens,
            self.gate,
            self.rate,
            self.ports,
            self._deliver,
            self._fault,
            self.rank(),
            self._patience,
        )
        self._nursery.start_soon(self._run_session, self.session, last)
        return self.session

    async def _run_session(self, session: Session, last: Session | None) -> None:
        if last is not None:
            await last.ended.wait()  # its socket may still be closing, and the broker counts
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._say_when_up, session)
            try:
                await session.run()
            except Exception as bug:  # noqa: BLE001 - one session's bug must not end the other logins; it is told
                self.hooks.crashed(bug)
            nursery.cancel_scope.cancel()
        loss = session.loss
        if loss is not None and loss.final:
            self.hooks.tell("token.refused", loss.reason)
        elif loss is not None and loss.cause is not Cause.OPERATOR:
            self.hooks.tell("connection.attempted", f"the session ended: {loss.reason}")

    async def _say_when_up(self, session: Session) -> None:
        await session.authorized.wait()
        self._wakes.clear()
        self.hooks.session_up()

    def _deliver(self, account: BrokerAccountId, event: Event) -> None:
        hearer = self._hearers.get(account)
        if hearer is not None:
            hearer(event)

    def _fault(self, why: str) -> None:
        self.faults += 1
        self.hooks.fault(why)
