"""Single fields of the broker's JSON as our values. Each answers None for what cannot be read; none raises.

Numbers are taken as texts too, because some answers spell them so. Nothing that is not a number becomes one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

_INT64 = 2**63
_LARGEST = 15  # digits before the point; no price and no quantity comes near
_FINEST = -12  # digits after it
# What databases keep for a date that there is not is the first of the calendar, or its last: with that nothing can be
# reckoned, not even its next day.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def whole(value: object) -> int | None:
    """An int64: 3, "3", 3.0; not 3.5, not true."""
    if type(value) is int:  # as nearly all of them are; an event has a dozen
        return value if -_INT64 <= value < _INT64 else None
    number = decimal(value) if not isinstance(value, int) else value
    if isinstance(value, bool) or number is None or number != int(number):
        return None
    return int(number) if -_INT64 <= number < _INT64 else None


def identity(value: object) -> int | None:
    """An id: whole and positive (Tradovate OpenAPI: `exclusiveMinimum` 0)."""
    number = whole(value)
    return number if number is not None and number > 0 else None


def decimal(value: object) -> Decimal | None:
    """A finite number of a reasonable size, exactly as it was written."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or (number and not _FINEST <= number.adjusted() <= _LARGEST + 4):
        return None
    exponent = number.as_tuple().exponent
    return number if isinstance(exponent, int) and exponent >= 2 * _FINEST else None


def moment(value: object) -> datetime | None:
    """ISO 8601 as aware UTC; without a zone it is UTC (Tradovate OpenAPI: all dates are).

    None too for what lies before any computer; what lies beyond the year 9000 is never, and is its beginning.
    """
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return min(at, _LAST) if at >= _FIRST else None


def earlier(one: datetime | None, other: datetime | None) -> bool:
    """Is it a repetition of the past? Where a time is missing, what comes later is newer."""
    return one is not None and other is not None and one < other


def phrase(value: object) -> str:
    """A text that can be stored and logged; anything else is the empty text."""
    if not isinstance(value, str):
        return ""
    words = value.strip()
    return words if words.isascii() else words.encode("utf-8", "replace").decode()


def iso(at: datetime) -> str:
    """As the broker writes it: UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
