"""What of a configuration that was read again is in force, and what waits for a restart."""

from __future__ import annotations

import pytest

from daemon.config import loads
from daemon.revision import revised
from tests.scenarios.world import config_of

RUNS = config_of(("f1", "f2"))


def test_what_can_be_taken_up_is_in_force_and_waits_for_nothing() -> None:
    text = config_of(("f1", "f2"), follower="ratio = 2", copy="settle = '20s'").replace('"main"', '"renamed"')
    read = loads(text.replace("cid = 8123", "cid = 1\non_evicted = 'retake'") + '\n[daemon]\nlog_level = "debug"\n')
    revision = revised(loads(RUNS), read)
    assert revision.waiting == ()
    assert revision.config == read


@pytest.mark.parametrize(
    ("edit", "waiting"),
    [
        (RUNS + '\n[daemon]\nstate_directory = "/elsewhere"\n', "daemon.state_directory"),
        (RUNS + '\n[reconnect]\nsilence_limit = "20s"\n', "reconnect.silence_limit"),
        (RUNS.replace("127.0.0.1:1/v1/w", "127.0.0.1:9/v1/w"), "environments.test"),
        (RUNS.replace('environment = "test"', 'environment = "demo"'), "logins.apex.environment"),
        (RUNS.replace('name = "F1"', 'name = "F9"'), "accounts.f1"),
        (RUNS.replace('name = "F1"', 'name = "F1"\narmed = true'), "accounts.f1"),
        (RUNS.replace("[[copy]]", '[accounts.f3]\nlogin = "apex"\nname = "F3"\n[[copy]]', 1), "accounts.f3"),
        (RUNS + '\n[[notify]]\nurl = "https://example.invalid"\n', "notify"),
    ],
)
def test_what_cannot_be_taken_up_stays_as_it_runs_and_is_named(edit: str, waiting: str) -> None:
    runs = loads(RUNS)
    revision = revised(runs, loads(edit))
    assert waiting in revision.waiting
    assert revision.config == runs


def test_a_follower_that_is_new_altogether_is_not_shown_before_it_runs() -> None:
    read = loads(config_of(("f1", "f2", "f3")))
    revision = revised(loads(RUNS), read)
    assert revision.waiting == ("accounts.f3",)
    assert [one.account for one in revision.config.copies[0].followers] == ["f1", "f2"]
