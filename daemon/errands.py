"""Effects carried out: one coroutine each, in the account's nursery, under a deadline, coming back as an event.

Rule 1: an errand decides nothing. It sends once, waits, and says what it heard, or that it heard nothing.
Rule 2: a request is queued in the same instant as its turn was written down, on the session of that instant. When it
        ends, what had not begun is NeverSent and what had begun is AnswerLost; nothing moves to another session.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import attrs
import trio

from daemon import look_ups, readings
from daemon.bulletins import Board
from daemon.logins.calls import Answered, Call, Lost
from daemon.logins.session import Session
from daemon.ports import Ports
from daemon.runner import Begin
from daemon.tradovate import messages
from daemon.tradovate.messages import Accepted, Doubtful, Held, Penalty, Refused
from statecharts.effects import (
    CancelOrder,
    Effect,
    LookUp,
    ModifyOrder,
    PlaceOco,
    PlaceOrder,
    PlaceOso,
    Priority,
    ReadAnew,
    ReadBalance,
    ReadContract,
    Request,
    Tell,
    TellLogin,
    Unexpected,
    WakeAt,
)
from statecharts.events import (
    AlarmRang,
    AnswerLost,
    Event,
    LoginEvent,
    NeverSent,
    RequestAccepted,
    RequestPenalised,
    RequestRefused,
    RequestSent,
    SnapshotTaken,
)
from statecharts.states import State
from statecharts.values import AccountName, BrokerAccountId, OrderId, Symbol

ANSWER_LIMIT = 10.0  # seconds: the broker answers in milliseconds; after this nobody should go on hoping
LOOK_AT_THE_CLOCK = 60.0  # seconds: nobody says when it has been set
SET_BACK = 2.0  # seconds: more than a clock is slewed meanwhile
SLOW_ANSWER = 0.5  # seconds: from then on the copies show that a request was sent, though unanswered


@attrs.frozen
class _Ticket:
    """What the broker gave for a request that it has put off. It is kept nowhere: a restart asks without it."""

    text: str = attrs.field(repr=False)
    endpoint: str
    body: messages.Body


@attrs.define(eq=False, repr=False)
class AccountErrands:
    """`session` answers the account's present session if its snapshot has been taken from it, else None."""

    account: AccountName
    broker_name: str  # Tradovate's accountSpec
    session: Callable[[], Session | None]
    post: Callable[[Event], None]
    ports: Ports
    board: Board
    login: str
    state: Callable[[], State]  # of the account, at this moment
    circumstances: Callable[[str], tuple[str, str | None]]  # what the accounts hold, beside an event of that name
    neighbours: Callable[[LoginEvent], None]  # tells the other accounts of the login
    siblings: Callable[[], int]  # how many followers of its login follow the same leader, this one included
    unexpected: int = 0
    under_way: int = 0  # requests without an answer; a stop waits for these
    _tickets: dict[str, _Ticket] = attrs.field(factory=dict, repr=False)  # by client order id
    _nursery: trio.Nursery | None = None
    _alarm: datetime | None = None
    _alarm_set: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._ring)
            task_status.started()
            await trio.sleep_forever()

    def perform(self, effect: Effect) -> Begin | None:
        """Begins at once what cannot wait until the bytes are out, and answers how to begin what can. Never waits."""
        match effect:
            case Request():
                return self._request(effect)
            case LookUp():
                self._start(self._look_up, effect)
            case ReadAnew(account=account):
                self._start(self._read_anew, account)
            case ReadBalance(account=account):
                self._start(self._read_balance, account)
            case ReadContract(symbol=symbol):
                self._start(self._read_contract, symbol)
            case WakeAt(at=at):
                self._alarm = at
                return self._set_alarm  # twenty tasks that look at their alarms would run before the one that writes
            case Tell():
                self._tell(effect)
            case TellLogin(event=event):
                self.neighbours(event)
            case Unexpected(state=state, event=kind):
                self.unexpected += 1
                words = f"{self.account}: {kind} in {state}"
                self.board.journal.say("unexpected", words, severity="debug", account=self.account)
        return None

    def _tell(self, effect: Tell) -> None:
        """The chart's words, and what the daemon knows beyond this one account."""
        more, way_out = self.circumstances(effect.event)
        words = effect.message if effect.event.startswith("leader.") else f"{self.account}: {effect.message}"
        remedy = effect.remedy or way_out
        state = self.state()
        self.board.tell(
            effect.event,
            f"{words}. {more}" if more else words,
            severity=effect.severity.value,
            account=self.account,
            login=self.login,
            state=state.shown,
            cause=state.cause.value if state.cause else None,
            reason=effect.reason,
            remedy=remedy and remedy.replace("ACCOUNT", self.account).replace("LOGIN", self.login),
            copy=effect.copy,
        )

    def _request(self, effect: Request) -> Begin | None:
        session = self.session()
        reason = "not connected" if session is None else self._held(effect, session)
        if session is None or reason is not None:
            self.post(
                NeverSent(at=self.ports.wall(), copy=effect.copy, client_id=effect.client_id, reason=reason or "")
            )
            return None
        endpoint, body = self._said(effect)
        call = session.request(endpoint, self._with_ticket(effect, endpoint, body), effect.priority)
        self.under_way += 1
        return partial(self._start, self._await_answer, effect, call, session, self.ports.wall())

    def _said(self, effect: Request) -> tuple[str, messages.Body]:
        match effect:
            case PlaceOso():
                return messages.place_oso(effect, self.broker_name)
            case PlaceOco():
                return messages.place_oco(effect, self.broker_name)
            case PlaceOrder():
                return messages.place(effect, self.broker_name)
            case ModifyOrder():
                return messages.modify(effect)
            case CancelOrder():
                return messages.cancel(effect)
        raise TypeError(f"no way to send {effect!r}")

    def _with_ticket(self, effect: Request, endpoint: str, body: messages.Body) -> messages.Body:
        """A request that the broker has put off is the same one only with the ticket that it was given for it."""
        asked = self._tickets.pop(effect.client_id, None)
        if asked is None or (asked.endpoint, asked.body) != (endpoint, body):
            return body
        return {**body, "p-ticket": asked.text}

    def _held(self, effect: Request, session: Session) -> str | None:
        """Why an entry is not sent now; exits, changes and cancels are tried also while the process holds."""
        if effect.priority is not Priority.ENTRY:
            return None
        held = session.gate.budget.hold_reason
        return held or session.rate.admit(effect.cause or effect.client_id, self.siblings)

    async def _await_answer(self, effect: Request, call: Call, session: Session, queued_at: datetime) -> None:
        try:
            outcome = await self._soon(effect, call, queued_at)
            if outcome is None:
                outcome = await call.answer(ANSWER_LIMIT - SLOW_ANSWER)
        finally:
            self.under_way -= 1
        self.post(self._told(effect, outcome, queued_at, session))
        if isinstance(outcome, Lost):
            # The wait is over, the session may not be: an answer that comes after all ends the doubt.
            late = await call.late_answer()
            if late is not None:
                self.post(self._told(effect, late, queued_at, session))

    async def _soon(self, effect: Request, call: Call, sent_at: datetime) -> Answered | Lost | None:
        with trio.move_on_after(SLOW_ANSWER):
            await call.done.wait()
        if call.outcome is None and call.written.is_set():
            now = self.ports.wall()
            self.post(RequestSent(at=now, copy=effect.copy, client_id=effect.client_id, sent_at=sent_at))
        return call.outcome

    def _told(self, effect: Request, outcome: Answered | Lost, sent_at: datetime, session: Session) -> Event:
        now = self.ports.wall()
        copy, name = effect.copy, effect.client_id
        if isinstance(outcome, Lost):
            if outcome.begun:
                return AnswerLost(at=now, copy=copy, client_id=name, reason=outcome.reason, sent_at=sent_at)
            return NeverSent(at=now, copy=copy, client_id=name, reason=outcome.reason)
        match messages.answer(outcome.status, outcome.data):
            case Accepted(order_id=order_id, legs=ids):
                accepted = None if order_id is None else OrderId(order_id)
                pairs = zip(effect.legs, ids, strict=False)
                legs = tuple((leg.copy, OrderId(number)) for leg, number in pairs if number is not None)
                return RequestAccepted(at=now, copy=copy, client_id=name, order_id=accepted, sent_at=sent_at, legs=legs)
            case Refused(reason=reason, text=text):
                pass
            case Penalty() as penalty:
                return self._penalised(effect, penalty, sent_at, session)
            case Held(status=status):
                reason, text = str(status), "the broker limits this login's requests"
            case Doubtful(why=why):
                return AnswerLost(at=now, copy=copy, client_id=name, reason=why, sent_at=sent_at)
        return RequestRefused(at=now, copy=copy, client_id=name, reason=reason, text=text, sent_at=sent_at)

    def _penalised(self, effect: Request, penalty: Penalty, sent_at: datetime, session: Session) -> Event:
        session.rate.shrink()
        if penalty.ticket and not penalty.captcha:
            self.board.journal.keep_secret(penalty.ticket)
            endpoint, body = self._said(effect)
            self._tickets[effect.client_id] = _Ticket(penalty.ticket, endpoint, body)
        return RequestPenalised(
            at=self.ports.wall(),
            copy=effect.copy,
            client_id=effect.client_id,
            seconds=penalty.seconds,
            captcha=penalty.captcha,
            sent_at=sent_at,
        )

    async def _look_up(self, effect: LookUp) -> None:
        await trio.sleep(max(0.0, (effect.not_before - self.ports.wall()).total_seconds()))
        self.post(await look_ups.made(self.session(), effect, self.ports.wall))

    async def _read_balance(self, account: BrokerAccountId) -> None:
        self.post(await readings.balance(self.session(), account, self.ports.wall))

    async def _read_contract(self, symbol: Symbol) -> None:
        self.post(await readings.contract(self.session(), symbol, self.ports.wall))

    async def _read_anew(self, account: BrokerAccountId) -> None:
        """Without a session nothing has to be done: the account is read when there is one again."""
        session = self.session()
        if session is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_on, session, account, nursery.cancel_scope)
            await session.ended.wait()
            nursery.cancel_scope.cancel()

    async def _read_on(self, session: Session, account: BrokerAccountId, done: trio.CancelScope) -> None:
        await session.settled(account, anew=True)
        snapshot = session.mirror.snapshot(account, self.ports.wall())
        if snapshot is not None and self.session() is session:
            self.post(SnapshotTaken(at=self.ports.wall(), snapshot=snapshot))
        done.cancel()

    async def _ring(self) -> None:
        """The account's one alarm. It follows the wall clock, and rings too when that has been set back meanwhile."""
        while True:
            self._alarm_set = trio.Event()
            now, began, alarm = self.ports.wall(), trio.current_time(), self._alarm
            left = LOOK_AT_THE_CLOCK if alarm is None else (alarm - now).total_seconds()
            if left > 0:
                with trio.move_on_after(min(left, LOOK_AT_THE_CLOCK)):
                    await self._alarm_set.wait()
                passed = (self.ports.wall() - now).total_seconds()
                if passed > trio.current_time() - began - SET_BACK:
                    continue
            self._alarm = None
            self.post(AlarmRang(at=self.ports.wall()))

    def _set_alarm(self) -> None:
        self._alarm_set.set()

    def _start(self, errand: Callable[..., object], *arguments: object) -> None:
        assert self._nursery is not None, "errands run inside their account"
        self._nursery.start_soon(errand, *arguments)  # type: ignore[arg-type]  # bound coroutine functions of this class
