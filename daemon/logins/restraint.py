"""Why a login does not ask for a token now: its credential was refused, a refusal is in doubt, or the broker holds it.

Rule 1: a refused credential is not asked again until it has changed or the operator has said so, also not after a
        restart. Its fingerprint is kept, never itself.
Rule 2: a doubtful refusal counts when it has been repeated.
Rule 3: what the broker asks to wait is waited for, also over a restart. A captcha is waited for as long, and the
        operator is told that only a human can solve it; when he says that he has, it is waited for no longer. A clock
        that is set back meanwhile makes a wait begin anew, and never longer than it was.
Rule 4: tokens that are refused although they are new are a reason to wait, each time longer: every request for another
        opens a session.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import attrs

from daemon.logins.budget import Budget, Spent
from daemon.logins.grant import CAPTCHA, SOLVE_IT, Facts, Grant, NoToken
from daemon.ports import Ports
from statecharts.states import Cause

DOUBTS = 6  # refusals of a refresh in a row until they count: single ones are often transient
DOUBT_RETRY = (25.0, 50.0)  # seconds between them: two to four minutes in all
HOLD_AFTER_REFUSALS = timedelta(minutes=5)  # doubled each time: a new token was refused as well, so more will not help
LONGEST_HOLD = timedelta(hours=1)
TICKET_LASTS = timedelta(hours=1)  # after its time; nothing is known of how long it is good
HOLD_AFTER_CAPTCHA = timedelta(hours=1)  # what the broker's documents say; a program cannot solve it


@attrs.frozen
class Hold:
    """Nothing is asked before `until`. `ticket` goes with the next request; `captcha`: only a human can shorten it.

    `reads`: what a session has read was answered so, and no other is opened meanwhile, also with a token that has time.
    `since` is by the same clock as `until`; None in a ledger of before it was kept.
    """

    until: datetime
    reason: str
    ticket: str = attrs.field(default="", repr=False)
    captcha: bool = False
    reads: bool = False
    since: datetime | None = None

    def at(self, now: datetime) -> Hold:
        """The same, by a clock that may have been set back since: how much of it is over is not known then."""
        if self.since is None or self.since <= now:
            return self
        return attrs.evolve(self, until=now + (self.until - self.since), since=now)


@attrs.define(eq=False, repr=False)
class Restraint:
    """One login's. `budget` is the process's."""

    login: str
    grant: Grant
    facts: Facts
    ports: Ports
    budget: Budget
    doubted_until: datetime | None = None
    _refused: tuple[str, NoToken] | None = None  # the credential's fingerprint, "" where there was none
    _useless: int = 0  # grants without a token that can be used, one after the other
    _refusals: int = 0  # tokens that the broker did not accept, one after the other
    _doubts: int = 0
    _doubt: NoToken | None = None
    _hold: Hold | None = None

    def load(self) -> None:
        """Takes up what the last process knew."""
        refused = self.facts.fact(self._refusal_key)
        if refused:
            fingerprint, reason = json.loads(refused)
            self._refused = fingerprint, NoToken(reason, Cause.CREDENTIALS, final=True)
        self._hold = kept_hold(self.facts, self.login)

    @property
    def refusal(self) -> str | None:
        """Why the credential counts as refused; None when it does not."""
        return None if self._refused is None else self._refused[1].reason

    @property
    def hold(self) -> Hold | None:
        """What the broker has asked this login to wait for, while it lasts."""
        now = self.ports.wall()
        self._hold = self._hold and self._hold.at(now)
        return self._hold if self._hold is not None and self._hold.until > now else None

    def held_until(self, has_token: bool) -> datetime | None:
        """Before then no session can be opened, whatever is tried; None when one may be."""
        hold = self.hold
        held = [self.budget.held_until, None if has_token else self.budget.tokens_held_until]
        if hold is not None and (hold.reads or not has_token):
            held.append(hold.until)
        return max(filter(None, held), default=None)

    @property
    def ticket(self) -> str:
        """Of a penalty that has been waited for: the next request must show it."""
        over = self._hold is not None and self.hold is None and self.ports.wall() < self._hold.until + TICKET_LASTS
        return self._hold.ticket if self._hold is not None and over else ""

    @property
    def in_doubt(self) -> bool:
        """Is a refusal being repeated before it counts?"""
        return self._doubts > 0

    def mended(self) -> bool:
        """Is there another credential now than the one that was refused?"""
        try:
            return self._refused is not None and self.grant.fingerprint() != self._refused[0]
        except NoToken:
            return False

    def session_opened(self) -> None:
        """With this credential: its fingerprint is kept."""
        self.facts.keep_fact(f"opened {self.login}", self.grant.asked_with)

    def same_credential(self) -> bool:
        """Is it still the one that the present session was opened with? Raises NoToken when there is none."""
        return self.grant.fingerprint() == self.facts.fact(f"opened {self.login}")

    def check(self) -> None:
        """May a token be asked for by itself? Raises NoToken."""
        if self._refused is not None and not self.mended():
            raise self._refused[1]
        if self._doubt is not None and self._doubt_lasts():
            raise self._doubt
        self.check_hold()

    def check_hold(self) -> None:
        """May anything be asked? Raises NoToken."""
        self._allowed(self.budget.not_held)
        hold = self.hold
        if hold is not None:
            words = f"{hold.reason}; nothing is asked before {hold.until:%H:%M:%S} UTC"
            raise NoToken(words, Cause.PENALTY, advice=_advice(hold))

    def check_budget(self) -> None:
        """Is a request for a token within the process's budget? Raises NoToken."""
        self._allowed(self.budget.token_request)

    def refuse(self, reason: str) -> NoToken:
        """A definite no, remembered with the credential that it was said to."""
        self._doubt = self.doubted_until = None
        no = NoToken(reason, Cause.CREDENTIALS, final=True)
        self._refused = self.grant.asked_with, no
        self.facts.keep_fact(self._refusal_key, json.dumps([self.grant.asked_with, reason]))
        return no

    def nothing_to_ask_with(self, no: NoToken) -> None:
        """There is no credential. Another one, once it is there, is told by its fingerprint."""
        self._refused = "", no

    def doubt(self, reason: str, ends: datetime | None) -> NoToken:
        """A refusal that is often transient. `ends`: with what is asked at all."""
        self._doubts += 1
        now = self.ports.wall()
        if self._doubts >= DOUBTS or (ends is not None and ends <= now):
            return self.refuse(reason)
        self.doubted_until = now + timedelta(seconds=self.ports.dice.uniform(*DOUBT_RETRY))
        self._doubt = NoToken(f"{reason}; it is tried again", Cause.CREDENTIALS)
        return self._doubt

    def is_doubt(self, error: NoToken) -> bool:
        return error is self._doubt

    def penalise(self, seconds: int, ticket: str, captcha: bool) -> NoToken:
        """The broker has answered with a penalty ticket; nothing was done."""
        if captcha:
            return self.wait_until(Hold(self.ports.wall() + HOLD_AFTER_CAPTCHA, CAPTCHA, captcha=True))
        until = self.ports.wall() + timedelta(seconds=seconds)
        return self.wait_until(Hold(until, "the broker asks to wait (penalty ticket)", ticket))

    def penalise_reads(self, seconds: int, captcha: bool) -> NoToken:
        """A penalty for what a session has read; its ticket is of no token request."""
        no = self.penalise(seconds, "", captcha)
        if self._hold is not None:
            no = self.wait_until(attrs.evolve(self._hold, reads=True))
        return no

    @property
    def reads_held(self) -> bool:
        """Has the broker put off what a session reads?"""
        return self.hold is not None and self.hold.reads

    def check_reads(self) -> None:
        """May a session be opened with the token that there is? Raises NoToken."""
        if self.reads_held:
            self.check_hold()

    def limited(self, status: int, announced: float | None) -> NoToken:
        """Too many requests: the whole process holds. `announced` in seconds."""
        reason = f"the broker limits requests ({status})"
        wait = timedelta(seconds=announced) if announced else None
        return self.wait_until(Hold(self.budget.limited(reason, wait), reason))

    def wait_until(self, hold: Hold) -> NoToken:
        since = self.ports.wall()
        self._hold = attrs.evolve(hold, since=since)
        kept = {
            "until": hold.until.isoformat(),
            "reason": hold.reason,
            "ticket": hold.ticket,
            "captcha": hold.captcha,
            "reads": hold.reads,
            "since": since.isoformat(),
        }
        self.facts.keep_fact(_hold_key(self.login), json.dumps(kept))
        return NoToken(hold.reason, Cause.PENALTY, advice=_advice(hold))

    def human_was_there(self) -> None:
        """The operator says that he has logged in: a captcha is not waited for any longer."""
        if self._hold is not None and self._hold.captcha:
            self._forget_hold()

    def token_refused(self) -> None:
        """The broker did not accept a token that had not ended. Within a hold it says nothing new."""
        if self.hold is not None:
            return
        self._refusals += 1
        if self._refusals > 1:
            until = self.ports.wall() + _ever_longer(self._refusals - 1)
            self.wait_until(Hold(until, "the broker refuses even tokens that it has just issued"))

    def token_useless(self, reason: str) -> NoToken:
        """A request was granted, and with it came no token that can be used."""
        self._useless += 1
        return self.wait_until(Hold(self.ports.wall() + _ever_longer(self._useless), f"the broker granted {reason}"))

    def token_accepted(self) -> None:
        self._refusals = 0

    def granted(self) -> None:
        """A token came: what was held against the credential is over."""
        self._useless = 0
        if self._refused is not None or self._doubts:
            self.credential_changed()
        if self._hold is not None:
            self._forget_hold()

    def credential_changed(self) -> None:
        """A refusal of the old one counts no longer."""
        self._refused, self._doubts, self._doubt, self.doubted_until = None, 0, None, None
        self.facts.keep_fact(self._refusal_key, "")

    def _forget_hold(self) -> None:
        self._hold = None
        self.facts.keep_fact(_hold_key(self.login), "")

    def _doubt_lasts(self) -> bool:
        """A doubt that has more time left than any is given is of a clock that was set back."""
        left = self.doubted_until - self.ports.wall() if self.doubted_until is not None else timedelta(0)
        return timedelta(0) < left <= timedelta(seconds=DOUBT_RETRY[1])

    def _allowed(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except Spent as spent:
            raise NoToken(spent.reason, Cause.PENALTY) from spent

    @property
    def _refusal_key(self) -> str:
        return f"refused {self.login}"


def _ever_longer(times: int) -> timedelta:
    factor: int = 2 ** min(times - 1, 10)
    return min(LONGEST_HOLD, HOLD_AFTER_REFUSALS * factor)


def kept_hold(facts: Facts, login: str) -> Hold | None:
    """What was written down last, be it over or not."""
    text = facts.fact(_hold_key(login))
    if not text:
        return None
    kept = json.loads(text)
    return Hold(
        datetime.fromisoformat(kept["until"]),
        kept["reason"],
        kept["ticket"],
        kept["captcha"],
        kept.get("reads", False),
        datetime.fromisoformat(kept["since"]) if "since" in kept else None,
    )


def _hold_key(login: str) -> str:
    return f"held {login}"


def _advice(hold: Hold) -> str | None:
    return f"{SOLVE_IT}. Without that it is asked again at {hold.until:%H:%M} UTC" if hold.captcha else None
