"""`copierd hours`: what it says, and with which exit status."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from daemon import cli, places
from daemon.hours import run_hours

OPEN, CLOSED = "2026-11-20T12:00:00-06:00", "2026-11-21T12:00:00-06:00"
CONFIG = """
[logins.apex]
environment = "demo"
username = "jane"
[accounts]
lead = { login = "apex", name = "DEMO1" }
eval1 = { login = "apex", name = "DEMO2" }
[[copy]]
name = "main"
leader = "lead"
[[copy.followers]]
account = "eval1"
"""
DAY = """
[[market_hours]]
groups = ["equity_index"]
day = 2026-11-20
open = ["00:00-08:30"]
label = "National Day of Mourning"
"""


@pytest.fixture(autouse=True)
def _no_configuration_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "configuration", lambda: tmp_path / "copier.toml")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def asked(
    at: str | None = OPEN, group: str | None = None, config: Path | None = None, out: io.StringIO | None = None
) -> tuple[int, list[str], str]:
    out, err = out or io.StringIO(), io.StringIO()
    status = run_hours(group=group, at=at, config=config, out=out, err=err)
    return status, out.getvalue().splitlines(), err.getvalue()


def test_one_group_is_one_line() -> None:
    status, lines, err = asked(group="equity_index", at="2026-09-07T13:00-05:00")
    assert (status, err) == (1, "")
    edge, words, sure = lines[0].split("; ")
    assert edge == "equity_index  closed opens 2026-09-07T22:00:00Z (Mon 07 Sep 17:00 CDT)"
    assert (len(lines), words, sure) == (1, "early close, Labor Day", "table: verified through 2026-12-31")


@pytest.mark.parametrize(("at", "group", "status"), [(OPEN, "fx", 0), (CLOSED, "fx", 1), (CLOSED, "crypto", 0)])
def test_the_status_is_that_of_the_group(at: str, group: str, status: int) -> None:
    assert asked(at, group)[0] == status


def test_without_a_group_all_are_shown_and_the_equity_index_decides() -> None:
    status, lines, _ = asked(OPEN)
    assert status == 0 and len(lines) == 8 and len({line.split()[0] for line in lines}) == 8
    status, lines, _ = asked(CLOSED)
    assert status == 1 and any(" open " in line for line in lines)


def test_without_a_time_it_is_now() -> None:
    status, lines, _ = asked(at=None, group="crypto")
    assert status in (0, 1) and len(lines) == 1


def test_how_sure_the_table_is() -> None:
    assert asked("2027-03-01T12:00Z", "metals")[1][0].endswith("table: projected")
    assert asked("2031-03-03T12:00Z", "metals")[1][0].endswith("table: none beyond 2028-12-31, the ordinary week only")


@pytest.mark.parametrize(
    ("at", "severity"),
    [("2026-06-01T12:00Z", ""), ("2026-11-20T12:00Z", "warning: "), ("2026-12-20T12:00Z", "error: ")],
)
def test_an_old_table_is_told_on_standard_error(at: str, severity: str) -> None:
    err = asked(at, "energy")[2]
    assert err.startswith(severity) and bool(err) == bool(severity)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("tomorrow", "not a time of ISO 8601"),
        ("2026-11-20T12:00:00", "the offset from UTC is missing"),
        ("2026-11-20", "the offset from UTC is missing"),
        ("0001-01-01T00:00:00Z", "the year must be from 1971 to 8999"),
        ("9999-12-31T23:59:59-12:00", "the year must be from 1971 to 8999"),
    ],
)
def test_a_time_that_cannot_be_read(at: str, words: str) -> None:
    status, lines, err = asked(at)
    assert (status, lines) == (64, []) and words in err and at in err


def test_a_group_that_is_unknown() -> None:
    assert asked(group="grain") == (64, [], "copierd hours: unknown product group 'grain'. Did you mean grains?\n")
    status, lines, err = asked(group="")
    assert (status, lines) == (64, []) and "Known are: equity_index, interest_rate, fx" in err


def test_the_operators_days_win(tmp_path: Path) -> None:
    assert asked(OPEN, "equity_index")[0] == 0
    (tmp_path / "copier.toml").write_text(CONFIG + DAY)
    status, lines, _ = asked(OPEN, "equity_index")
    assert status == 1 and "override, National Day of Mourning; table: override" in lines[0]
    assert asked(OPEN, "fx")[0] == 0
    elsewhere = tmp_path / "other.toml"
    elsewhere.write_text(CONFIG)
    assert asked(OPEN, "equity_index", elsewhere)[0] == 0


def test_a_configuration_that_is_named_must_be_there_and_one_that_is_there_must_be_right(tmp_path: Path) -> None:
    status, lines, err = asked(config=tmp_path / "other.toml")
    assert (status, lines) == (78, []) and "cannot be read" in err
    path = tmp_path / "copier.toml"
    path.write_text(CONFIG + DAY.replace("equity_index", "equities"))
    status, lines, err = asked()
    assert (status, lines) == (78, []) and f"{path}:15: market_hours[0].groups" in err
    path.write_text(CONFIG + DAY.replace("2026-11-20", "2026-03-08").replace("00:00-08:30", "02:30-08:30"))
    status, lines, err = asked()
    assert (status, lines) == (78, [])
    assert f"{path}:17: market_hours[0].open: on 2026-03-08 the clocks of Chicago do not show 02:30 exactly once" in err


def test_a_terminal_also_has_two_weeks_of_a_group(tmp_path: Path) -> None:
    (tmp_path / "copier.toml").write_text(CONFIG + DAY)
    lines = asked(OPEN, "equity_index", out=Terminal())[1]
    assert lines[1:4] == [
        "",
        "Chicago time, 2026-11-20 to 2026-12-03:",
        "  Fri 2026-11-20  00:00-08:30                           National Day of Mourning (copier.toml)",
    ]
    assert "  Sat 2026-11-21  closed" in lines
    assert "  Thu 2026-11-26  00:00-12:00  17:00-24:00              Thanksgiving" in lines
    assert len(lines) == 3 + 14


def test_a_terminal_also_has_the_special_days_of_all_groups() -> None:
    lines = asked(OPEN, out=Terminal())[1]
    assert lines[9] == "Chicago time, 2026-11-20 to 2026-12-03, special days:"
    assert "  Thu 2026-11-26  00:00-13:30  17:00-24:00              Thanksgiving: energy, metals" in lines
    assert asked("2026-10-05T12:00Z", out=Terminal())[1][-1] == "  none"


def test_the_command_line_leads_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["hours", "--group", "fx", "--at", OPEN]) == 0
    assert capsys.readouterr().out.startswith("fx            open   closes 2026-11-20T22:00:00Z")
    assert cli.main(["hours", "--group", "f", "--at", OPEN]) == 64
    with pytest.raises(SystemExit) as caught:
        cli.main(["hours", "--help"])
    assert caught.value.code == 0 and capsys.readouterr().out.startswith("usage: copierd hours")
