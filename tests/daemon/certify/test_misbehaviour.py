"""For each criterion a broker that has just that wrong: it fails, and nothing else but what cannot be without it."""

from __future__ import annotations

import json

import attrs
import pytest

from daemon.certify.course import CRITERIA
from daemon.certify.criteria import Failed, NotTested
from daemon.certify.stagehand import Simulated
from daemon.certify.witness import RENEWAL, SESSION
from daemon.simulator import Faults
from tests.daemon.certify.rig import Hand, Stage, Turn, certified, dependents, faulty, named, verdicts


@attrs.frozen
class Case:
    """`at` the criterion of this id the broker begins to have it wrong, and `failing` is the one that tells."""

    failing: str
    at: str
    turn: Turn
    words: str
    hand: Hand = Simulated
    faults: Faults | None = None
    silenced: frozenset[str] = frozenset()  # what cannot be tested then although it does not depend on it
    drawn: frozenset[str] = frozenset()  # what fails along because of what was missed


def other_password(stage: Stage) -> None:
    stage.server.change_password("apex", "another")


def any_password(stage: Stage) -> None:
    login = stage.server.broker.logins["apex"]
    login.spec = attrs.evolve(login.spec, password=None)


def late(endpoint: str, seconds: float) -> Turn:
    return lambda stage: stage.server.accept_late(seconds, endpoint=endpoint)


def answered(endpoint: str, status: int) -> Turn:
    return lambda stage: stage.server.accept_then_fail(status, endpoint=endpoint)


def nothing(stage: Stage) -> None:
    """The broker has it wrong from the beginning, or the hand does."""


def slow_writes(stage: Stage) -> None:
    stage.network.delay = 1.0


class Overloaded(Simulated):
    """Answers 503 where 429 is due."""

    def limit(self, seconds: float) -> None:
        self.embedded.server.throttle(self.login, seconds, status=503)


class Captcha(Simulated):
    def penalise(self, endpoint: str, seconds: int) -> None:
        self.embedded.server.penalise(endpoint, seconds, captcha=True)


class Lenient(Simulated):
    def penalise(self, endpoint: str, seconds: int) -> None:
        """Nobody is penalised."""


class Immortal(Simulated):
    def expire(self) -> None:
        """Tokens do not end."""


class Distorting(Simulated):
    """Pushes a position again, but not as it was; then as it was."""

    def replay(self) -> None:
        super().replay()
        (row,) = self.embedded.server.broker.entities.rows("position")
        for net in (7, row.entity["netPos"]):
            data = {"entityType": "position", "eventType": "Updated", "entity": {**row.entity, "netPos": net}}
            self.embedded.server.send_frame("a" + json.dumps([{"e": "props", "d": data}]), self.login)


