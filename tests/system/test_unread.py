"""Nobody reads what the daemon says: a pager waits at its first page, an ssh connection has frozen."""

from __future__ import annotations

import fcntl
import os
import random
import subprocess
import sys
from pathlib import Path

from tests.system.kills import settled
from tests.system.processes import (
    FIRST,
    LEADER,
    SECOND,
    configuration,
    look_alike,
    person_at,
    stop,
    wait_until_connected,
)

SMALLEST = 4096  # bytes: one page, which a few orders fill


def test_who_does_not_read_holds_up_no_order(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text("max_sessions = 1000\n")
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, SMALLEST)
    with look_alike(faults) as broker, person_at(broker.rest, random.Random(1)) as person:
        config = configuration(tmp_path, broker.rest)
        environment = {**os.environ, "COPIERD_APEX_PASSWORD": "invented"}
        command = [sys.executable, "-m", "daemon", "run", "--config", str(config)]
        with subprocess.Popen(command, stdout=write, stderr=write, text=True, env=environment) as process:
            try:
                wait_until_connected(config)
                for _ in range(40):
                    person.place("Buy", 1)
                    person.place("Sell", 1)
                person.place("Buy", 1)
                settled(person, tmp_path, {LEADER: 1, FIRST: 1, SECOND: 2})
                stop(process)
            finally:
                process.kill()
    os.close(write)
    assert len(os.read(read, 2 * SMALLEST)) > SMALLEST / 2, "it was too much for who did not read it"
    os.close(read)
