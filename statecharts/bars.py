"""Why nothing opens on an account until the operator resumes it, as a value of the book.

Rule 1: a bar bars openings alone: exits, reductions and cancels go on, and the facts are kept.
Rule 2: a bar is told once, when it is set; `resume` lifts every one that the operator can lift.
"""

from __future__ import annotations

import enum


class Bar(enum.StrEnum):
    """The values are the words of `blocked_by` in the status."""

    DENIED = "denied"  # the broker does not let this login place orders
    FIRM = "firm"  # the firm or the broker has closed or locked the account
    MARGIN = "margin"  # entries were refused for margin, twice in a row
    RUNAWAY = "runaway"  # more placements than any leader makes, or an invariant that does not hold
    PENALTY = "penalty"  # the broker asks for a captcha: nothing at all is sent
    DISK = "disk"  # what is decided can hardly be written down

    @property
    def ends_with_resume(self) -> bool:
        return self is not Bar.DISK
