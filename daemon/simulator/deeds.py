"""One-shot acts against the clients: what a test, a faults file or a demo lets happen at a moment.

`login` is the key the login was built with; None means all of them. Everything else that goes wrong is a Faults value.
"""

import json

import attrs

from daemon.simulator.broker import Broker
from daemon.simulator.entities import OF_THE_SESSION
from daemon.simulator.service import Fate, Observer, Penalty, Service, nobody
from daemon.simulator.session import Ending, Session
from daemon.simulator.tokens import TokenSession

QUOTA = {"e": "shutdown", "d": {"reasonCode": "ConnectionQuotaReached", "reason": "Too many connections"}}


class Deeds(Service):
    """The service and its live sockets."""

    def __init__(self, broker: Broker, observer: Observer = nobody) -> None:
        super().__init__(broker, observer)
        self.sessions: list[Session] = []
        self.sockets_opened = 0  # handshakes that succeeded
        self.handshakes_refused = 0
        self.on_evicted = self._close_evicted

    # ---- sockets

    def live_sockets(self, login: str | None = None) -> list[Session]:
        """The sockets that are open, and authorized when a login is named."""
        return [session for session in self.sessions if login is None or self._login_of(session) == login]

    def drop_sockets(self, login: str | None = None, code: int = 0, reason: str = "") -> None:
        """End sockets: cut the connection when `code` is 0, else a WebSocket close with this code."""
        for session in self.live_sockets(login):
            session.end(Ending(code, reason))

    def go_away(self, login: str | None = None, code: int = 3000, reason: str = "Go away!") -> None:
        """Send a close notice `c[code,"reason"]`, then close."""
        for session in self.live_sockets(login):
            session.farewell(f"c[{code},{json.dumps(reason)}]", Ending(1000, reason))

    def shut_down(self, login: str | None = None, reason_code: str = "Maintenance", reason: str = "") -> None:
        """Send a shutdown event (Maintenance, ConnectionQuotaReached, IPQuotaReached), then close."""
        data = {"reasonCode": reason_code, **({"reason": reason} if reason else {})}
        for session in self.live_sockets(login):
            self.observer("event", "ws", "shutdown", None, data)
            session.farewell({"e": "shutdown", "d": data}, Ending(1000))

    def half_open(self, login: str | None = None) -> None:
        """From now on these sockets hear nothing and say nothing, and nobody is told."""
        for session in self.live_sockets(login):
            session.dark = True

    def send_frame(self, frame: str, login: str | None = None) -> None:
        """Send this text as a frame: malformed JSON, an unknown kind, whatever."""
        for session in self.live_sockets(login):
            session.push(frame)

    def send_huge(self, login: str | None = None, size: int = 5_000_000) -> None:
        """Send one valid event of at least this many characters."""
        for session in self.live_sockets(login):
            session.push({"e": "otherEnvironmentAdminAlert", "d": {"text": "x" * size}})

    def replay(self, login: str | None = None) -> None:
        """Push all orders, commands, reports and fills again, as seen at the turn of a session.

        Also those that the lists have forgotten at that turn: the day is told once more.
        """
        for session in self.live_sockets(login):
            for kind in OF_THE_SESSION:
                for row in [*self.broker.past[kind], *self.broker.entities.rows(kind)]:
                    if session.subscribed is not None and row.owner in session.subscribed:
                        data = {"entityType": kind, "eventType": "Created", "entity": dict(row.entity)}
                        session.push({"e": "props", "d": data})

    # ---- tokens

    def expire_tokens(self, login: str) -> None:
        """All tokens of the user end now; sockets stay."""
        self.tokens.expire(self.broker.logins[login])

    def revoke_tokens(self, login: str) -> None:
        """All tokens of the user are void now; sockets stay."""
        self.tokens.revoke(self.broker.logins[login])

    def evict(self, login: str) -> None:
        """Another program has logged in with this user: all its sessions are closed."""
        self._close_evicted(self.tokens.evict(self.broker.logins[login]))

    def change_password(self, login: str, password: str) -> None:
        """The password changes and the tokens are void."""
        user = self.broker.logins[login]
        user.spec = attrs.evolve(user.spec, password=password)
        self.revoke_tokens(login)
        self.oauth.revoke(user)

    def refuse_refresh(self, times: int = 1) -> None:
        """Answer the next refreshes with invalid_token, though nothing is wrong with them."""
        self.oauth.refusals += times

    # ---- requests to come: the next order requests, or those of `endpoint`

    def lose_request(self, times: int = 1, endpoint: str | None = None) -> None:
        """The next requests never reach the broker."""
        self._prepare(Fate(lost=True), times, endpoint)

    def accept_and_lose_answer(self, times: int = 1, endpoint: str | None = None) -> None:
        """The next requests are accepted and never answered."""
        self._prepare(Fate(silent=True), times, endpoint)

    def accept_late(self, delay: float, times: int = 1, endpoint: str | None = None) -> None:
        """The next requests are accepted and answered so much later."""
        self._prepare(Fate(late=delay), times, endpoint)

    def accept_then_fail(self, status: int = 500, times: int = 1, endpoint: str | None = None) -> None:
        """The next requests are accepted and answered with this status."""
        self._prepare(Fate(status=status), times, endpoint)

    def accept_then_cut(self, times: int = 1, endpoint: str | None = None) -> None:
        """The next requests are accepted and the connection is cut instead of an answer."""
        self._prepare(Fate(cut=True), times, endpoint)

    def spare(self, times: int = 1, endpoint: str | None = None) -> None:
        """The next requests are treated well, so that a later one meets what is prepared after them."""
        self._prepare(Fate(), times, endpoint)

    def _prepare(self, fate: Fate, times: int, endpoint: str | None) -> None:
        fate = attrs.evolve(fate, endpoint=endpoint.lower() if endpoint else None)
        self.fates.extend(fate for _ in range(times))

    def penalise(
        self,
        endpoint: str = "auth/accesstokenrequest",
        seconds: int = 15,
        captcha: bool = False,
        times: int = 1,
    ) -> None:
        """Answer the next calls of this endpoint with a p-ticket; they are not handled."""
        self.penalties.extend(Penalty(seconds, captcha, endpoint.lower()) for _ in range(times))

    def reject_next(
        self,
        account: str,
        reason: str = "UnknownReason",
        text: str = "refused on purpose",
        stage: str = "risk",
        times: int = 1,
    ) -> None:
        """Refuse the account's next orders at "answer", "risk" or "exchange"."""
        self.broker.reject_next(account, reason, text, stage, times)

    # ---- the whole house

    def go_down(self, refusing: bool = False, shutdown: bool = False) -> None:
        """REST 503 and no handshakes, or with `refusing` nothing at all; sockets end, with a notice if `shutdown`."""
        self.faults = attrs.evolve(self.faults, down=True, refusing=refusing)
        if shutdown:
            self.shut_down()
        else:
            self.drop_sockets()

    def come_up(self) -> None:
        """Back again."""
        self.faults = attrs.evolve(self.faults, down=False, refusing=False)

    def close_session(self) -> None:
        """The turn of the trading session: Day orders expire, lists are emptied."""
        self.broker.close_session()

    def _login_of(self, session: Session) -> str | None:
        return session.token.session.login.key if session.token else None

    def _close_evicted(self, gone: list[TokenSession]) -> None:
        if not self.faults.evict_closes_sockets:
            return
        for session in list(self.sessions):
            if session.token is not None and session.token.session in gone:
                session.farewell(dict(QUOTA), Ending(1000, "evicted"))
