"""A systemd of its own for a test, over this machine's files, and what runs in it. Needs root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parents[2]
BOX = Path(__file__).parent / "systemd-box"
PASSWORD = "a-canary-of-a-password"
PORT = 18080
LIMIT = 280.0  # seconds for one command: to install takes twenty on an idle machine
WITHIN = 60.0  # seconds: what is waited for takes one or two on an idle machine


def lacking() -> str:
    """What this machine has not; a test that needs it is skipped with these words, for CI has it."""
    paths = ("/lib/systemd/systemd", "/usr/bin/dpkg-deb", "/usr/lib/python3/dist-packages/systemd")
    absent = [path for path in paths if not Path(path).exists()]
    return ", ".join([*(["root"] if os.geteuid() != 0 else []), *absent])


@attrs.frozen
class Box:
    """A systemd of its own over this machine's files; nothing that happens in it is seen outside."""

    name: str

    def start(self, *binds: Path) -> None:
        options = [word for path in binds for word in ("--bind-ro", str(path))]
        self._tool("start", *options)

    def stop(self) -> None:
        self._tool("stop")

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = self._tool("exec", *command, check=False)
        assert not check or done.returncode == 0, (command, done.stdout[-4000:], done.stderr[-4000:])
        return done

    def write(self, path: str, text: str, mode: str = "644") -> None:
        script = f"install -D -m {mode} /dev/stdin {path}"
        subprocess.run([BOX, "exec", "sh", "-c", script], input=text, text=True, check=True, env=self._environment)

    def configure(self) -> None:
        """For an installed copierd: a leader and a follower at a simulated broker in the box, and a password."""
        self.write("/etc/copierd/copier.toml", CONFIGURATION, "640")
        self.run("chgrp", "copierd", "/etc/copierd/copier.toml")
        self.write("/etc/copierd/secrets/apex.password", PASSWORD + "\n", "600")

    def begin_broker(self, copierd: str) -> None:
        """The simulated broker as a unit beside the daemon."""
        self.run("systemd-run", "--unit=broker", "--quiet", copierd, "simulator", "--port", str(PORT))
        self.until(lambda: self.run("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}", check=False).returncode == 0)

    @contextmanager
    def trading(self) -> Iterator[Callable[[], dict[str, Any]]]:
        """While the leader trades at the broker; what is given ends it, and answers what the broker has then."""
        host = self._tool("pid").stdout.strip()
        command = ["nsenter", f"--net=/proc/{host}/ns/net", sys.executable, "-m", "tests.system.trader"]
        rest = f"http://127.0.0.1:{PORT}/v1"
        with subprocess.Popen(
            [*command, rest], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as trader:
            try:
                assert trader.stdout is not None and trader.stdout.readline() == "trading\n"
                yield lambda: json.loads(trader.communicate(timeout=LIMIT)[0])
            finally:
                trader.kill()

    def shown(self, unit: str, *properties: str) -> dict[str, str]:
        out = self.run("systemctl", "show", unit, *(f"--property={name}" for name in properties)).stdout
        return dict(line.partition("=")[::2] for line in out.splitlines())

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        out = self.run("journalctl", "--output=json", "--no-pager", *matches).stdout
        return [json.loads(line) for line in out.splitlines()]

    def status(self) -> dict[str, Any] | None:
        done = self.run("copierctl", "status", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def until(self, true: Callable[[], Any]) -> None:
        deadline = time.monotonic() + WITHIN
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(self.run("journalctl", "--no-pager", "--lines=60", check=False).stdout)
            time.sleep(0.1)

    def copies(self) -> list[dict[str, Any]]:
        """All of them; none while the daemon does not answer."""
        done = self.run("copierctl", "copies", "--limit", "500", "--json", check=False)
        rows: list[dict[str, Any]] = json.loads(done.stdout)["copies"] if done.returncode == 0 else []
        return rows

    def states(self) -> set[str]:
        """In which the accounts are; none while the daemon does not answer."""
        status = self.status()
        return {one["state"] for one in status["accounts"]} if status is not None else set()

    def connected(self) -> bool:
        return self.states() == {"Connected"}

    def pid(self) -> str:
        return self.shown("copierd", "MainPID")["MainPID"]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "SYSTEMD_BOX_NAME": self.name}

    def _tool(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([BOX, *words], capture_output=True, text=True, env=self._environment, timeout=LIMIT)
        assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
        return done


CONFIGURATION = f"""
[environments.here]
rest = "http://127.0.0.1:{PORT}/v1"
websocket = "ws://127.0.0.1:{PORT}/v1/websocket"
[logins.apex]
environment = "here"
username = "jane"
cid = 8123
[accounts.lead]
login = "apex"
name = "DEMO-jane-1"
[accounts.eval1]
login = "apex"
name = "DEMO-jane-2"
[[copy]]
name = "main"
leader = "lead"
[[copy.followers]]
account = "eval1"
"""
