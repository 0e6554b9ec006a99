"""The journal: what reaches the operator, in which form, and what never does."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from daemon import journal as journal_module
from daemon.journal import Entry, Journal, fitting_sink, message_id, prioritized, readable, structured
from tests.daemon.test_outlet import fill, listening


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level


def test_a_message_carries_its_fields_and_leaves_out_what_is_not_known() -> None:
    entries: list[Entry] = []
    Journal(entries.append).say(
        "connection.broken", "eval1 lost", severity="warning", account="eval1", from_="Copying", attempt=2, order=None
    )
    [entry] = entries
    assert (entry.kind, entry.message, entry.severity) == ("connection.broken", "eval1 lost", "warning")
    assert entry.fields == {"account": "eval1", "from_": "Copying", "attempt": "2"}


def test_a_crash_is_told_with_its_traceback_and_without_secrets() -> None:
    entries: list[Entry] = []
    journal = Journal(entries.append)
    journal.keep_secret("hunter22")
    try:
        raise KeyError("hunter22")
    except KeyError as bug:
        journal.crash("eval1 crashed", bug, account="eval1")
    [entry] = entries
    assert entry.message.startswith("eval1 crashed\nTraceback") and entry.message.endswith("KeyError: '***'")
    assert (entry.kind, entry.severity, entry.fields) == ("daemon.bug", "error", {"account": "eval1"})


def test_what_is_below_the_level_is_not_said() -> None:
    entries: list[Entry] = []
    journal = Journal(entries.append, "warning")
    journal.say("a", "quiet")
    journal.say("b", "loud", severity="page")
    journal.set_level("debug")
    journal.say("c", "now", severity="debug")
    assert [entry.kind for entry in entries] == ["b", "c"]


def test_a_registered_secret_is_masked_everywhere(restored_logging: None) -> None:
    entries: list[Entry] = []
    journal = Journal(entries.append)
    journal.take_over_logging()
    journal.keep_secret("hunter22")
    journal.keep_secret("hunter22-long")
    journal.keep_secret("")
    journal.say("a", "sent hunter22-long and hunter22", reason="refused hunter22")
    try:
        raise ValueError("hunter22")
    except ValueError:
        logging.getLogger("copierd").exception("failed with %s", "hunter22")
    logging.getLogger("httpx").warning("GET /?token=%s", "hunter22")
    assert entries[0].message == "sent *** and ***"
    assert entries[0].fields == {"reason": "refused ***"}
    assert "ValueError: ***" in entries[1].message
    assert entries[2].message == "httpx: GET /?token=***"
    assert "hunter22" not in repr(entries) + repr(vars(journal))


@pytest.mark.parametrize("library", ["httpx", "httpcore.connection", "trio-websocket", "anything"])
def test_libraries_are_silent_below_a_warning(library: str, restored_logging: None) -> None:
    entries: list[Entry] = []
    journal = Journal(entries.append, "debug")
    journal.take_over_logging()
    logging.getLogger(library).info("https://example.invalid/?token=x")
    logging.getLogger("copierd").debug("ours")
    logging.getLogger(library).error("broken")
    assert [(entry.message, entry.severity) for entry in entries] == [
        ("ours", "debug"),
        (f"{library}: broken", "error"),
    ]


def test_under_systemd_each_field_is_the_contract_s() -> None:
    sent: list[tuple[str, dict[str, Any]]] = []

    def send(message: str, **fields: Any) -> None:
        sent.append((message, fields))

    Journal(structured(send)).say(
        "connection.broken",
        "lost",
        severity="page",
        account="eval1",
        login="apex",
        from_="Copying",
        state="BackingOff",
        event="SessionLost",
        reason="closed",
        copy="main",
        leader_order=1,
        order=2,
        latency_ms=1.5,
    )
    [(message, fields)] = sent
    assert message == "lost"
    assert fields.pop("MESSAGE_ID") == message_id("connection.broken") == "82f29f2061fa5f309c4bb288bc4da2b7"
    assert fields == {
        "PRIORITY": "2",
        "SYSLOG_IDENTIFIER": "copierd",
        "COPIERD_KIND": "connection.broken",
        "COPIERD_ACCOUNT": "eval1",
        "COPIERD_LOGIN": "apex",
        "COPIERD_FROM": "Copying",
        "COPIERD_STATE": "BackingOff",
        "COPIERD_EVENT": "SessionLost",
        "COPIERD_REASON": "closed",
        "COPIERD_COPY": "main",
        "COPIERD_LEADER_ORDER": "1",
        "COPIERD_ORDER": "2",
        "COPIERD_LATENCY_MS": "1.5",
    }


def test_without_the_extra_every_line_has_its_priority() -> None:
    stream = io.StringIO()
    journal = Journal(prioritized(stream))
    journal.say("a", "one\ntwo", severity="error")
    journal.say("b", "three")
    assert stream.getvalue() == "<3>one\n<3>two\n<6>three\n"


def test_a_terminal_gets_time_and_colour() -> None:
    def now() -> datetime:
        return datetime.fromisoformat("2026-11-20T14:05:02Z")

    plain, colour = io.StringIO(), io.StringIO()
    for stream in (plain, colour):
        journal = Journal(readable(stream, colour=stream is colour, now=now))
        journal.say("a", "fine")
        journal.say("b", "bad", severity="warning")
    assert plain.getvalue() == "14:05:02 fine\n14:05:02 WARNING: bad\n"
    assert colour.getvalue() == "14:05:02 fine\n\x1b[33m14:05:02 WARNING: bad\x1b[0m\n"


def test_the_form_fits_what_standard_error_is_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "systemd_journal", None)
    path = tmp_path / "stderr"
    with path.open("w") as stream:
        status = os.fstat(stream.fileno())
        connected = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        fitting_sink(stream, connected)(Entry("a", "journald", "info"))
        fitting_sink(stream, {"JOURNAL_STREAM": "1:2"})(Entry("a", "redirected", "info"))
        fitting_sink(stream, {})(Entry("a", "shell", "info"))
    first, second, third = path.read_text().splitlines()
    assert first == "<6>journald"
    assert second.endswith(" redirected") and not second.startswith("<")
    assert third.endswith(" shell")


def test_a_reader_that_is_gone_does_not_end_the_daemon() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream:
        journal = Journal(readable(stream, colour=False))
        os.close(read)
        journal.say("a", "to nobody")
        journal.say("a", "to nobody again")
        Journal(readable(stream, colour=False)).say("a", "nobody from the beginning")


def test_a_log_on_a_full_disk_does_not_end_the_daemon() -> None:
    with Path("/dev/full").open("w") as stream:
        Journal(readable(stream, colour=False)).say("a", "no room for this")


def test_journald_that_takes_nothing_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        """As systemd.journal: it would wait for journald."""

        said: ClassVar[list[str]] = []

        def send(self, message: str, **fields: object) -> None:
            self.said.append(message)

    monkeypatch.setattr(journal_module, "systemd_journal", Slow())
    monkeypatch.setattr(journal_module, "JOURNALD", str(tmp_path / "socket"))
    monkeypatch.setattr(journal_module, "_goes_to_journald", lambda stream, environ: True)
    with listening(tmp_path / "socket") as journald:
        journal = Journal(fitting_sink(io.StringIO(), {}))
        journal.say("a", "one")
        fill(tmp_path / "socket")
        journal.say("b", "two")
        assert Slow.said == ["one"]
        journald.recv(10)
        journal.say("c", "three")
        assert Slow.said == ["one", "two", "three"]


def test_half_a_character_of_the_broker_s_is_said_as_well() -> None:
    said: list[str] = []

    def send(message: str, **fields: Any) -> None:
        said.extend(text.encode().decode() for text in (message, *fields.values()))  # as systemd's own does

    Journal(structured(send)).say("daemon.log", "a \ud83d", reason="\ud83d b")
    assert said[0] == "a \\ud83d" and said[-1] == "\\ud83d b"
