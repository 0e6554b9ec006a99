"""Bulletins for tests, in the order of their ids."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import attrs

from daemon.bulletins import Bulletin, Severity

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
_ids = itertools.count(1)


def bulletin(event: str, account: str | None = "f1", severity: Severity = "warning", **more: Any) -> Bulletin:
    plain = Bulletin(
        id=next(_ids),
        at=NOON,
        event=event,
        severity=severity,
        account=account,
        login="apex",
        detail=f"{account}: {event}",
    )
    return attrs.evolve(plain, **more)


def broken(account: str = "f1", severity: Severity = "warning", **more: Any) -> Bulletin:
    found: dict[str, Any] = {"cause": "network", "state": "Reconnecting", "reason": "closed", **more}
    return bulletin("connection.broken", account, severity, **found)


def fixed(account: str = "f1") -> Bulletin:
    return bulletin("connection.fixed", account, "info", state="Connected")
