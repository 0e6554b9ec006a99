"""`copierctl report`: one archive for support, with what the daemon says of itself and what this machine says of it.

Rule 1: it is made also when no daemon answers: then there is most to ask. The exit status says so, as of any command.
Rule 2: what the daemon gives is free of secrets; what is added here never had any: the journal is masked where it is
        written.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from daemon import __version__
from daemon.control import tables
from daemon.control.client import Client, NoDaemon
from daemon.control.deeds import print_json
from daemon.exits import Exit

LINES = 2000  # of the journal
REACH_LIMIT = 5.0  # seconds for one host
JOURNAL_LIMIT = 20.0  # seconds: a journal on a slow disk is read slowly

Json = dict[str, Any]


@attrs.frozen
class Archive:
    """`file` None: a name with the present time, in the present directory."""

    client: Client
    file: Path | None
    as_json: bool

    def write(self) -> int:
        """Raises Refused."""
        now = datetime.now(UTC)
        files, hosts, why_not = self._of_the_daemon()
        files["here.json"] = json.dumps(_here(hosts, why_not), indent=2) + "\n"
        files["journal.txt"] = _journal()
        file = self.file or Path(f"copierd-report-{now:%Y%m%d-%H%M%S}.tar.gz")
        try:
            _packed(file, files, now)
        except OSError as error:
            words = f"the report cannot be written to {file}: {error.strerror or error}. Name another place with -o"
            print(f"copierctl: {tables.plain(words)}", file=sys.stderr)
            return Exit.FAILED
        if self.as_json:
            print_json({"file": str(file), "files": sorted(files), "daemon": why_not is None})
        else:
            theirs = "; your copier.toml is in it" if "copier.toml" in files else ""
            print(f"{file}: {len(files)} files. It holds no password, key or token{theirs}. To look at it:")
            print(f"  tar --extract --to-stdout --file {file} | less")
        if why_not is not None:
            print(f"copierctl: {tables.plain(why_not)}", file=sys.stderr)
            return Exit.NO_DAEMON
        return Exit.OK

    def _of_the_daemon(self) -> tuple[dict[str, str], list[tuple[str, int]], str | None]:
        try:
            found = self.client.get("/v1/report")
        except NoDaemon as nobody:
            return {}, [], str(nobody)
        return dict(found["files"]), [(host, port) for host, port in found["hosts"]], None


def _here(hosts: list[tuple[str, int]], why_not: str | None) -> Json:
    return {
        "copierctl": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "daemon": why_not or "answers",
        "reachable": {f"{host}:{port}": _reached(host, port) for host, port in hosts},
    }


def _reached(host: str, port: int) -> str:
    """Can this machine open a connection there? Nothing is sent."""
    began = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=REACH_LIMIT):
            return f"yes, in {(time.monotonic() - began) * 1000:.0f} ms"
    except OSError as error:
        return f"no: {error.strerror or error}"


def _journal() -> str:
    """What the service has told lately, as far as this user may read it."""
    program = shutil.which("journalctl")
    if program is None:
        return "there is no journalctl on this machine\n"
    command = [program, "--unit", "copierd*", "--lines", str(LINES), "--no-pager", "--output", "short-iso-precise"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=JOURNAL_LIMIT, check=False)  # noqa: S603 - no shell, and no word of anybody else's
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the journal cannot be read: {error}\n"
    return (done.stdout + done.stderr).decode(errors="replace")


def _packed(file: Path, files: dict[str, str], now: datetime) -> None:
    """For the owner alone: it names accounts and positions. Raises OSError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out, tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in sorted(files.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"copierd-report/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(now.timestamp()), 0o600
            archive.addfile(entry, io.BytesIO(content))
