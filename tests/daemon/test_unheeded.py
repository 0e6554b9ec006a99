"""What is configured and has no effect is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daemon.check import run_check
from daemon.config import loads
from daemon.unheeded import KEYS, unheeded

ROOT = Path(__file__).parents[2]
PLAIN = """
[logins.apex]
environment = "simulator"
[accounts]
lead = { login = "apex", name = "D1" }
f1 = { login = "apex", name = "D2" }
[[copy]]
name = "main"
leader = "lead"
[[copy.followers]]
account = "f1"
"""


def test_nothing_is_said_of_what_is_heeded_or_default() -> None:
    assert list(unheeded(loads(PLAIN))) == []
    assert list(unheeded(loads((ROOT / "copier.toml").read_text()))) == []


def test_what_has_no_effect_is_said_by_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "copier.toml"
    path.write_text(PLAIN + "bracket = { stop = 20 }\n")
    assert run_check(path) == 0
    told = capsys.readouterr().out
    assert "WITHOUT EFFECT" in told
    assert "  follower f1: bracket\n" in told


def test_limits_have_their_effect(tmp_path: Path) -> None:
    limits = """daily_loss_limit = 500
daily_profit_limit = 1000
trailing_drawdown = { amount = 1500, basis = "end_of_day" }
no_open_after = "14:45"
flat_by = "15:05"
"""
    assert list(unheeded(loads(PLAIN + limits))) == []


def test_the_budget_of_a_login_has_its_effect() -> None:
    limits = '"simulator"\nrequests_per_minute = 100\nrequests_per_hour = 1000\n'
    assert list(unheeded(loads(PLAIN.replace('"simulator"\n', limits)))) == []


def test_what_brackets_wait_for_and_what_a_refused_stop_does_have_their_effect() -> None:
    text = PLAIN.replace('leader = "lead"\n', 'leader = "lead"\nbracket_wait = "1s"\n') + 'on_stop_refused = "tell"\n'
    assert list(unheeded(loads(text))) == []


def test_the_operators_days_are_heeded() -> None:
    text = '[[market_hours]]\ngroups = ["equity_index"]\nday = 2026-01-09\nopen = ["00:00-08:30"]\nlabel = "a day"\n'
    assert list(unheeded(loads(PLAIN + text))) == []


def test_the_readme_names_every_one_of_them() -> None:
    readme = (ROOT / "README.md").read_text()
    (told,) = re.findall(r"\*\*does nothing yet\*\*:(.*?)Do not", readme, re.DOTALL)
    named = set(re.findall(r"`(\w+)`", told))
    assert named == {key for keys in KEYS.values() for key in keys}
