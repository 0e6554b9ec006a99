"""What every test has: secrets of the invented logins, and nothing of the machine's own configuration."""

from __future__ import annotations

import pytest

from tests.scenarios.world import PASSWORD


@pytest.fixture(autouse=True)
def _no_secrets_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    for login in ("APEX", "FUND"):
        monkeypatch.setenv(f"COPIERD_{login}_PASSWORD", PASSWORD)
