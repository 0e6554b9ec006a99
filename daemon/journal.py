"""What the operator reads: one line per happening, with fields under systemd.

Rule 1: a message is a sentence that an operator can act on; whatever a machine may filter by is a field.
Rule 2: a secret that has been registered never leaves here, whoever wrote it into a message.
Rule 3: the libraries below us are silent under a warning: their chatter holds addresses and tokens.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TextIO

import attrs

from daemon.outlet import Outlet, after, room_at, text_to

try:
    from systemd import journal as systemd_journal
except ImportError:  # the extra `systemd` is not installed: plain lines are all there is
    systemd_journal = None

Severity = Literal["debug", "info", "warning", "error", "page"]
Level = Literal["debug", "info", "warning", "error"]
Field = str | int | float | None

# syslog(3). A page is for a position in danger: critical, so that `journalctl -p crit` shows these alone.
PRIORITIES: Mapping[Severity, int] = {"debug": 7, "info": 6, "warning": 4, "error": 3, "page": 2}
_LEVELS: Mapping[Severity, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "page": logging.CRITICAL,
}
_COLOURS: Mapping[Severity, str] = {
    "debug": "\x1b[2m",
    "info": "",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "page": "\x1b[1;31m",
}
_END_OF_COLOUR = "\x1b[0m"
_LOUD_LIBRARIES = ("httpx", "httpcore", "trio-websocket", "trio_websocket", "wsproto")
# The namespace of our MESSAGE_IDs. Never change it: filters on other machines hold the ids that come of it.
_NAMESPACE = uuid.UUID("6f1c9f7e-0f3b-5d0a-9a55-2f4f4c1c7c55")
JOURNALD = "/run/systemd/journal/socket"  # sd_journal_print(3)
_SHORTEST_SECRET = 4  # masking shorter ones would blacken every other word


def message_id(kind: str) -> str:
    """The MESSAGE_ID of a kind of event, 32 hexadecimal digits, the same on every machine and in every version."""
    return uuid.uuid5(_NAMESPACE, kind).hex


@attrs.frozen
class Entry:
    """One line of the journal, before a sink gives it its form."""

    kind: str
    message: str
    severity: Severity
    fields: Mapping[str, str] = attrs.field(factory=dict)

    def systemd_fields(self) -> dict[str, str]:
        """COPIERD_ACCOUNT and so on; `from_` is COPIERD_FROM."""
        named = {f"COPIERD_{name.rstrip('_').upper()}": value for name, value in self.fields.items()}
        return {"MESSAGE_ID": message_id(self.kind), "COPIERD_KIND": self.kind, **named}


Sink = Callable[[Entry], None]


@attrs.define
class Masks:
    """The registered secrets. Longer ones first, so that a secret within a secret leaves no rest."""

    _secrets: tuple[str, ...] = ()
    _lock: threading.Lock = attrs.field(factory=threading.Lock, repr=False)

    def __repr__(self) -> str:
        return f"Masks({len(self._secrets)} hidden)"

    def add(self, secret: str) -> None:
        with self._lock:
            if len(secret) >= _SHORTEST_SECRET and secret not in self._secrets:
                self._secrets = tuple(sorted((*self._secrets, secret), key=len, reverse=True))

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class Journal:
    """Open one with `Journal.open`; a test gives its own sink."""

    def __init__(self, sink: Sink, level: Level = "info") -> None:
        self._sink = sink
        self._masks = Masks()
        self._threshold = _LEVELS[level]

    @classmethod
    def open(cls, level: Level = "info") -> Journal:
        """The journal that fits where the process runs. What others say through logging passes through it as well."""
        journal = cls(fitting_sink(sys.stderr, os.environ), level)
        journal.take_over_logging()
        return journal

    def take_over_logging(self) -> None:
        """Ours at our level, the libraries' from a warning upwards, both with secrets masked."""
        for name in _LOUD_LIBRARIES:
            logging.getLogger(name).setLevel(logging.WARNING)
        root = logging.getLogger()
        root.setLevel(logging.WARNING)
        root.handlers = [_Bridge(self)]
        logging.getLogger("copierd").setLevel(self._threshold)

    def say(self, kind: str, message: str, *, severity: Severity = "info", **fields: Field) -> None:
        """`kind` is the event's name (connection.broken); fields that are None are left out."""
        if _LEVELS[severity] < self._threshold:
            return
        clean = self._masks.clean
        told = {name: clean(str(value)) for name, value in fields.items() if value is not None}
        self._sink(Entry(kind, clean(message), severity, told))

    def crash(self, message: str, bug: BaseException, **fields: Field) -> None:
        """What nobody expected, with its whole traceback."""
        story = "".join(traceback.format_exception(bug)).rstrip()
        self.say("daemon.bug", f"{message}\n{story}", severity="error", **fields)

    def keep_secret(self, value: str) -> None:
        """Mask this value in everything that is said from now on. Tokens are registered as they are renewed."""
        self._masks.add(value)

    def clean(self, text: str) -> str:
        """The text as it may leave the process."""
        return self._masks.clean(text)

    def set_level(self, level: Level) -> None:
        """A reload may have changed it."""
        self._threshold = _LEVELS[level]
        logging.getLogger("copierd").setLevel(self._threshold)


