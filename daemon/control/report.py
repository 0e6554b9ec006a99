"""What support needs to see, in one piece: what is configured, how things stand, and what happened lately.

Rule 1: never a secret: every text goes through the journal's masks, as everything does that leaves the process.
Rule 2: what cannot be had is said in its place; the rest is given all the same.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from daemon import __version__
from daemon.bulletins import instant
from daemon.control import views, words
from daemon.control.evidence import Evidence
from daemon.ledger import LedgerError

if TYPE_CHECKING:
    from daemon.supervisor import Supervisor

TURNS: Final = 400  # the newest, in words
COPIES: Final = 500
_PACKAGES: Final = ("trio", "trio-websocket", "httpx", "attrs", "cattrs", "starlette", "h11", "wsproto")

Json = dict[str, Any]


def report(supervisor: Supervisor, evidence: Evidence) -> Json:
    """{"files": name -> text, "hosts": [[host, port], ...]} of the brokers, for whoever wants to see them reached."""
    clean = supervisor.journal.clean
    files = {name: clean(text) for name, text in _files(supervisor, evidence)}
    return {"files": files, "hosts": sorted(_hosts(supervisor))}


def _files(supervisor: Supervisor, evidence: Evidence) -> Iterator[tuple[str, str]]:
    from daemon.control import metrics  # not before somebody asks: see app.py

    yield "versions.json", _spelled(_versions(supervisor))
    yield "copier.toml", _configuration(supervisor.config_path)
    yield "status.json", _spelled(views.status(supervisor, evidence))
    for name in supervisor.accounts:
        yield f"accounts/{name}.json", _spelled(views.account_in_full(supervisor, name, evidence))
    yield "events.json", _spelled([one.as_json() for one in supervisor.board.recent])
    yield "metrics.txt", metrics.text(supervisor, evidence)
    try:
        yield "copies.json", _spelled(supervisor.ledger.copies(limit=COPIES))
        yield "turns.txt", "\n".join(_turns(supervisor)) + "\n"
    except LedgerError as error:
        yield "ledger.txt", f"{error}\n"


def _versions(supervisor: Supervisor) -> Json:
    return {
        "copierd": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "started_at": instant(supervisor.started_at),
        "now": instant(supervisor.ports.wall()),
        "last_stop": supervisor.last_stop,
        "ledger": str(supervisor.ledger.path),
        "devices": {name: supervisor.ledger.device(name) for name in supervisor.logins},
    }


def _configuration(path: Path | None) -> str:
    if path is None:
        return "# It was not read from a file.\n"
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return f"# {path} cannot be read: {error}\n"


def _turns(supervisor: Supervisor) -> Iterator[str]:
    for turn in supervisor.ledger.newest(TURNS):
        line = f"{turn.id} {instant(turn.at)} {turn.account} {turn.state}: {words.event(turn.event)}"
        yield " -> ".join([line, *(words.effect(one) for one in turn.effects if words.worth_telling(one))])
        if turn.failed:
            yield turn.failed


def _hosts(supervisor: Supervisor) -> set[tuple[str, int]]:
    found = set()
    for name in {login.environment for login in supervisor.config.logins.values()}:
        addresses = supervisor.roster.addresses.get(name)
        for url in (addresses.rest, addresses.websocket) if addresses is not None else ():
            parts = urlsplit(url)
            if parts.hostname is not None:
                found.add((parts.hostname, parts.port or (443 if parts.scheme in ("https", "wss") else 80)))
    return found


def _spelled(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
