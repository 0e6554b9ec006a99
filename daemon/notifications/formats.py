"""The forms that a bulletin is sent in: signed JSON, and what Slack, Discord and ntfy read.

Rule: a text shows words and no markup of its own making: what an account or the broker wrote is escaped.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import attrs

from daemon.bulletins import Bulletin, instant
from daemon.config.secrets import Secret

Format = Literal["json", "slack", "discord", "ntfy"]
SIGNATURE = "Copierd-Signature"
LONGEST_TEXT = 1800  # characters: Discord takes 2000, ntfy 4096 bytes, and a text that is longer is read by nobody
ALL_WELL = "copierd: all is well"

_JSON = {"Content-Type": "application/json"}
_PRIORITIES = {"info": "3", "warning": "4", "page": "5"}  # ntfy: default, high, urgent
_MARKUP = re.compile(r"([\\*_~`|>#\[\]])")


@attrs.frozen
class Letter:
    """What is sent, before it is signed."""

    body: bytes
    headers: Mapping[str, str]


def letter(bulletin: Bulletin, form: Format) -> Letter:
    if form == "json":
        return _json(bulletin.as_json())
    return _text(bulletin.severity.upper(), bulletin, form)


def heartbeat(at: datetime, form: Format) -> Letter:
    """The ping while all is well."""
    match form:
        case "json":
            nothing = dict.fromkeys(("account", "login", "state", "reason", "remedy"))
            return _json(
                {"id": None, "at": instant(at), "event": "heartbeat", "severity": "info", **nothing, "detail": ALL_WELL}
            )
        case "slack":
            return _json({"text": ALL_WELL})
        case "discord":
            return _json({"content": ALL_WELL, "allowed_mentions": {"parse": []}})
        case "ntfy":
            return Letter(ALL_WELL.encode(), {"Title": "copierd heartbeat", "Priority": "1"})


def signature(secret: Secret, body: bytes, at: datetime) -> str:
    """The value of the header: when it was signed, and the HMAC-SHA256 of that moment, a dot and the body."""
    moment = str(int(at.timestamp()))
    digest = hmac.new(secret.reveal().encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={digest.hexdigest()}"


def _text(loudness: str, bulletin: Bulletin, form: Literal["slack", "discord", "ntfy"]) -> Letter:
    words = f"{bulletin.at.astimezone(UTC):%H:%M:%S} UTC {_shortened(bulletin.words)}"
    match form:
        case "slack":
            escaped = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            return _json({"text": f"*{loudness}* {escaped}"})
        case "discord":
            escaped = _shortened(_MARKUP.sub(r"\\\1", words))
            return _json({"content": f"**{loudness}** {escaped}", "allowed_mentions": {"parse": []}})
        case "ntfy":
            headers = {"Title": f"copierd {bulletin.event}", "Priority": _PRIORITIES[bulletin.severity]}
            return Letter(words.encode(), {"Content-Type": "text/plain; charset=utf-8", **headers})


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."


def _json(content: Mapping[str, object]) -> Letter:
    return Letter(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), _JSON)
