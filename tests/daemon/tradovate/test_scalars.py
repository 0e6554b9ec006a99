"""Single fields: what is a number, a time, a text, and what only looks like one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.tradovate.scalars import decimal, identity, iso, moment, phrase, whole

AT = datetime(2024, 1, 15, 9, 30, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        ("3", 3),
        (Decimal("3.0"), 3),
        (-3.0, -3),
        (3556122208, 3556122208),
        (Decimal("3.5"), None),
        ("", None),
        ("three", None),
        (True, None),
        (None, None),
        ([3], None),
        (2**63, None),
        (10**400, None),
        ("NaN", None),
        ("1e999999999999999999999", None),
    ],
)
def test_whole(value: object, number: int | None) -> None:
    assert whole(value) == number


def test_an_id_is_positive() -> None:
    assert identity(0) is None
    assert identity(-1) is None
    assert identity("7") == 7


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (Decimal("5201.25"), Decimal("5201.25")),
        ("0.1", Decimal("0.1")),
        (0.1, Decimal("0.1")),
        (0, Decimal(0)),
        (-37.63, Decimal("-37.63")),
        (Decimal("Infinity"), None),
        (float("nan"), None),
        ("1e300", None),
        ("1e-300", None),
        ("0e-300", None),
        (False, None),
        ({}, None),
    ],
)
def test_decimal(value: object, number: Decimal | None) -> None:
    assert decimal(value) == number


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2024-01-15T09:30:00.123Z", AT),
        ("2024-01-15T11:30:00.123+02:00", AT),
        ("2024-01-15T09:30:00.123", AT),
        ("2024-01-15T09:30:00Z", AT.replace(microsecond=0)),
        ("0001-01-01T00:00:00+14:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("1969-12-31T23:59:59.999Z", None),
        ("9999-12-31T23:59:59.999Z", datetime(9000, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59-14:00", None),
        ("soon", None),
        (1705311000, None),
        (None, None),
    ],
)
def test_moment(value: object, at: datetime | None) -> None:
    assert moment(value) == at


def test_iso_is_utc_with_milliseconds() -> None:
    assert iso(AT.astimezone(timezone(timedelta(hours=-6)))) == "2024-01-15T09:30:00.123Z"


def test_a_phrase_can_always_be_stored() -> None:
    assert phrase(" a ") == "a"
    assert phrase(3) == ""
    phrase("\ud800").encode()


@given(st.text() | st.floats() | st.integers() | st.decimals() | st.binary())
def test_nothing_raises(value: object) -> None:
    for read in (whole, identity, decimal, moment, phrase):
        read(value)
