"""The real daemon restarts beside a broker that outlives it: the token is reused, and no new session is opened."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.system.processes import configuration, daemon, look_alike, status, stop, wait_until_connected

PROMISED = 2.0  # seconds on loopback, from the start of the process; printed, for a busy machine may take longer
# A second session would end the first one, and the broker would say so.
ONE_SESSION = "max_sessions = 1\n"


def _connected(config: Path) -> float:
    """How long it took from now, in seconds."""
    began = time.monotonic()
    wait_until_connected(config)
    return time.monotonic() - began


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_with_a_valid_token_asks_for_none(tmp_path: Path, end: signal.Signals) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text(ONE_SESSION)
    with look_alike(faults) as broker:
        config = configuration(tmp_path, broker.rest)
        took = []
        for life in range(3):
            with daemon(config) as process:
                took.append(_connected(config))
                counted = broker.counted()
                assert counted["token_requests"] == {"jane": 1}
                assert counted["renewals"] == {}
                assert counted["sockets"] == counted["calls"]["user/syncrequest"] == life + 1
                told = status(config)
                assert told is not None
                assert told["last_stop"] == ("crash" if life and end is signal.SIGKILL else "clean")
                assert {account["cause"] for account in told["accounts"]} == {None}
                if end is signal.SIGTERM:
                    assert stop(process) == 0
                else:
                    process.kill()
                    process.wait(5)
    print(f"Connected {', '.join(f'{one:.2f}' for one in took)} s after the start; promised: {PROMISED:g} s")
