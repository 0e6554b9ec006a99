"""Reading a faults file."""

import pytest
import trio

from daemon.simulator import Faults, FaultsInvalid
from tests.simulator.client import House, play

TEXT = """
idle_limit = 10
fill_delay = [0.05, 1]
drop_kinds = ["fill"]
login_style = "status"
live = true

[[acts]]
after = 30
act = "drop_sockets"
with = { login = "apex" }

[[acts]]
after = 5
act = "lock"
with = { account = "LEAD" }
"""


def test_toml() -> None:
    faults = Faults.from_toml(TEXT)
    assert (faults.idle_limit, faults.fill_delay, faults.drop_kinds) == (10.0, (0.05, 1.0), ("fill",))
    assert (faults.login_style, faults.live) == ("status", True)
    assert Faults.from_toml("") == Faults()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x = ", "not TOML"),
        ("drop_prop = 0.1", "drop_prop: unknown"),
        ("idle_limit = 'long'", "idle_limit: float"),
        ("live = 1", "live: bool"),
        ("max_sessions = true", "max_sessions: int"),
        ("fill_delay = 3", "fill_delay: a list"),
        ("fill_delay = [3]", "two numbers"),
        ("drop_props = 1.5", "drop_props: a chance"),
        ("answer_delay = [-1, 0]", "answer_delay: a number of at least 0"),
        ("answer_delay = [0.3, 0.1]", "answer_delay: the least comes first"),
        ("heartbeat = nan", "heartbeat: a number of at least 0"),
        ("sync_parts = 0", "sync_parts: more than 0"),
        ("login_style = 'rude'", "login_style: one of text, status"),
        ("acts = 3", "[[acts]]"),
        ("[[acts]]\nafter = -1\nact = 'x'", "`after`"),
        ("[[acts]]\nact = 'x'", "`after`"),
        ("[[acts]]\nafter = 'x'\nact = 'x'", "`after`"),
    ],
)
def test_what_is_wrong_is_named(text: str, part: str) -> None:
    with pytest.raises(FaultsInvalid, match=part.replace("[", r"\[")) as caught:
        Faults.from_toml(f"# a heading\n{text}")
    assert caught.value.line == (None if part == "not TOML" else 2)


def test_acts_are_carried_out_in_time() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            assert house.broker.desk.risk.locked == {}
            await trio.sleep(29.9 - trio.current_time())
            assert list(house.broker.desk.risk.locked.values()) == ["TradingLocked"]
            assert not client.is_closed()
            await trio.sleep(0.2)
            assert client.is_closed()

    play(story, Faults.from_toml(TEXT.replace("idle_limit = 10", "").replace('"status"', '"text"')))


def test_an_act_that_does_not_exist_is_refused_at_the_start() -> None:
    async def story(house: House) -> None:
        raise AssertionError("must not start")

    with pytest.raises(BaseExceptionGroup) as caught:
        play(story, Faults.from_toml("[[acts]]\nafter = 1\nact = 'explode'"))
    assert caught.value.subgroup(FaultsInvalid) is not None
