"""The other end of the control socket: what `copierctl` asks, and what it can tell when nobody answers.

Rule 1: a refusal of the daemon's and a daemon that is not there are two things, with two exit statuses.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import httpx

from daemon import places

LIMIT = 5.0  # seconds for an answer: the daemon answers in milliseconds, or is stuck
QUIET_LIMIT = 40.0  # seconds without a byte of a stream, in which there is one every 15 s
SYSTEMS_OWN = Path("/run/copierd/control.sock")  # the packaged service's; an operator's shell has not its environment


class NoDaemon(Exception):
    """Nobody answers. The text says where it was looked for and what to do."""


@attrs.frozen
class Refused(Exception):
    """The daemon said no. `status` is HTTP's, `kind` the problem's type."""

    status: int
    detail: str
    remedy: str | None = None
    kind: str = ""

    @property
    def unreadable(self) -> bool:
        """Did the daemon not understand what was asked for: an error of usage?"""
        return self.kind.startswith("unreadable")

    def __str__(self) -> str:
        return f"{self.detail}. {self.remedy}" if self.remedy else self.detail


def sockets(named: Path | None, environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Where to look: what was named, else $COPIERD_SOCKET, else where this user's daemon or the system's answers.

    The daemon may have been started where there is no session of systemd, and its user sit in one.
    """
    environ = os.environ if environ is None else environ
    if named is not None:
        return (named,)
    if environ.get("COPIERD_SOCKET"):
        return (Path(environ["COPIERD_SOCKET"]),)
    outside = {name: value for name, value in environ.items() if name != "XDG_RUNTIME_DIR"}
    return tuple(dict.fromkeys((places.control_socket(environ), places.control_socket(outside), SYSTEMS_OWN)))


@attrs.frozen
class Sent:
    """One event of a stream. `id` is for who takes the stream up again; not every event has one."""

    id: int | None
    event: str
    data: dict[str, Any]


@attrs.define
class Client:
    """Speaks with the first of `looked_at` that is there."""

    looked_at: tuple[Path, ...]

    @property
    def path(self) -> Path:
        return next((path for path in self.looked_at if _is_there(path)), self.looked_at[0])

    def get(self, path: str, **parameters: str | int | None) -> dict[str, Any]:
        """Raises NoDaemon and Refused."""
        return self._ask("GET", path, {name: value for name, value in parameters.items() if value is not None})

    def post(self, path: str, body: Mapping[str, str] | None = None, limit: float = LIMIT) -> dict[str, Any]:
        """`limit` in seconds, where the daemon has to ask the broker first. Raises NoDaemon and Refused."""
        return self._ask("POST", path, {}, body, limit)

    def text(self, path: str) -> str:
        """An answer that is no JSON. Raises NoDaemon and Refused."""
        with self._speaking(LIMIT) as http:
            answer = http.get(path)
            if not answer.is_success:
                raise _refusal(answer)
            return answer.text

    def stream(self, path: str, last_seen: int | None, **parameters: str | None) -> Iterator[Sent]:
        """The server-sent events after that one, as they come.

        Raises NoDaemon, also at the daemon's end and when it cannot go on, and Refused.
        """
        headers = {"Accept": "text/event-stream"}
        if last_seen is not None:
            headers["Last-Event-ID"] = str(last_seen)
        asked = {name: value for name, value in parameters.items() if value is not None}
        with (
            self._speaking(QUIET_LIMIT) as http,
            http.stream("GET", path, headers=headers, params=asked) as answer,
        ):
            if not answer.is_success:
                answer.read()
                raise _refusal(answer)
            fields: dict[str, str] = {}
            for line in self._lines(answer):
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    known, data = fields.get("id"), json.loads(fields["data"])
                    if fields.get("event") == "problem":
                        raise NoDaemon(f"{data['detail']}. {data.get('remedy', '')}")
                    yield Sent(None if known is None else int(known), fields.get("event", ""), data)
                if not line:
                    fields = {}
        raise NoDaemon(f"copierd at {self.path} has ended the stream; asking again")

    def _lines(self, answer: httpx.Response) -> Iterator[str]:
        try:
            yield from answer.iter_lines()
        except httpx.RemoteProtocolError as error:  # it was killed, or had not the time for an end
            raise NoDaemon(f"copierd at {self.path} has broken off the stream; asking again") from error

    def _ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | int],
        body: Mapping[str, str] | None = None,
        limit: float = LIMIT,
    ) -> dict[str, Any]:
        with self._speaking(limit) as http:
            answer = http.request(method, path, params=parameters, json=body)
            content = answer.json()
            if answer.is_success and isinstance(content, dict):
                return content
            raise _refusal(answer)

    @contextlib.contextmanager
    def _speaking(self, limit: float) -> Iterator[httpx.Client]:
        """`limit` in seconds, between two signs of life. Raises NoDaemon."""
        where = self.path
        self._knock(where)
        try:
            # A proxy of the environment would be asked instead of the socket, hence trust_env
            with httpx.Client(
                transport=httpx.HTTPTransport(uds=str(where)),
                timeout=limit,
                trust_env=False,
                base_url="http://localhost",
            ) as http:
                yield http
        except httpx.TimeoutException as error:
            words = f"copierd does not answer at {where} within {limit:g} s. See: journalctl -u copierd"
            raise NoDaemon(words) from error
        except (httpx.TransportError, ValueError) as error:
            raise NoDaemon(f"what answers at {where} is no copierd, or it is just stopping: {error}") from error

    def _knock(self, path: Path) -> None:
        """Says why nobody can be reached better than an HTTP client does. Raises NoDaemon."""
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(LIMIT)
            try:
                knock.connect(str(path))
            except PermissionError as error:
                raise NoDaemon(
                    f"you may not open {path}. "
                    "Use sudo, or join the socket's group (sudo usermod -aG copierd $USER) and log in again"
                ) from error
            except OSError as error:
                looked = " or ".join(str(one) for one in self.looked_at)
                raise NoDaemon(
                    f"no copierd answers at {looked} ({error.strerror or error}). "
                    "Start it (systemctl start copierd, or copierd run), "
                    "or name its socket: --socket PATH, or COPIERD_SOCKET"
                ) from error


def _refusal(answer: httpx.Response) -> Refused:
    """Raises ValueError when the answer is not JSON."""
    content = answer.json()
    said = content if isinstance(content, dict) else {}
    detail = str(said.get("detail", f"HTTP {answer.status_code}"))
    return Refused(answer.status_code, detail, said.get("remedy"), str(said.get("type", "")))


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return True  # behind a directory that is closed to us
    except OSError:
        return False
    return True
