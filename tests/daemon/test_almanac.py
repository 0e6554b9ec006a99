"""The hours of a running daemon: whose they are, how old, and what an edit of the file makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from daemon.almanac import Almanac, asleep_until, probing
from daemon.check import run_check
from daemon.clock import Clock
from daemon.config import ConfigErrors, loads
from daemon.control import views
from daemon.control.evidence import Evidence
from daemon.hours_table import markets_of, read_hours
from daemon.journal import Entry, Journal
from daemon.rules import rules_of
from statecharts import states as s
from statecharts.account import Account
from statecharts.market_hours import TRADOVATE_WINDOWS, Markets
from statecharts.rules import ReconnectRules, Rules
from statecharts.values import AccountName
from tests.scenarios.maintenance import HOURS, chicago
from tests.scenarios.world import World, config_of, run

MARKETS = Markets(read_hours())
AT = chicago("2026-11-17 16:20")
DAY = '[[market_hours]]\ngroups = ["equity_index"]\nday = 2027-02-03\nopen = ["00:00-08:30"]\nlabel = "Mourning"\n'
WRONG = DAY.replace("2027-02-03", "2027-03-14").replace("00:00-08:30", "00:00-02:30")  # the clocks leave that out


def almanac(entries: list[Entry], now: datetime = AT, markets: Markets | None = MARKETS) -> Almanac:
    clock = Clock(lambda: now + timedelta(seconds=trio.current_time()), trio.current_time)
    return Almanac(clock, Journal(entries.append), markets)


def account(state: s.State) -> Account:
    return Account(
        name=AccountName("a"), connection=state, rules=Rules(reconnect=ReconnectRules(windows=TRADOVATE_WINDOWS))
    )


@pytest.mark.parametrize(
    ("now", "kind", "severity"),
    [
        ("2026-10-01 12:00", "hours.table", "info"),
        ("2026-11-17 12:00", "hours.stale", "warning"),
        ("2026-12-20 12:00", "hours.stale", "error"),
        ("2030-01-01 12:00", "hours.stale", "error"),
    ],
)
def test_the_age_of_the_table_is_said_at_the_start_and_every_day(now: str, kind: str, severity: str) -> None:
    entries: list[Entry] = []

    async def main() -> None:
        with trio.move_on_after(2.5 * 24 * 3600):
            await almanac(entries, chicago(now)).watch()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert [(entry.kind, entry.severity) for entry in entries] == [(kind, severity)] * 3


def test_where_no_hours_count_nothing_is_said_of_the_table() -> None:
    entries: list[Entry] = []

    async def main() -> None:
        with trio.move_on_after(2.5 * 24 * 3600):
            await almanac(entries, markets=None).watch()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert entries == []


def test_hours_are_those_of_demo_and_live_and_of_who_asks_for_them() -> None:
    demo = config_of().replace('environment = "test"', 'environment = "demo"')
    for text, apply in ((config_of(), False), (config_of(environment=HOURS), True), (demo, True)):
        config = loads(text)
        entries: list[Entry] = []
        book = almanac(entries, markets=markets_of(config, None))
        assert (book.markets is not None) is (book.horizon is not None) is apply
        rules = book.rules(config, "lead")
        assert (rules.markets is not None) is (rules.reconnect.windows is not None) is apply
        book.clock.trusted = False
        assert book.rules(config, "lead").markets is None and book.rules(config, "lead").reconnect.windows is None


def test_what_the_copies_name_is_what_leader_and_follower_follow() -> None:
    text = config_of(
        ("f1", "f2"),
        copy='allow = ["ES", "NQ"]',
        each={"f1": 'map = { ES = { to = "MES", factor = 10 } }'},
    )
    config = loads(text)
    assert set(rules_of(config, "f1").products or ()) == {"ES", "NQ", "MES"}
    assert set(rules_of(config, "f2").products or ()) == {"ES", "NQ"}
    assert set(rules_of(config, "lead").products or ()) == {"ES", "NQ", "MES"}
    assert rules_of(loads(config_of()), "lead").products is None
    idle = config_of(copy='allow = ["ES"]', extra='[accounts.spare]\nlogin = "apex"\nname = "S"')
    assert rules_of(loads(idle), "spare").products == frozenset()


def test_a_login_sleeps_while_all_of_its_accounts_wait_for_a_reopening() -> None:
    early, late = (account(s.Maintenance(since=AT, until=AT + timedelta(minutes=n))) for n in (40, 50))
    stopped, given_up = account(s.Stopped(since=AT)), account(s.GivenUp(since=AT, lost_at=AT))
    assert asleep_until([late, early, stopped]) == AT + timedelta(minutes=40)
    assert asleep_until([early, given_up]) is None
    assert asleep_until([stopped]) is asleep_until([]) is None


def test_a_host_is_probed_slowly_while_all_who_are_away_wait_for_a_reopening() -> None:
    waits, copies = account(s.Maintenance(since=AT, until=AT + timedelta(minutes=40))), account(s.Copying(since=AT))
    assert probing([waits, copies], AT) == (60.0, 120.0)
    assert probing([waits, account(s.BackingOff(since=AT))], AT) is None
    assert probing([copies], AT) is None
    low, high = probing([waits], AT + timedelta(minutes=39)) or (0.0, 0.0)
    assert 1 <= low <= high <= 19


def test_the_operators_days_are_taken_up_by_a_reload_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "copier.toml"
    plain = config_of(environment=HOURS)
    mourning = datetime(2027, 2, 3, 18, tzinfo=UTC)

    def open_then(world: World) -> bool:
        markets = world.account("f1").account.rules.markets
        assert markets is not None
        return markets.groups["equity_index"].is_open(mourning)

    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            daemon.config_path = file
            await world.copying()
            assert open_then(world)
            file.write_text(plain + "\n" + DAY)
            daemon.reload()
            await trio.sleep(1)
            assert not open_then(world)
            before = world.account("f1").account.rules
            file.write_text(plain + "\n" + WRONG)
            with pytest.raises(ConfigErrors) as refused:
                daemon.reload()
            line = file.read_text().splitlines().index('open = ["00:00-02:30"]') + 1
            assert str(refused.value).startswith(f"{file}:{line}: market_hours[0].open: on 2027-03-14 the clocks")
            await trio.sleep(1)
            assert world.account("f1").account.rules == before
            file.write_text(plain)
            daemon.reload()
            await trio.sleep(1)
            assert open_then(world)

    run(story, tmp_path, plain)


def test_a_wrong_day_refuses_the_start_and_fails_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(world: World) -> None:
        with pytest.raises(ConfigErrors, match=r"market_hours\[0\]\.open: on 2027-03-14"):
            async with world.daemon():
                pass

    for text in (config_of(), config_of(environment=HOURS)):  # also where it would not count
        run(story, tmp_path, f"{text}\n{WRONG}")
        path = tmp_path / "copier.toml"
        path.write_text(f"{text}\n{WRONG}")
        assert run_check(path) == 78
        assert f"{path}:" in (told := capsys.readouterr().err) and "market_hours[0].open" in told


@attrs.define(eq=False)
class Asked:
    """A login whose broker answers from the third time on, and whose clock is two hours ahead of ours."""

    at: list[float] = attrs.field(factory=list)

    async def the_time(self) -> datetime | None:
        self.at.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        return now_two_hours_later() if len(self.at) >= 3 else None


def now_two_hours_later() -> datetime:
    return AT + timedelta(hours=2, seconds=trio.current_time())


def test_after_a_jump_the_broker_is_asked_until_it_answers() -> None:
    """A virtual machine that was stopped for two hours: its own steady clock was, too."""
    asked = Asked()

    async def main() -> None:
        stopped = timedelta(0)
        clock = Clock(lambda: AT + stopped + timedelta(seconds=trio.current_time()), trio.current_time)
        book = Almanac(clock, Journal(lambda entry: None), MARKETS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(book.ask_the_time, lambda: [asked])
            clock.now()
            clock.hear(AT)
            stopped = timedelta(hours=2)
            assert clock.now() == AT
            await trio.sleep(300)
            assert asked.at == [0.0, 60.0, 120.0]
            assert clock.now() == now_two_hours_later() and clock.trusted
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize(("heard", "asks"), [(False, [120.5, 180.5, 240.5]), (True, [])])
def test_the_broker_is_asked_once_after_the_start_unless_a_token_told_and_never_in_a_hold(
    heard: bool, asks: list[float]
) -> None:
    asked = Asked()

    async def main() -> None:
        clock = Clock(lambda: now_two_hours_later(), trio.current_time)
        book = Almanac(clock, Journal(lambda entry: None), MARKETS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(book.ask_the_time, lambda: [asked], lambda: trio.current_time() < 100)
            clock.now()
            if heard:
                clock.hear(now_two_hours_later())
            await trio.sleep(3600)
            assert asked.at == asks and clock.skew is not None
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("text", [config_of(), config_of(environment=HOURS)])
def test_the_status_says_how_far_the_table_reaches(text: str, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.daemon() as daemon:
            told = views.status(daemon, Evidence(daemon.ledger))["hours"]
            if HOURS not in text:
                assert told is None
            else:
                assert told == {
                    "verified_through": "2026-12-31",
                    "projected_through": "2028-12-31",
                    "state": "warning",
                    "trusted": True,
                }

    run(story, tmp_path, text)
