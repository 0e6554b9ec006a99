"""One connection from token to end, against a broker whose every frame is written here."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
import trio

from daemon.logins.calls import Answered, Lost, Urgency
from daemon.logins.host import Host
from daemon.logins.session import Session, SessionSettings
from daemon.logins.standing import Standing
from daemon.logins.tokens import NoToken, Token
from daemon.ports import Ports
from statecharts.events import Event
from statecharts.states import Cause
from statecharts.values import BrokerAccountId
from tests.daemon.logins import scripted
from tests.daemon.logins.scripted import EMPTY, Peer, Script, ScriptedNetwork, told, wall


@attrs.define(eq=False)
class Purse:
    """The tokens of a login, as a session needs them. `none`: there is no token to be had."""

    none: NoToken | None = None
    refusals: int = 0
    acceptances: int = 0
    evictions: int = 0
    user_id: int | None = 7
    stands: Standing = Standing.VOID
    home: None = None
    skew: None = None
    reads_held: bool = False

    @property
    def current(self) -> Token | None:
        return None if self.none is not None else Token("tok-1", wall(), wall() + timedelta(hours=1), self.user_id)

    async def valid(self) -> Token:
        await trio.lowlevel.checkpoint()
        if self.none is not None:
            raise self.none
        assert self.current is not None
        return self.current

    def refused(self) -> None:
        self.refusals += 1

    def evicted(self) -> None:
        self.evictions += 1

    def accepted(self) -> None:
        self.acceptances += 1

    async def standing(self, status: int, token: Token | None = None) -> Standing:
        await trio.lowlevel.checkpoint()
        return self.stands

    async def moved(self) -> bool:
        await trio.lowlevel.checkpoint()
        return False


@attrs.define(eq=False)
class Stage:
    network: ScriptedNetwork
    session: Session
    purse: Purse
    faults: list[str]
    facts: list[tuple[BrokerAccountId, Event]]

    @classmethod
    def of(cls, nursery: trio.Nursery, script: Script, none: NoToken | None = None, user_id: int | None = 7) -> Stage:
        network, purse = ScriptedNetwork(nursery, script), Purse(none, user_id=user_id)
        faults: list[str] = []
        facts: list[tuple[BrokerAccountId, Event]] = []
        ports = Ports(wall, scripted.dice(), network)
        session = Session(
            SessionSettings(10.0),
            purse,  # type: ignore[arg-type]  # all that a session asks of its tokens
            scripted.gate(ports),
            scripted.rate(ports),
            ports,
            lambda account, event: facts.append((account, event)),
            faults.append,
        )
        nursery.start_soon(session.run)
        return cls(network, session, purse, faults, facts)


def _ends(script: Script, at: float, cause: Cause, words: str, none: NoToken | None = None) -> Stage:
    """A session under this script ends at that time, for that reason."""
    stages: list[Stage] = []

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script, none)
        stages.append(stage)
        with trio.fail_after(at + 0.01):
            await stage.session.ended.wait()
        assert trio.current_time() == pytest.approx(at, abs=0.001)
        assert stage.session.loss is not None
        assert stage.session.loss.cause is cause
        assert words in stage.session.loss.reason
        await trio.sleep(2)
        assert stage.network.open == 0

    told(story)
    return stages[0]


async def _silent(peer: Peer) -> None:
    await trio.sleep_forever()


def test_a_server_that_never_opens_is_given_up_at_the_silence_limit() -> None:
    _ends(_silent, 10.0, Cause.NETWORK, "10 s")


def test_a_server_that_only_beats_and_never_opens_is_given_up_at_the_limit() -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.say("h")
            await trio.sleep(2.5)

    stage = _ends(script, 10.0, Cause.NETWORK, "did not answer within 10 s")
    assert stage.purse.refusals == 0


def test_a_server_that_does_not_answer_authorize_is_given_up_and_the_token_kept() -> None:
    async def script(peer: Peer) -> None:
        await peer.say("o")
        assert (await peer.hear()) == "authorize\n0\n\ntok-1"
        while True:
            await peer.say("h")
            await trio.sleep(2.5)

    stage = _ends(script, 10.0, Cause.NETWORK, "did not answer within 10 s")
    assert stage.purse.refusals == 0


def test_a_refused_token_is_thrown_away_and_not_quoted() -> None:
    async def script(peer: Peer) -> None:
        await peer.say("o")
        await peer.answer(await peer.hear(), "Invalid access token tok-1", 401)
        await peer.live()

    stage = _ends(script, 0.0, Cause.CREDENTIALS, "401: Invalid access token ***")
    assert stage.purse.refusals == 1


def test_where_there_is_no_token_nothing_is_dialed() -> None:
    final = NoToken("the broker refused the login", Cause.CREDENTIALS, final=True)
    stage = _ends(_silent, 0.0, Cause.CREDENTIALS, "refused", none=final)
    assert stage.session.loss is not None
    assert stage.session.loss.final
    assert stage.network.connects == []


@pytest.mark.parametrize(("cause", "silent"), [(Cause.BROKER, 0), (Cause.NETWORK, 1)])
def test_a_token_request_that_was_answered_is_no_silence_of_the_host(
    cause: Cause, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    silences: list[Host] = []
    monkeypatch.setattr(Host, "failed", lambda host: silences.append(host))
    _ends(_silent, 0.0, cause, "trouble", none=NoToken("trouble", cause))
    assert len(silences) == silent


@pytest.mark.parametrize(
    ("frame", "cause", "words"),
    [
        ('c[3000,"Go away!"]', Cause.BROKER, "Go away! (3000)"),
        ("c", Cause.BROKER, "no reason"),
        ('a[{"e":"shutdown","d":{"reasonCode":"ConnectionQuotaReached"}}]', Cause.EVICTED, "another login"),
        ('a[{"e":"shutdown","d":{"reasonCode":"IPQuotaReached"}}]', Cause.PENALTY, "address"),
        ('a[{"e":"shutdown","d":null}]', Cause.BROKER, "no reason"),
    ],
)
@pytest.mark.parametrize("when", ["before o", "before authorize", "before the snapshot", "live"])
def test_what_the_broker_says_before_it_closes_is_the_reason(frame: str, cause: Cause, words: str, when: str) -> None:
    async def script(peer: Peer) -> None:
        if when != "before o":
            await peer.say("o")
            request = await peer.hear()
            if when != "before authorize":
                await peer.answer(request)
                request = await peer.hear()
                if when != "before the snapshot":
                    await peer.answer(request, EMPTY)
        await peer.say(frame)

    _ends(script, 0.0, cause, words)


@pytest.mark.parametrize(
    "snapshot",
    [None, [], "cut", {}, {"users": []}, {**EMPTY, "users": []}, {**EMPTY, "users": None}, {"accounts": []}],
)
def test_a_snapshot_without_its_user_is_none(snapshot: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.say("o")
        await peer.answer(await peer.hear())
        await peer.answer(await peer.hear(), snapshot)
        await peer.live()

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        with trio.fail_after(2):
            await stage.session.ended.wait()
        assert not stage.session.synced.is_set()
        assert stage.session.loss is not None
        assert "snapshot" in stage.session.loss.reason

    told(story)


@pytest.mark.parametrize("number", ["7", 7.0])
def test_whose_a_token_is_may_be_spelled_as_any_number(number: object) -> None:
    """Where the token does not say it, and the list of users writes ids as texts."""

    async def script(peer: Peer) -> None:
        await peer.say("o")
        await peer.answer(await peer.hear())
        await peer.answer(await peer.hear(), [{"id": number, "name": "jane"}])
        request = await peer.hear()
        assert request.endswith('{"users":[7]}')
        await peer.answer(request, EMPTY)
        await peer.live()

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script, user_id=None)
        with trio.fail_after(2):
            await stage.session.whole()

    told(story)


@pytest.mark.parametrize(
    ("status", "answer", "why"),
    [
        (400, "Invalid or missed parameters", "user/syncrequest was answered with 400: Invalid or missed parameters"),
        (403, None, "user/syncrequest was answered with 403"),
        (200, {"errorText": "entityTypes is required"}, "user/syncrequest was answered with: entityTypes is required"),
        (
            200,
            {"violations": [{"constraint": "entityTypes", "value": "", "description": "must be given"}]},
            "user/syncrequest was answered with: entityTypes: must be given",
        ),
    ],
)
def test_why_there_is_no_snapshot_is_told_in_the_broker_s_words(status: int, answer: object, why: str) -> None:
    """Which parameters a key must give is not certain: the operator and support need to hear what was objected to."""

    async def script(peer: Peer) -> None:
        await peer.say("o")
        await peer.answer(await peer.hear())
        await peer.answer(await peer.hear(), answer, status)
        await peer.live()

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        stage.purse.stands = Standing.LIVES
        with trio.fail_after(2):
            await stage.session.ended.wait()
        assert stage.session.loss is not None
        assert stage.session.loss.reason == why

    told(story)


@pytest.mark.parametrize("shown", [("users", "accounts", "contracts"), ("users",)], ids=["some", "the user alone"])
def test_what_a_snapshot_leaves_out_is_asked_for_and_not_taken_for_flat(shown: tuple[str, ...]) -> None:
    """Nor for an account that is not there: it would be stopped for good."""
    positions = [{"id": 5, "accountId": 900, "contractId": 11, "timestamp": "2026-11-18T15:00:00Z", "netPos": 2}]

    async def script(peer: Peer) -> None:
        await peer.say("o")
        await peer.answer(await peer.hear())
        await peer.answer(await peer.hear(), {name: EMPTY[name] for name in shown})
        contract = {"id": 11, "name": "ESZ6", "contractMaturityId": 1}
        answers = {"account/list": EMPTY["accounts"], "position/list": positions, "contract/item": contract}
        while True:
            request = await peer.hear()
            endpoint = request.split("\n")[0]
            await peer.answer(request, answers.get(endpoint, []))

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        with trio.fail_after(5):
            await stage.session.whole()
        snapshot = stage.session.mirror.snapshot(BrokerAccountId(900), wall())
        assert snapshot is not None
        assert dict(snapshot.positions) == {"ESZ6": 2}

    told(story)


@pytest.mark.parametrize(
    "garbage",
    [
        "flat",
        None,
        {"netPos": "many"},
        {"netPos": None},
        {"netPos": [2]},
        {"accountId": "?"},
        {"contractId": {}},
        {"id": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("listed", [False, True])
def test_a_position_that_nobody_understands_is_not_taken_for_none(garbage: object, listed: bool) -> None:
    """Neither in the snapshot, nor in the list that is asked for where the snapshot has none."""
    good = {"id": 5, "accountId": 900, "contractId": 11, "timestamp": "2026-11-18T15:00:00Z", "netPos": 2}
    rows = [{**good, **garbage} if isinstance(garbage, dict) else garbage]
    snapshot = {name: rows for name, rows in EMPTY.items() if name != "positions"}

    async def script(peer: Peer) -> None:
        await peer.open(snapshot if listed else {**snapshot, "positions": rows})
        await peer.answer(await peer.hear(), rows)
        await peer.live()

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        with trio.fail_after(2):
            await stage.session.ended.wait()
        assert not stage.session.synced.is_set()
        assert stage.session.loss is not None
        assert "the broker's snapshot cannot be read: position" in stage.session.loss.reason

    told(story)


@pytest.mark.parametrize("answer", [None, {}, "nothing", 0])
def test_a_list_that_is_none_is_not_taken_for_an_empty_one(answer: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.open({name: rows for name, rows in EMPTY.items() if name != "positions"})
        await peer.answer(await peer.hear(), answer)
        await peer.live()

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        with trio.fail_after(2):
            await stage.session.ended.wait()
        assert stage.session.loss is not None
        assert stage.session.loss.reason == "the broker's snapshot cannot be read: no positions"

    told(story)


def test_requests_of_a_session_that_ends_are_lost_and_those_not_begun_were_never_sent() -> None:
    async def script(peer: Peer) -> None:
        await peer.open()
        await peer.hear()
        await trio.sleep(1)

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await stage.session.synced.wait()
        begun = stage.session.request("order/placeorder", {}, 0)
        await begun.written.wait()
        await trio.sleep(0.5)
        await stage.session.ended.wait()
        late = stage.session.request("order/placeorder", {}, 0)
        assert begun.outcome == Lost(stage.session.loss.reason, begun=True) if stage.session.loss else False
        assert late.outcome == Lost("there is no session", begun=False)

    told(story)


def test_answers_come_back_by_their_id_in_any_order_and_strangers_harm_nobody() -> None:
    async def script(peer: Peer) -> None:
        await peer.open()
        first, second = await peer.hear(), await peer.hear()
        await peer.say('a[{"s":200,"i":4711,"d":{}}]')
        await peer.answer(second, "second")
        await peer.answer(first, "first")
        await peer.answer(first, "again")
        await peer.live()

    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, script)
        await stage.session.synced.wait()
        calls = [stage.session.request(name, None, Urgency.READ) for name in ("one", "two")]
        assert await calls[0].answer(5) == Answered(200, "first")
        assert await calls[1].answer(5) == Answered(200, "second")
        await trio.sleep(60)
        assert not stage.session.ended.is_set()

    told(story)


def test_the_heartbeat_is_told_every_two_and_a_half_seconds_by_one_writer() -> None:
    times: list[float] = []

    async def script(peer: Peer) -> None:
        await peer.open()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer._beat)
            while True:
                if await peer.socket.get_message() == "[]":
                    times.append(trio.current_time())

    async def story(nursery: trio.Nursery) -> None:
        Stage.of(nursery, script)
        await trio.sleep(24)
        # The first beat is heard with the handshake or right after it, as the scheduler pleases.
        assert [at for at in times if at] == [2.5 * beat for beat in range(1, 10)]

    told(story)


def test_the_last_lease_gone_ends_the_session_politely() -> None:
    async def story(nursery: trio.Nursery) -> None:
        stage = Stage.of(nursery, scripted.healthy)
        await stage.session.synced.wait()
        stage.session.abandoned.set()
        await stage.session.ended.wait()
        assert trio.current_time() <= 1
        assert stage.session.loss is not None
        assert stage.session.loss.cause is Cause.OPERATOR
        await trio.sleep(0.1)
        assert stage.network.open == 0

    told(story)
