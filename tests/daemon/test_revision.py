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
        (RUNS + '\n[[notify]]\nurl = "https://example.invalid"\n', "notify"),
    ],
)
def test_what_cannot_be_taken_up_stays_as_it_runs_and_is_named(edit: str, waiting: str) -> None:
    runs = loads(RUNS)
    revision = revised(runs, loads(edit))
    assert waiting in revision.waiting
    assert revision.config == runs


ACCOUNTS = [
    RUNS.replace('name = "F1"', 'name = "F9"'),
    RUNS.replace('name = "F1"', 'name = "F1"\narmed = true'),
    RUNS.replace("[[copy]]", '[accounts.f3]\nlogin = "apex"\nname = "F3"\n[[copy]]', 1),
    config_of(("f1",)),
    config_of(("f1", "f2", "f3"), elsewhere=("f3",)),
]


@pytest.mark.parametrize("edit", ACCOUNTS)
def test_accounts_come_and_go_without_a_restart(edit: str) -> None:
    revision = revised(loads(RUNS), loads(edit))
    assert revision.waiting == ()
    assert revision.config == loads(edit)


def test_the_broker_inside_the_daemon_knows_no_newcomers() -> None:
    simulated = {
        followers: config_of(followers).replace('environment = "test"', 'environment = "simulator"')
        for followers in (("f1", "f2"), ("f1", "f2", "f3"))
    }
    runs, read = map(loads, simulated.values())
    revision = revised(runs, read)
    assert revision.waiting == ("accounts.f3",)
    assert revision.config == runs
    moved = loads(simulated["f1", "f2"].replace('name = "F1"', 'name = "F9"'))
    assert revised(runs, moved).waiting == ("accounts.f1",)
    assert revised(runs, moved).config == runs
    renamed = loads(simulated["f1", "f2"].replace("apex", "other"))
    kept = revised(runs, renamed).config
    assert kept.accounts == runs.accounts and kept.logins["apex"] == runs.logins["apex"]
