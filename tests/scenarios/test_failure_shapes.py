"""Every way in which the broker refuses a login, each told apart, and each what it leads to.

The README's table "What you see, what it means, what to do" has the words; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio

from daemon.simulator import LoginSpec
from statecharts import states as s
from statecharts.states import Cause
from tests.scenarios.world import PASSWORD, World, run

TOKEN = "auth/accesstokenrequest"
HOUR = 3600.0


@attrs.frozen
class Shape:
    """`words` of the reason, `row` of the README; `asked`: token requests within an hour; `back`: copying by itself."""

    make: Callable[[World], None]
    leaf: type[s.State]
    cause: Cause
    words: str
    asked: int
    row: str
    back: bool = True


def _user(**changes: object) -> Callable[[World], None]:
    def make(world: World) -> None:
        user = world.broker.logins["apex"]
        user.spec = attrs.evolve(user.spec, **changes)  # type: ignore[arg-type]  # names of a LoginSpec's fields

    return make


def _faults(**faults: object) -> Callable[[World], None]:
    return lambda world: world.fault(**faults)


def _wrong(style: str) -> Callable[[World], None]:
    def make(world: World) -> None:
        world.fault(login_style=style)
        _user(password="another")(world)

    return make


REFUSED = "the broker refused the login: "
LOCKED = "more would lock this address out"
GRAY = "**TokenExpired**, gray"
TROUBLE = "`HTTP 500`"
NOBODY = "the broker's host does not answer"


def _fails(status: int) -> Callable[[World], None]:
    return lambda world: world.server.accept_then_fail(status, 999, TOKEN)


SHAPES = {
    "200 with errorText": Shape(_wrong("text"), s.Unauthorized, Cause.CREDENTIALS, REFUSED, 1, GRAY, back=False),
    "401 with words": Shape(_wrong("status"), s.Unauthorized, Cause.CREDENTIALS, REFUSED, 1, GRAY, back=False),
    "401 without a word": Shape(_fails(401), s.Unauthorized, Cause.CREDENTIALS, REFUSED, 1, GRAY, back=False),
    **{
        f"user status {status}": Shape(
            _user(status=status), s.Unauthorized, Cause.CREDENTIALS, f"user is {status}", 1, "this user is", back=False
        )
        for status in ("Closed", "Initiated", "TemporaryLocked", "UnconfirmedEmail")
    },
    "p-ticket": Shape(
        lambda w: w.server.penalise(seconds=7000),
        s.GivenUp,
        Cause.PENALTY,
        "the broker asks to wait",
        1,
        "asks to wait",
    ),
    "p-ticket with captcha": Shape(
        lambda w: w.server.penalise(captcha=True, times=99),
        s.GivenUp,
        Cause.PENALTY,
        "a human must log in",
        1,
        "a human must log in",
    ),
    "408": Shape(_fails(408), s.GivenUp, Cause.BROKER, "HTTP 408", 999, TROUBLE),
    "423": Shape(_fails(423), s.GivenUp, Cause.PENALTY, LOCKED, 5, LOCKED),
    "429": Shape(_fails(429), s.GivenUp, Cause.PENALTY, LOCKED, 5, LOCKED),
    "500": Shape(_fails(500), s.GivenUp, Cause.BROKER, "HTTP 500", 999, TROUBLE),
    "503": Shape(lambda w: w.server.go_down(), s.GivenUp, Cause.BROKER, "HTTP 503", 0, TROUBLE),
    "307 to a stranger": Shape(
        _faults(redirect="https://example.org"),
        s.GivenUp,
        Cause.BROKER,
        "which is not the broker's",
        0,
        "which is not the broker's",
    ),
    "421": Shape(
        _faults(handshake_status=421), s.GivenUp, Cause.BROKER, "lives on another host", 1, "lives on another host"
    ),
    "nobody there": Shape(lambda w: w.server.go_down(refusing=True), s.GivenUp, Cause.NETWORK, NOBODY, 0, NOBODY),
}


def test_each_of_them_is_in_the_readme() -> None:
    table = [line for line in Path("README.md").read_text().splitlines() if line.startswith("| ")]
    assert [name for name, shape in SHAPES.items() if not any(shape.row in line for line in table)] == []


@pytest.mark.parametrize("name", SHAPES)
def test_each_way_to_refuse_a_login_is_told_apart(tmp_path: Path, name: str) -> None:
    shape = SHAPES[name]

    async def story(world: World) -> None:
        shape.make(world)
        async with world.daemon():
            await trio.sleep(HOUR - 60)
            assert world.leaf("f1") is world.leaf("lead") is shape.leaf
            state = world.account("f1").account.connection
            assert state.cause is shape.cause
            assert shape.words in (state.reason or "")
            asked = world.server.calls[TOKEN]
            assert asked == shape.asked if shape.asked < 3 else asked <= min(shape.asked, 120)
            assert not world.said("daemon.bug")
            world.heal()
            world.server.come_up()
            world.server.fates.clear()
            world.server.penalties.clear()
            _user(password=PASSWORD, status="Active")(world)
            if shape.back:
                await world.copying(within=HOUR + 300)
            else:
                await trio.sleep(HOUR)
                assert world.leaf("f1") is s.Unauthorized, "never tried again by itself"
                assert world.server.calls[TOKEN] == 1
                assert (await world.login().ask_anew()).kind == "authorized"
                await world.copying(within=5)

    run(story, tmp_path, logins={"apex": LoginSpec("jane", PASSWORD, ("LEAD", "F1"))})
