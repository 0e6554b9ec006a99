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


@pytest.mark.parametrize("gone", ["2>&1 | true", "2>&1 >/dev/null | true", "2> /dev/full"])
def test_what_is_wrong_is_wrong_also_when_nobody_reads_why(gone: str, tmp_path: Path) -> None:
    """Seen: `copierd check copier.toml 2>&1 | head -1` answered 0 to a file with errors."""
    wrong = tmp_path / "copier.toml"
    wrong.write_text("[daemon]\n" + "".join(f"x{n} = 1\n" for n in range(3000)))
    assert said(f'"{sys.executable}" -m daemon check "{wrong}" {gone}').returncode == 78


def test_a_question_that_nobody_can_read_is_no_traceback() -> None:
    """Its words are flushed by themselves: they end no line."""
    asks = (
        "import sys; from daemon.streams import delivered;"
        "delivered('x', lambda: print('sure? ', end='', file=sys.stderr, flush=True) or 0) or sys.exit(5)"
    )
    assert said(f'"{sys.executable}" -c "{asks}" 2> /dev/full', PYTHONUNBUFFERED="").returncode == 5


def test_an_answer_outlives_who_asked_for_it() -> None:
    assert said(f"{CLOSED} | true", PYTHONUNBUFFERED="").returncode == 1


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
