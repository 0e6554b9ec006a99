"""What a single value must fulfil beyond its type."""

from __future__ import annotations

import ipaddress
import os
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, assert_never
from urllib.parse import SplitResult, urlsplit

from daemon.config.errors import Misfit
from daemon.config.values import Demand

_INTERVAL = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")
_ROOT = re.compile(r"(?=.*[A-Z])[A-Z0-9]{1,6}")
_CONTRACT = re.compile(r".+[FGHJKMNQUVXZ]\d{1,2}")  # ESZ6: a product's month, not a product
LONGEST_SOCKET = 107  # bytes of a Unix socket's path on Linux
# Nothing an operator means lies beyond, and 1e999999 would fill a page wherever it is shown.
_SMALLEST, _LARGEST = Decimal("1e-9"), Decimal("1e12")
LONGEST_DEVICE_ID = 64  # Tradovate refuses longer ones


def meet(demand: Demand, value: Any) -> Any:
    """The value, when it meets the demand. Raises Misfit otherwise."""
    match demand:
        case Demand.COUNT:
            fits = value >= 1
        case Demand.AMOUNT:
            fits = value > 0
        case Demand.RATIO:
            fits = value != 0
        case Demand.PERIOD:
            fits = value > timedelta(0)
        case Demand.DEVICE:
            fits = 1 <= len(value) <= LONGEST_DEVICE_ID and value.isprintable()
        case Demand.WORDS:
            fits = bool(value.strip()) and value.isprintable()
        case Demand.DOOR:
            bytes_ = len(os.fsencode(value))
            if bytes_ > LONGEST_SOCKET:
                raise Misfit(f"this path is {bytes_} bytes long", f"It must be {demand.value}.")
            return value
        case Demand.ROOT:
            fits = _ROOT.fullmatch(value) is not None and _CONTRACT.fullmatch(value) is None
        case Demand.INTERVAL:
            fits = interval(value) is not None
        case Demand.WEB:
            _address(value, ("https", "http"), demand)
            return value
        case Demand.REST:
            _encrypted(_address(value, ("https", "http"), demand), demand)
            return value
        case Demand.SOCKET:
            _encrypted(_address(value, ("wss", "ws"), demand), demand)
            return value
        case Demand.KEY | Demand.PRIVATE:
            return value
        case _:
            assert_never(demand)
    if not fits:
        shown = repr(value) if isinstance(value, str) else ("0" if isinstance(value, timedelta) else str(value))
        raise Misfit(f"{shown} is out of range", f"It must be {demand.value}.")
    return value


def calculable(number: Decimal) -> bool:
    return number.is_finite() and (not number or _SMALLEST <= abs(number) <= _LARGEST)


def without_echo(demand: Demand, value: Any) -> Misfit | None:
    """What is wrong with a value of the wrong type, where the value must not be repeated: it may be a secret itself."""
    if demand is Demand.KEY:
        if isinstance(value, str) and value.strip().isdigit():
            return None  # a number in quotes is the usual slip, and no secret
        what = "this is no number. It is not repeated here: it may be a secret"
    elif demand is Demand.PRIVATE:
        what = "this is no absolute path. It is not repeated here: it may be the secret itself"
    else:
        return None
    remedy = f"Write {demand.value}. A secret that stood here must be changed if others could read this file."
    return Misfit(what, remedy)


def interval(text: str) -> tuple[int, int] | None:
    """Minutes since midnight of "08:30-16:00", or None when it is not such an interval or is empty."""
    match = _INTERVAL.fullmatch(text)
    if match is None:
        return None
    hours, minutes, *end = (int(part) for part in match.groups() if part is not None)
    start, stop = hours * 60 + minutes, end[0] * 60 + end[1]
    return (start, stop) if start < stop else None


def loopback(host: str | None) -> bool:
    """Does this name this machine and no other?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _address(value: str, schemes: tuple[str, ...], demand: Demand) -> SplitResult:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise Misfit(f"this is not an address ({error})", f"It must be {demand.value}.") from error
    # The address itself is not repeated: a webhook's is often its password.
    if parts.scheme not in schemes:
        raise Misfit(
            f"an address of scheme {parts.scheme or 'none'!r} is not possible here", f"It must be {demand.value}."
        )
    if not parts.hostname or not value.isprintable() or " " in value:
        what = "has a space or a control character in it" if parts.hostname else "names no host"
        raise Misfit(f"this address {what}", f"It must be {demand.value}.")
    if parts.username or parts.password:
        raise Misfit("a secret does not belong in an address", "Take the user and the password out of it.")
    return parts


def _encrypted(parts: SplitResult, demand: Demand) -> None:
    if parts.query or parts.fragment:
        raise Misfit("what is asked for is put behind this address", "Take off what begins with ? or #.")
    if parts.scheme in ("http", "ws") and not loopback(parts.hostname):
        raise Misfit(
            f"{parts.scheme}:// would send tokens and orders in the clear to {parts.hostname}",
            f"Write {parts.scheme}s://; unencrypted addresses are for this machine only.",
        )
