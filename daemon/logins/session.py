"""One connection of a login: token, socket, authorize, one syncrequest, then facts until it ends.

Rule 1: one nursery holds reader, writer, heartbeat and everything else of the session; when it ends, all of them have.
Rule 2: what may be expected to go wrong is named in `run` and becomes `loss`; anything else is a bug and ends this
        session alone, loudly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs
import trio

from daemon.logins import losses
from daemon.logins.calls import Call, Urgency
from daemon.logins.contracts import Contracts
from daemon.logins.correspondence import WRITE_LIMIT, Correspondence
from daemon.logins.gate import Gate, NotNow
from daemon.logins.host import WRONG_HOST
from daemon.logins.inquiry import Inquiry
from daemon.logins.losses import Loss
from daemon.logins.rate import Rate
from daemon.logins.reading import Patience, Reading
from daemon.logins.reads import Reads
from daemon.logins.tokens import NoToken, Token, Tokens
from daemon.logins.turns import Rank
from daemon.ports import Ports
from daemon.tradovate import bundle, frames
from daemon.tradovate.frames import Closing, Frame, Heartbeat, Malformed, Messages, Opened, Pushed, Response
from daemon.tradovate.messages import Penalty
from daemon.tradovate.mirror import Facts, Mirror
from daemon.tradovate.socket import Connection, SocketLost, connected
from statecharts.events import Event
from statecharts.states import Cause
from statecharts.values import BrokerAccountId

OPEN_LIMIT = 10.0  # seconds for `o` and for the answer to authorize: the broker's own sample gives up then


@attrs.frozen
class SessionSettings:
    """`silence_limit` in seconds: nothing received for so long means that the socket is dead."""

    silence_limit: float


Deliver = Callable[[BrokerAccountId, Event], None]
Fault = Callable[[str], None]


@attrs.define(eq=False, repr=False)
class Session:
    """`authorized`, `synced` and `ended` are set in this order, each at most once; `loss` says why it ended."""

    settings: SessionSettings
    tokens: Tokens
    gate: Gate
    rate: Rate
    ports: Ports
    deliver: Deliver
    fault: Fault  # told of every message that could not be understood: logged and counted, never fatal
    rank: Rank = Rank.WAITS  # of its dial, among those of other logins
    patience: Patience = attrs.field(factory=Patience)
    authorized: trio.Event = attrs.field(factory=trio.Event)
    synced: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    abandoned: trio.Event = attrs.field(factory=trio.Event)  # the last lease is gone
    awaits_successor: bool = False  # we are asking for another session ourselves: the broker may end this one for it
    waits_for_a_dial: bool = False  # others of the process go before it
    loss: Loss | None = None
    mirror: Mirror = attrs.field(factory=Mirror)
    correspondence: Correspondence = attrs.field(init=False)
    _token: Token | None = attrs.field(default=None, repr=False)
    _announced: Loss | None = None  # what the broker said before it closed
    _retired: Loss | None = None
    _listing: trio.Lock = attrs.field(factory=trio.Lock)
    contracts: Contracts = attrs.field(init=False)
    _reading: Reading = attrs.field(init=False)
    _inquiry: Inquiry = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.correspondence = Correspondence(self.rate, self.ended)
        self._inquiry = Inquiry(self.tokens, self.gate.budget, self.rate)
        self.contracts = Contracts(self.mirror, self.ports.wall, self.request, self._hand_out)
        self._reading = Reading(
            self.mirror,
            self.ports,
            Reads(self.request, self._penalised, self._put_off),
            self._hand_out,
            self.synced,
            self._readable,
            lambda: self._readable() and self.rate.allows(Urgency.SPARE),
            self.rate.held,
            self.patience,
        )

    def request(self, endpoint: str, body: object | None, urgency: int, query: str = "") -> Call:
        """Queues a request at once; the answer is awaited with `Call.answer`."""
        return self.correspondence.request(endpoint, body, urgency, query)

    async def whole(self) -> None:
        """Waits until accounts can be read: an order whose contract has no name yet would be missing."""
        await self.synced.wait()
        await self._reading.all_named()

    async def account_listed(self, name: str) -> BrokerAccountId | None:
        """The account of this name, when the broker's list has it now. When that cannot be had the session ends."""
        async with self._listing:
            if self.mirror.account_id(name) is None:  # who waited may find it in the answer to another
                await self._reading.accounts_listed()
        return self.mirror.account_id(name)

    async def settled(self, account: BrokerAccountId, anew: bool) -> None:
        """Waits for a moment in which this account can be read; `anew`: on a session that has been live for a while."""
        await self._reading.settled(account, anew)

    def retire(self, reason: str) -> None:
        """Ends this session because we want another one in its place; its accounts dial again at once."""
        self._retired = Loss(reason, Cause.OPERATOR)
        self.abandoned.set()

    async def run(self) -> None:
        """Lives until the socket is lost or the last lease is gone. Raises only for bugs."""
        loss = Loss("copierd ended the session", Cause.OPERATOR)
        passage = self.gate.passage(self.tokens.home, self.rank)
        try:
            self.waits_for_a_dial = True
            await passage.begin()
            self.waits_for_a_dial = False
            token = self._token = await self.tokens.valid()
            async with connected(self.ports.network, passage.address) as connection:
                passage.reached()
                refused = await self._authorize(connection, token)
                passage.through()
                if refused is not None:
                    words = refused.data if isinstance(refused.data, str) else "no reason given"
                    raise await self._inquiry.refused(token, refused.status, words)
                self.tokens.accepted()
                loss = await self._live(connection, token)
        except NotNow as error:
            loss = Loss(error.reason, error.cause)
        except NoToken as error:
            passage.failed(silence=error.cause is Cause.NETWORK)
            loss = Loss(error.reason, error.cause, error.final, error.advice)
        except SocketLost as error:
            passage.failed(silence=error.status is None)
            passage.through()
            loss = self._announced or await self._moved(error) or Loss(error.reason, losses.cause_of(error))
        except trio.TooSlowError:
            loss = Loss(f"the broker did not answer within {OPEN_LIMIT:g} s")
        except Exception:
            loss = Loss("a bug in copierd ended the session", Cause.BUG)
            raise
        finally:
            self.waits_for_a_dial = False
            passage.through()
            self._end(loss)

    async def _moved(self, lost: SocketLost) -> Loss | None:
        """What a 421 comes to: the broker may name the host on which this login lives."""
        if lost.status != WRONG_HOST:
            return None
        try:
            moved = await self.tokens.moved()
        except NoToken:
            moved = False
        if moved:
            return losses.MOVED
        return losses.UNNAMED_HOST

    def _end(self, loss: Loss) -> None:
        self.loss = loss = attrs.evolve(loss, reason=self._clean(loss.reason))
        self.correspondence.lose(loss.reason)
        self.ended.set()

    def _fault(self, why: str) -> None:
        self.fault(self._clean(why))

    def _clean(self, words: str) -> str:
        """Real world: an answer may quote what was said. The broker's words go into the journal and the ledger."""
        for token in (self._token, self.tokens.current):
            if token is not None:
                words = words.replace(token.text, "***")
        return words

    async def _authorize(self, connection: Connection, token: Token) -> Response | None:
        """None when the broker accepts the token, else how it refuses it."""
        with trio.fail_after(OPEN_LIMIT):
            while not isinstance(await self._heard(connection), Opened):
                pass
            self.rate.spend()
            await connection.send(frames.authorize(0, token.text))
            while True:
                for response in _responses(await self._heard(connection)):
                    if response.id == 0:
                        return None if response.status == 200 else response

    def _readable(self) -> bool:
        return self.rate.allows(Urgency.READ) and not self.tokens.reads_held

    def _put_off(self, penalty: Penalty) -> NoToken:
        """The broker has answered a read with a penalty: the login reads nothing for its time."""
        return self.tokens.restraint.penalise_reads(penalty.seconds, penalty.captcha)

    def _penalised(self, penalty: Penalty) -> str:
        """And this session, which cannot do without it, ends."""
        no = self._put_off(penalty)
        self._announced = Loss(no.reason, no.cause, advice=no.advice)
        return no.reason

    async def _heard(self, connection: Connection) -> Frame:
        """A frame before there is a session: it may say already why there will be none."""
        frame = await connection.receive(self.settings.silence_limit)
        self._note(frame)
        if isinstance(frame, Messages):
            self._pushed([item for item in frame.items if isinstance(item, Pushed)])
        return frame

    async def _live(self, connection: Connection, token: Token) -> Loss:
        loss = Loss("no account needs it any more", Cause.OPERATOR)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.correspondence.write, connection)
                nursery.start_soon(self._read, connection)
                nursery.start_soon(self.correspondence.beat)
                nursery.start_soon(self._reading.run, token)
                nursery.start_soon(self._reading.read_back)
                nursery.start_soon(self._reading.useless)
                nursery.start_soon(self._inquire)
                self.authorized.set()
                await self.abandoned.wait()
                loss = self._retired or loss
                nursery.cancel_scope.cancel()
        except* SocketLost as lost:
            loss = self._announced or Loss(losses.first_reason(lost))
        except* trio.TooSlowError:
            loss = Loss(f"a frame could not be written within {WRITE_LIMIT:g} s")
        return loss

    async def _inquire(self) -> None:
        self._announced = await self._inquiry.run()
        raise SocketLost(self._announced.reason)

    async def _read(self, connection: Connection) -> None:
        await connection.listen(self._hear, self.settings.silence_limit)

    def _hear(self, frame: Frame) -> None:
        if isinstance(frame, Messages):
            self._take(frame)
        else:
            self._note(frame)

    def _note(self, frame: Frame) -> None:
        """One that cannot be understood is counted; one that announces the end is its reason."""
        match frame:
            case Malformed(why=why):
                self._fault(why)
            case Closing(code=code, reason=reason):
                self._announced = self._announced or Loss(
                    f"the broker closed: {reason or 'no reason'} ({code})", Cause.BROKER
                )
            case Opened() | Heartbeat() | Messages():
                pass

    def _take(self, messages: Messages) -> None:
        for why in messages.faults:
            self._fault(why)
        told: list[tuple[BrokerAccountId, Event]] = []
        pushed: list[Pushed] = []  # since the last answer, which may be a part of the snapshot
        folded = False
        for item in messages.items:
            if isinstance(item, Pushed):
                if item.name == "shutdown" or not self.mirror.ignores(item):
                    pushed.append(item)
                    folded = True
                continue
            told += self._pushed(pushed)
            pushed = []
            self._answered(item)
        if folded:
            told += self._pushed(pushed)
            self._hand_out(told, ())

    def _answered(self, response: Response) -> None:
        call = self.correspondence.answered(response)
        if call is not None:
            self._inquiry.look_at(response.status, call.endpoint)
        else:
            self._reading.another_answer(response)

    def _pushed(self, items: Sequence[Pushed]) -> Facts:
        if not items:
            return ()
        for shutdown in (item for item in items if item.name == "shutdown"):
            data = shutdown.data if isinstance(shutdown.data, dict) else {}
            self._announced = losses.shutdown(str(data.get("reasonCode", "no reason")), self.awaits_successor)
            if self._announced.cause is Cause.EVICTED:
                self.tokens.evicted()
        facts, faults = self.mirror.fold_all((item for item in items if item.name != "shutdown"), self.ports.wall())
        for why in faults:
            self._fault(why)
        return facts

    def learn(self, entity_type: str, entity: object) -> None:
        """What was asked for, and no event has told."""
        self._hand_out(*self.mirror.learn(entity_type, entity, self.ports.wall()))

    def _hand_out(self, facts: Iterable[tuple[BrokerAccountId, Event]], faults: Iterable[str]) -> None:
        for why in faults:
            self._fault(why)
        if self.synced.is_set():  # before that the mirror keeps them, and the snapshot will hold them
            for account, event in bundle.of_one_frame(facts):
                self.deliver(account, event)
            if self.mirror.missing_contracts():
                self._reading.names.seek()


def _responses(frame: Frame) -> list[Response]:
    return [item for item in frame.items if isinstance(item, Response)] if isinstance(frame, Messages) else []
