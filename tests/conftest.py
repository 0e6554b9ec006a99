"""What every test has: secrets of the invented logins, nothing of the machine's own configuration, and time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.scenarios.world import PASSWORD

ROOT = Path(__file__).parents[1]

# How long an example takes says how busy the machine is, and nothing of the program. A run judges a change, so it tries
# the same examples each time; --hypothesis-profile=searching looks for others.
settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("certain", settings.get_profile("searching"), derandomize=True)
settings.load_profile("certain")


def pytest_configure(config: pytest.Config) -> None:
    # Hypothesis likes to try the numbers that the modules loaded so far contain: these differ with every change of the
    # code, and with what a worker has run before. Only by a name of its own can it be told not to.
    if config.getoption("--hypothesis-profile", None) in (None, "certain"):
        assert hasattr(providers, "_get_local_constants"), "another Hypothesis: look where it has its constants now"
        providers._get_local_constants = lambda: providers._local_constants


@pytest.fixture(autouse=True)
def _no_secrets_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    for login in ("APEX", "FUND"):
        monkeypatch.setenv(f"COPIERD_{login}_PASSWORD", PASSWORD)


class _OneByOne(LoadScopeScheduling):  # type: ignore[misc]
    """Shares the tests out one by one, and by file where what a fixture has made is shared by all of the file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _shares(file) else nodeid


@cache
def _shares(file: str) -> bool:
    return 'scope="module"' in (ROOT / file).read_text()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    # xdist_group says the same mark by mark, but is without effect on the structured ids of pytest 9.2.
    return _OneByOne(config, log) if config.getoption("dist") == "loadscope" else None
