"""Tradovate's WebSocket framing (a descendant of SockJS): o, h, a[...] and c[...] in; endpoint, id, query, body out.

Rule 1: `parse` is total. Whatever the broker sends becomes a value, and one bad message never loses its neighbours.
Rule 2: only the first character decides the kind of a frame, as in the broker's own JavaScript client.
Rule 3: numbers with a fraction are Decimal in both directions; no binary float is made of a price.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation

import attrs

HEARTBEAT = "[]"  # owed every 2.5 s, whether or not the broker's own `h` arrives (Tradovate WebSocket documentation)

_SHOWN = 120  # characters of a frame quoted in a fault
_DIGITS = re.compile(r"-?\d{1,19}")
_PLAIN = frozenset({int, str, bool, type(None)})
_compact = json.JSONEncoder(separators=(",", ":")).encode
_BEYOND = re.compile(r"[0-9]{20}")
_PERHAPS_BEYOND = re.compile(r"[0-9]{4}")  # in every fifth character: a third of the time
# C alone reads it; to call Python for each integer, of which there are many, or to make a decoder for each text, takes
# several times as long.
_usual = json.JSONDecoder(parse_float=Decimal, parse_constant=str).decode


@attrs.frozen
class Opened:
    """`o`: the first frame of the broker; authorize goes out only after it."""


@attrs.frozen
class Heartbeat:
    """`h`: about every 2.5 s while nothing else is sent."""


@attrs.frozen
class Closing:
    """`c[code,"reason"]`: notice of a close; the WebSocket's own close follows. May come several times."""

    code: int | None
    reason: str


@attrs.frozen
class Response:
    """An answer to request `id`. `status` is HTTP-like; `data` is JSON when it is 2xx, else a text or nothing."""

    id: int
    status: int
    data: object


@attrs.frozen
class Pushed:
    """An event that nobody asked for: props, shutdown, md, chart, clock and names yet unknown."""

    name: str
    data: object


@attrs.frozen
class Messages:
    """`a[...]`: answers and events in the order of the wire. `faults` tells of items that could not be read."""

    items: tuple[Response | Pushed, ...]
    faults: tuple[str, ...] = ()


@attrs.frozen
class Malformed:
    """Nothing that the protocol knows."""

    why: str


Frame = Opened | Heartbeat | Closing | Messages | Malformed


def parse(text: str | bytes) -> Frame:
    """One received WebSocket message as a value. Total: never raises. (Tradovate WebSocket documentation.)"""
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError:
            return Malformed("not UTF-8")
    match text[:1]:
        case "o":
            return Opened()
        case "h":
            return Heartbeat()
        case "a":
            return _messages(text)
        case "c":
            return _closing(text)
        case "":
            return Malformed("an empty frame")
        case _:
            return Malformed(f"unknown kind of frame: {_shown(text)}")


def request(endpoint: str, id: int, query: str = "", body: object | None = None) -> str:  # noqa: A002 - the wire's own word
    """The frame of one request: four parts, parted by line feeds, empty parts kept (Tradovate WebSocket documentation).

    `query` is already encoded (`name=MESZ6`). Raises ValueError when endpoint or query hold a line feed or a number
    of the body is not finite, TypeError when the body holds what JSON cannot say (a binary float counts as such).
    """
    if "\n" in endpoint or "\n" in query:
        raise ValueError("a line feed would begin the next part of the frame")
    return f"{endpoint}\n{id}\n{query}\n{'' if body is None else encode(body)}"


def authorize(id: int, token: str) -> str:  # noqa: A002 - the wire's own word
    """The first request of a connection; its body is the bare token (Tradovate WebSocket documentation)."""
    return f"authorize\n{id}\n\n{token}"


def encode(value: object) -> str:
    """Compact JSON in which a Decimal is a plain number. Raises TypeError and ValueError as `request` does."""
    if type(value) is dict and all(type(key) is str for key in value) and _PLAIN.issuperset(map(type, value.values())):
        return _compact(value)  # an order at market, and most others: C writes it, in a tenth of the time
    match value:
        case None | bool() | int() | str():
            return json.dumps(value)
        case Decimal():
            if not value.is_finite():
                raise ValueError("not a finite number")
            return format(value, "f")
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise TypeError("the keys of a JSON object are texts")
            return "{" + ",".join(f"{json.dumps(key)}:{encode(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(encode(item) for item in value) + "]"
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a request")


def decode(text: str | bytes) -> object:
    """JSON with Decimal for fractions. A number beyond reason, and NaN, stay texts: they spoil one field, not the rest.

    Raises ValueError when it is no JSON, or is nested beyond reason.
    """
    if isinstance(text, str) and (_PERHAPS_BEYOND.search(text[::5]) is None or _BEYOND.search(text) is None):
        try:
            return _usual(text)
        except (ValueError, RecursionError, InvalidOperation):
            pass  # what is wrong with it, the slow way tells
    try:
        return json.loads(text, parse_float=_fraction, parse_int=_integer, parse_constant=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _fraction(digits: str) -> Decimal | str:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return digits


def _integer(digits: str) -> int | str:
    return int(digits) if _DIGITS.fullmatch(digits) else digits


def _messages(text: str) -> Frame:
    try:
        payload = decode(text[1:])
    except ValueError:
        return Malformed(f"not JSON: {_shown(text)}")
    if isinstance(payload, dict):
        payload = [payload]
    if not isinstance(payload, list):
        return Malformed(f"not an array: {_shown(text)}")
    items: list[Response | Pushed] = []
    faults: list[str] = []
    for one in payload:
        item = _item(one)
        if isinstance(item, str):
            faults.append(item)
        else:
            items.append(item)
    return Messages(tuple(items), tuple(faults))


def _item(one: object) -> Response | Pushed | str:
    """A message, or what is wrong with it. The presence of `e` tells an event from an answer."""
    if not isinstance(one, dict):
        return f"a message that is no object: {_shown(str(one))}"
    if "e" in one:
        name = one["e"]
        if isinstance(name, str):
            return Pushed(name, one.get("d"))
        return f"an event whose name is no text: {_shown(str(name))}"
    number, status = _number(one.get("i")), _number(one.get("s"))
    if number is None or status is None:
        return f"neither an event nor an answer: {_shown(str(one))}"
    return Response(number, status, one.get("d"))


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return None


def _closing(text: str) -> Closing:
    try:
        payload = decode(text[1:])
    except ValueError:
        return Closing(None, _shown(text[1:]))
    if not isinstance(payload, list):
        return Closing(None, _shown(text[1:]))
    code = _number(payload[0]) if payload else None
    reason = payload[1] if len(payload) > 1 and isinstance(payload[1], str) else ""
    return Closing(code, _shown(reason))


def _shown(text: str) -> str:
    """A quotation that can be logged and stored: short, and without half a surrogate pair."""
    return text[:_SHOWN].encode("utf-8", "replace").decode()
