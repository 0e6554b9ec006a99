"""The broker refuses with SessionClosed, at once or later.

Rule 1: an entry is refused like any other: it never comes again, least of all at the reopening.
Rule 2: an exit waits for the opening. What rests at the leader is placed then, what he has exited is closed at market.
Rule 3: a change waits too, and is asked for with the newest terms; nothing is asked again and again meanwhile.
"""

from __future__ import annotations

from statecharts import attempts, calendar, exposure
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.rules import CopyRules
from statecharts.sizing import Kind


def exit_waits(draft: Draft, copy: Copy, why: str, rules: CopyRules) -> bool:
    """An order of ours was refused so. False for an entry, which is refused like any other."""
    again = calendar.found_shut_before(draft, copy.symbol)
    opens = calendar.shut(draft, copy.symbol)
    if copy.kind is Kind.ENTRY:
        return False
    order = draft.book.leaders_order(copy)
    if copy.kind is Kind.REVERSAL:
        draft.note(copy.symbol, no_entry=f"a reversal was refused ({why}); waits until the leader is flat")
    rests = order is not None and order.rest > 0 and copy.leader_fill_id is None
    if copy.verb is Verb.PLACE and copy.kind is Kind.EXIT and rests:
        attempts.put_back(draft, copy, why)
    elif copy.verb is Verb.PLACE:
        exposure.want_as_leader(draft, copy.symbol, rules, f"the leader has exited, and ours was refused ({why})")
    draft.tell(
        "copy.failed",
        f"{copy.symbol} exit refused: {why}. It is asked for again {opens:%d %b %H:%M:%S} UTC, when the session opens; "
        f"{abs(draft.contract(copy.symbol).own)} of ours still open",
        Severity.INFO if again else Severity.WARNING,
        reason=why,
        copy=copy.id,
    )
    return True


def change_waits(draft: Draft, change: Copy, why: str) -> None:
    """A modify or cancel was refused so."""
    again = calendar.found_shut_before(draft, change.symbol)
    opens = calendar.shut(draft, change.symbol)
    draft.change_ended(change, ask_after=opens)
    draft.tell(
        "copy.failed",
        f"{change.symbol}: the broker refused to {change.verb.value} order {change.order_id}: {why}. It is asked for "
        f"again {opens:%d %b %H:%M:%S} UTC, when the session opens",
        Severity.INFO if again else Severity.WARNING,
        reason=why,
        copy=change.id,
    )