CASES = (
    Case("1.1.a", "1.1.a", other_password, "Incorrect username or password"),
    Case("1.1.a", "1.1.a", answered(SESSION, 500), "HTTP 500"),
    Case("1.1.b", "1.1.a", faulty(Faults(expiration_shift=-6000.0)), "has ended before it was given"),
    Case("1.1.c", "1.1.a", late(SESSION, 3.0), "it took 3000 ms"),
    Case("1.1.d", "1.1.d", any_password, "a wrong password was accepted"),
    Case("1.1.d", "1.1.d", answered(SESSION, 500), "this is no refusal"),
    Case("1.2.a", "1.2.a", faulty(Faults(renew_same_token=True)), "the renewed token is the old one"),
    Case("1.2.a", "1.2.a", faulty(Faults(renew_status=401)), "was not granted: Renewal is refused"),
    Case("1.2.b", "1.2.a", faulty(Faults(token_life=600.0)), "does not end later"),
    Case("1.2.c", "1.2.a", late(RENEWAL, 1.5), "it took 1500 ms"),
    Case("1.2.d", "1.2.d", faulty(Faults(bad_token_status=403)), "is to be answered with 401"),
    Case("1.2.d", "1.2.d", faulty(Faults(bad_token_status=503)), "HTTP 503"),
    Case("1.3.a", "1.3.a", answered("user/list", 401), "not good for both"),
    Case("1.3.a", "1.3.a", faulty(Faults(authorize_status=401)), "authorize was answered with s 401"),
    Case("1.3.b", "1.3.a", answered(RENEWAL, 500), "had to be asked for", faults=Faults(token_life=24.0)),
    Case("1.3.c", "1.3.c", answered(SESSION, 500), "HTTP 500"),
    Case("1.3.c", "1.3.c", answered("user/list", 401), "the new session is not accepted"),
    Case("1.3.c", "1.3.c", nothing, "a token that has ended was renewed", Immortal),
    Case("1.4.a", "1.1.d", answered(SESSION, 401), "does not say what it refuses"),
    Case("1.4.b", "1.2.d", faulty(Faults(bad_token_words=False)), "does not say what it refuses"),
    Case("1.4.c", "1.4.c", nothing, "is to be answered with 429", Overloaded),
    Case("2.1.a", "2.1.a", faulty(Faults(authorize_status=500)), "is to be answered with s 200"),
    Case("2.1.a", "2.1.a", faulty(Faults(authorize_silent=True)), "did not answer in time"),
    Case("2.1.a", "2.1.a", faulty(Faults(handshake_status=429)), "HTTP 429"),
    Case("2.1.b", "2.1.b", faulty(Faults(authorize_anyone=True)), "is to be answered with s 401"),
    Case("2.1.b", "2.1.b", faulty(Faults(authorize_words="No")), 'the words are to be "Invalid access token"'),
    Case("2.1.c", "2.1.c", lambda stage: stage.after(3.0, stage.server.drop_sockets), "1006"),
    Case("2.1.c", "2.1.c", lambda stage: stage.after(3.0, stage.server.shut_down), "the broker said: Maintenance"),
    Case("2.2.a", "2.1.c", slow_writes, "it took 3500 ms"),
    Case("2.2.b", "2.1.c", faulty(Faults(heartbeats=False)), "the broker sent no heartbeat"),
    Case("2.2.c", "2.2.c", faulty(Faults(read_lost=1.0)), "answers: 40 x none"),
    Case("2.2.d", "2.2.d", faulty(Faults(idle_limit=1000.0)), "did not end a connection"),
    Case("2.2.e", "2.2.e", faulty(Faults(authorize_status=503)), "authorize was answered with s 503"),
    Case("2.3.a", "2.3.a", nothing, "2 taken for news: PositionSeen", Distorting),
    Case("2.3.b", "2.3.b", faulty(Faults(sync_status=500)), "the syncrequest was refused"),
    Case("2.3.b", "2.3.b", faulty(Faults(sync_silent=True)), "did not answer in time"),
    Case("2.4.a", "2.4.a", nothing, "cannot be waited for by a program", Captcha),
    Case("2.4.a", "2.4.a", nothing, "was to be a penalty ticket", Lenient),
    Case("2.5.a", "2.3.b", faulty(Faults(sync_empty=True)), "does not show the login's own user"),
    Case(
        "2.5.b",
        "2.5.b",
        faulty(Faults(mute_props=True)),
        "nothing was pushed",
        silenced=frozenset({"2.3.a"}),
        drawn=frozenset({"2.6.c"}),
    ),
    Case("2.6.a", "2.6.a", faulty(Faults(farewell_unheard=True)), "it took 1000 ms"),
    Case("2.6.b", "2.6.b", faulty(Faults(authorize_status=500)), "is to be answered with s 200"),
    Case(
        "2.6.c", "2.6.c", lambda stage: stage.server.broker.place("LEAD", "Buy", "ESZ6", 1), "not as before the close"
    ),
    Case("2.6.c", "2.6.c", faulty(Faults(sync_empty=True)), "does not show the login's own user"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.failing}: {case.words}")
def test_what_a_broker_has_wrong_fails_alone(case: Case) -> None:
    report = certified({case.at: case.turn}, hand=case.hand, faults=case.faults)
    assert named(report, Failed) == {case.failing} | case.drawn, report.markdown()
    assert named(report, NotTested) == dependents(case.failing) | case.silenced, report.markdown()
    assert not report.passed
    verdict = verdicts(report)[case.failing]
    assert isinstance(verdict, Failed)
    assert case.words in verdict.why


def test_each_criterion_has_a_broker_that_fails_it() -> None:
    assert {case.failing for case in CASES} == {criterion.id for criterion in CRITERIA}


def test_a_penalty_for_the_wrong_password_is_no_verdict_on_it() -> None:
    report = certified({"1.1.d": lambda stage: stage.server.penalise(seconds=15)})
    assert named(report, Failed) == set()
    assert named(report, NotTested) == {"1.1.d", "1.4.a"}


def test_nobody_there_fails_the_first_criterion_and_leaves_the_rest() -> None:
    def refuse(stage: Stage) -> None:
        stage.network.refusing = True

    report = certified({"1.1.a": refuse})
    assert named(report, Failed) == {"1.1.a"}
    assert named(report, NotTested) == {criterion.id for criterion in CRITERIA} - {"1.1.a"}
    assert report.cost["WebSockets"] == 0
