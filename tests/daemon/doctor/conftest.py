"""The key's secret, beside the password that every test has."""

from __future__ import annotations

import pytest

from tests.daemon.doctor.clinic import SEC


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPIERD_APEX_SEC", SEC)
