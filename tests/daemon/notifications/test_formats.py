"""The exact bodies, byte by byte: others parse them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import attrs
import pytest

from daemon.bulletins import Bulletin, Severity
from daemon.config.secrets import Secret
from daemon.notifications.formats import Format, heartbeat, letter, signature

AT = datetime(2026, 11, 20, 14, 5, 2, 123_000, tzinfo=UTC)
FAILED = Bulletin(
    id=3_000_000_007,
    at=AT,
    event="copy.failed",
    severity="page",
    account="eval_3",
    login="apex",
    state="Connected",
    reason="InvalidPrice",
    remedy="close it in <Tradovate>",
    detail="eval_3: EXIT REFUSED & 2 *MESZ6* still open",
    copy="c1",
)


def test_json() -> None:
    one = letter(FAILED, "json")
    assert one.headers == {"Content-Type": "application/json"}
    assert one.body.decode() == (
        '{"id":3000000007,"at":"2026-11-20T14:05:02.123Z","event":"copy.failed","severity":"page","account":"eval_3",'
        '"login":"apex","state":"Connected","reason":"InvalidPrice","remedy":"close it in <Tradovate>",'
        '"detail":"eval_3: EXIT REFUSED & 2 *MESZ6* still open","cause":null,"copy":"c1"}'
    )


def test_slack() -> None:
    one = letter(FAILED, "slack")
    assert one.headers == {"Content-Type": "application/json"}
    assert one.body.decode() == (
        '{"text":"*PAGE* 14:05:02 UTC eval_3: EXIT REFUSED &amp; 2 *MESZ6* still open. Close it in &lt;Tradovate&gt;"}'
    )


def test_discord() -> None:
    one = letter(FAILED, "discord")
    assert one.headers == {"Content-Type": "application/json"}
    assert json.loads(one.body) == {
        "content": r"**PAGE** 14:05:02 UTC eval\_3: EXIT REFUSED & 2 \*MESZ6\* still open. Close it in <Tradovate\>",
        "allowed_mentions": {"parse": []},
    }


@pytest.mark.parametrize(("severity", "priority"), [("info", "3"), ("warning", "4"), ("page", "5")])
def test_ntfy(severity: Severity, priority: str) -> None:
    one = letter(attrs.evolve(FAILED, severity=severity), "ntfy")
    assert one.headers == {
        "Content-Type": "text/plain; charset=utf-8",
        "Title": "copierd copy.failed",
        "Priority": priority,
    }
    assert one.body.decode() == ("14:05:02 UTC eval_3: EXIT REFUSED & 2 *MESZ6* still open. Close it in <Tradovate>")


@pytest.mark.parametrize("form", ["slack", "discord", "ntfy"])
def test_no_text_is_longer_than_its_reader_takes(form: Format) -> None:
    one = letter(attrs.evolve(FAILED, detail="_é" * 3000), form)
    text = one.body.decode() if form == "ntfy" else str(next(iter(json.loads(one.body).values())))
    assert len(text) < 2000
    assert len(one.body) < 4096


def test_heartbeats() -> None:
    bodies = {form: heartbeat(AT, form).body.decode() for form in ("json", "slack", "discord", "ntfy")}
    assert bodies == {
        "json": '{"id":null,"at":"2026-11-20T14:05:02.123Z","event":"heartbeat","severity":"info","account":null,'
        '"login":null,"state":null,"reason":null,"remedy":null,"detail":"copierd: all is well"}',
        "slack": '{"text":"copierd: all is well"}',
        "discord": '{"content":"copierd: all is well","allowed_mentions":{"parse":[]}}',
        "ntfy": "copierd: all is well",
    }
    assert heartbeat(AT, "ntfy").headers["Priority"] == "1"


def test_a_signature_is_of_the_moment_a_dot_and_the_body() -> None:
    # printf '1795183502.{"a":1}' | openssl dgst -sha256 -hmac key
    moment = datetime.fromtimestamp(1795183502, UTC)
    assert signature(Secret("key"), b'{"a":1}', moment) == (
        "t=1795183502,v1=aa11aeaa4dfbd6bd464501dd43ad7d12c8ee1427904a4294c78280581dc6352e"
    )