class _Bridge(logging.Handler):
    """The way from Python's logging, which libraries and `warnings` use, into the journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        severity: Severity = "debug"
        for name, level in _LEVELS.items():
            if record.levelno >= level:
                severity = name
        origin = "" if record.name == "copierd" else f"{record.name}: "
        self._journal.say("daemon.log", origin + self.format(record), severity=severity)


def fitting_sink(stream: TextIO, environ: Mapping[str, str]) -> Sink:
    """Fields where journald listens and the extra is there, priorities where only journald is, else readable lines."""
    if not _goes_to_journald(stream, environ):
        return readable(stream, colour=stream.isatty() and "NO_COLOR" not in environ)
    if systemd_journal is None:
        return prioritized(stream)
    return Outlet(after(room_at(JOURNALD), structured(systemd_journal.send)), _missing).put


def _missing(lost: int) -> Entry:
    return Entry("daemon.log", f"{lost} lines are missing here: journald took no more", "warning")


def _goes_to_journald(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """systemd.exec(5): $JOURNAL_STREAM names the device and inode of the stream that it connected. A shell below a
    service inherits the variable but may have sent its standard error elsewhere, so the two are compared."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def structured(send: Callable[..., Any]) -> Sink:
    def sink(entry: Entry) -> None:
        priority = str(PRIORITIES[entry.severity])
        fields = {name: _encodable(value) for name, value in entry.systemd_fields().items()}
        send(_encodable(entry.message), PRIORITY=priority, SYSLOG_IDENTIFIER="copierd", **fields)

    return sink


def _encodable(text: str) -> str:
    """Real world: half a character in the broker's words. No line ends who says it."""
    return text.encode("utf-8", "backslashreplace").decode()


def prioritized(stream: TextIO) -> Sink:
    """sd-daemon(3): journald takes a leading <N> for the priority of that line, so every line needs one."""

    write = _writer(stream)

    def sink(entry: Entry) -> None:
        prefix = f"<{PRIORITIES[entry.severity]}>"
        write("".join(f"{prefix}{line}\n" for line in (entry.message.splitlines() or [""])))

    return sink


def _now() -> datetime:
    return datetime.now().astimezone()


def readable(stream: TextIO, *, colour: bool, now: Callable[[], datetime] = _now) -> Sink:
    """With the local time of day in front: no journald adds one here."""

    write = _writer(stream)

    def sink(entry: Entry) -> None:
        paint = _COLOURS[entry.severity] if colour else ""
        end = _END_OF_COLOUR if paint else ""
        loud = "" if entry.severity in ("debug", "info") else f"{entry.severity.upper()}: "
        write(f"{paint}{now():%H:%M:%S} {loud}{entry.message}{end}\n")

    return sink


def _writer(stream: TextIO) -> Callable[[str], object]:
    """Past the stream's buffer, where there is a descriptor below it."""
    try:
        return text_to(stream.fileno())
    except (OSError, ValueError):  # closed, or nothing but memory
        return stream.write
