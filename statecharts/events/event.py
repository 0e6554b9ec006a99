"""What every event has, and those that come of the machine itself: its time and its disk."""

from __future__ import annotations

from datetime import datetime

import attrs


@attrs.frozen(kw_only=True)
class Event:
    at: datetime


@attrs.frozen(kw_only=True)
class AlarmRang(Event):
    """A deadline in the book has come."""


@attrs.frozen(kw_only=True)
class DiskFilled(Event):
    """What is decided can hardly be written down any more."""


@attrs.frozen(kw_only=True)
class DiskWritable(Event):
    """There is room again."""
