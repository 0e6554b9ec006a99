"""Why a connection ended, and what the chart makes of it: the leaf, the cause, and never a second socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from statecharts import states as s
from statecharts.states import Cause
from tests.scenarios.world import World, config_of, run

TWO = config_of(("f1",))

Act = Callable[[World], None]


def _with(**faults: object) -> Act:
    """A fault that meets the next dial."""

    def act(world: World) -> None:
        world.fault(**faults)
        world.server.drop_sockets()

    return act


LOSSES: dict[str, tuple[Act, Cause, str, float]] = {
    # what happens, the cause, words of the reason, and after how many seconds at most
    "cut": (lambda w: w.server.drop_sockets(), Cause.NETWORK, "", 1),
    "half-open": (lambda w: w.server.half_open(), Cause.NETWORK, "nothing received for 10 s", 10.1),
    "shutdown Maintenance": (lambda w: w.server.shut_down(), Cause.BROKER, "maintenance", 1),
    "shutdown quota": (
        lambda w: w.server.shut_down(reason_code="ConnectionQuotaReached"),
        Cause.EVICTED,
        "another login took the session",
        1,
    ),
    "shutdown address": (lambda w: w.server.shut_down(reason_code="IPQuotaReached"), Cause.PENALTY, "address", 1),
    "shutdown unheard of": (lambda w: w.server.shut_down(reason_code="Sunset"), Cause.BROKER, "Sunset", 1),
    "c[3000]": (lambda w: w.server.go_away(), Cause.BROKER, "Go away!", 1),
    "handshake 429": (_with(handshake_status=429), Cause.PENALTY, "429", 30),
    "handshake 421": (_with(handshake_status=421), Cause.BROKER, "421", 30),
    "handshake 503": (_with(handshake_status=503), Cause.BROKER, "503", 30),
    "handshake hangs": (_with(handshake_silent=True), Cause.NETWORK, "handshake", 30),
    "accepted, then closed": (_with(accept_then_close=True), Cause.NETWORK, "", 30),
    "no answer to authorize": (_with(authorize_silent=True), Cause.NETWORK, "did not answer within 10 s", 30),
    "authorize 401": (_with(authorize_status=401), Cause.CREDENTIALS, "refused the token", 5),
    "no snapshot": (_with(sync_silent=True), Cause.NETWORK, "user/syncrequest", 60),
    "nobody listens": (lambda w: w.server.go_down(refusing=True), Cause.NETWORK, "", 30),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_has_its_cause_and_leads_to_backing_off(tmp_path: Path, loss: str) -> None:
    act, cause, words, within = LOSSES[loss]

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            await trio.sleep(100)
            act(world)
            seen: list[s.State] = []

            def told() -> bool:
                state = daemon.accounts["f1"].account.connection
                if isinstance(state, s.BackingOff) and (not seen or seen[-1] is not state):
                    seen.append(state)
                return any(one.cause is cause and words in (one.reason or "") for one in seen)

            with trio.fail_after(within):
                while not told():
                    assert len(world.server.live_sockets()) <= 1
                    await trio.sleep(0.01)
            world.heal()
            await world.copying(within=400)
            assert len(world.server.live_sockets()) == 1
            assert not world.said("daemon.bug")
            assert daemon.crashes == 0
            expected = 2 if cause is Cause.CREDENTIALS else 1
            assert world.server.token_requests["jane"] <= expected

    run(story, tmp_path, TWO)


def test_a_session_that_another_one_keeps_taking_is_not_fought_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            for _ in range(40):
                await trio.sleep(20)
                world.server.evict("apex")
            await trio.sleep(3600)
            assert world.leaf("f1") is s.Stopped
            assert world.account("f1").account.connection.cause is Cause.EVICTED
            # The first, and three more; each of these finds that its token is void too, and dials once more.
            assert world.login().sockets <= 7
            assert world.server.token_requests["jane"] <= 6

    run(story, tmp_path, TWO)


def test_an_eviction_told_while_authorizing_is_heard(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            await trio.sleep(100)
            world.fault(authorize_silent=True)
            world.server.drop_sockets()
            await trio.sleep(0.5)
            await world.until(lambda: len(world.server.live_sockets()) == 1, within=5, every=0.01)
            world.server.shut_down(reason_code="ConnectionQuotaReached")
            await world.until(lambda: world.leaf("f1") is s.BackingOff, within=1)
            assert world.account("f1").account.connection.cause is Cause.EVICTED

    run(story, tmp_path, TWO)


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1009, 1011, 1012, 1013, 3000, 4000])
def test_every_close_code_is_a_loss_and_nothing_worse(tmp_path: Path, code: int) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            await world.copying()
            await trio.sleep(61)
            world.server.drop_sockets(code=code, reason="because")
            await world.until(lambda: world.leaf("f1") is s.BackingOff, within=1)
            assert str(code) in (daemon.accounts["f1"].account.connection.reason or "")
            await world.copying(within=3)
            assert daemon.crashes == 0
            assert not world.said("daemon.bug")

    run(story, tmp_path, TWO)
