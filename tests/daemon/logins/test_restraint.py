"""What a login waits for, on a machine whose clock is set meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import httpx
import pytest
import trio

from daemon.ledger import Ledger
from daemon.logins.budget import Budget
from daemon.logins.grant import NoToken
from daemon.logins.restraint import Hold, Restraint
from daemon.ports import Ports
from tests.daemon.logins import scripted
from tests.daemon.logins.test_tokens import ScriptedGrant

NOON = datetime(2026, 11, 18, 18, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@attrs.define
class Clock:
    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at


class Unused:
    """Nothing is asked over the network here."""

    async def connect(self, url: str) -> trio.abc.Stream:
        raise ConnectionRefusedError(url)

    def http(self) -> httpx.AsyncClient:
        raise ConnectionRefusedError("no requests")


def _restraint(clock: Clock, path: Path) -> Restraint:
    ledger = Ledger.open(path / "ledger.sqlite")
    restraint = Restraint(
        "apex", ScriptedGrant(), ledger, Ports(clock, scripted.dice(), Unused()), Budget(clock, ledger)
    )
    restraint.load()
    return restraint


def test_a_clock_that_is_set_right_makes_no_wait_longer_than_it_was(tmp_path: Path) -> None:
    """The advice was: check this machine's clock. Whoever follows it must not be kept waiting for two hours more."""
    clock = Clock(NOON + 2 * HOUR)
    restraint = _restraint(clock, tmp_path)
    restraint.wait_until(Hold(clock.at + 5 * MINUTE, "the broker's tokens end before they begin"))
    clock.at += MINUTE - 2 * HOUR
    assert restraint.hold is not None and restraint.hold.until == clock.at + 5 * MINUTE
    with pytest.raises(NoToken, match="nothing is asked before 18:06:00 UTC"):
        restraint.check()
    clock.at += 5 * MINUTE
    restraint.check()


def test_nor_does_it_over_a_restart(tmp_path: Path) -> None:
    clock = Clock(NOON + 2 * HOUR)
    _restraint(clock, tmp_path).penalise(40, "ticket", captcha=False)
    clock.at = NOON
    restraint = _restraint(clock, tmp_path)
    assert restraint.hold is not None and restraint.hold.until == NOON + 40 * SECOND
    clock.at += 40 * SECOND
    restraint.check()
    assert restraint.ticket == "ticket"


def test_a_refresh_in_doubt_is_tried_again_by_a_clock_that_was_set_back(tmp_path: Path) -> None:
    clock = Clock()
    restraint = _restraint(clock, tmp_path)
    restraint.doubt("refresh refused", None)
    with pytest.raises(NoToken, match="it is tried again"):
        restraint.check()
    clock.at -= HOUR
    restraint.check()
