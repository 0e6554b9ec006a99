"""Standard streams that are full, closed, or read by somebody who has gone; each with a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOURS = f'"{sys.executable}" -m daemon hours --group equity_index --at 2026-11-30T17:00:00Z'  # open: 0 means something
CLOSED = HOURS.replace("11-30", "11-28")


def said(command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    line = ["bash", "-o", "pipefail", "-c", command]
    return subprocess.run(
        line, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", [HOURS, f'"{sys.executable}" -m daemon.ctl --version'])
def test_a_full_disk_is_told_and_is_no_answer(command: str, unbuffered: str) -> None:
    told = said(f"{command} > /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert told.returncode == 74
    assert "cannot be written: No space left on device" in told.stderr and "Traceback" not in told.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_gone_is_no_error(unbuffered: str) -> None:
    told = said(f"{HOURS} | true", PYTHONUNBUFFERED=unbuffered)
    assert told.returncode == 0 and "Traceback" not in told.stderr and "Broken" not in told.stderr


def test_closed_streams_are_streams_to_nowhere() -> None:
    for command, status in ((HOURS, 0), (CLOSED, 1)):
        told = said(f"{command} <&- >&- 2>&-")
        assert (told.returncode, told.stdout, told.stderr) == (status, "", "")


def test_a_file_of_any_name_is_told(tmp_path: Path) -> None:
    """A name on Linux is bytes."""
    strange = tmp_path / os.fsdecode(b"\xff.toml")
    strange.write_bytes((ROOT / "copier.toml").read_bytes())
    told = subprocess.run(
        [sys.executable, "-m", "daemon", "check", strange], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert told.returncode == 0 and b"is valid" in told.stdout
