"""A way out that does not get there: what is to be gone, and for half a minute is not, is paged.

Rule 1: whatever keeps it (an order in doubt, a cancel that is never shown, a hold, one refusal after the other): others
        have told what happened; here it is told that it takes too long.
Rule 2: told once, and once more when it is over.
Rule 3: what waits for its market to open is not late, and what is left as it is (catch_up = none) is nobody's way out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from statecharts import calendar, excess, firm, flattening
from statecharts.book import Contract, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Symbol

LATE = timedelta(seconds=30)  # a lost exit may take that long by itself: the settling time and two look-ups


def look_at(draft: Draft, symbol: Symbol, rules: CopyRules, current: bool) -> None:
    """`current`: is the leader's view?"""
    contract = draft.contract(symbol)
    if not _to_go(draft, symbol, contract, rules, current) or calendar.opens_at(draft, symbol) is not None:
        if contract.out_paged and not _holds(draft, symbol):
            draft.tell("position.drifted", f"{symbol}: out, at last")
        if contract.out_since is not None or contract.out_paged:
            draft.note(symbol, out_since=None, out_paged=False)
        return
    contract = draft.note(symbol, out_since=contract.out_since or draft.at)
    assert contract.out_since is not None, "noted"
    if not contract.out_paged and draft.at >= contract.out_since + LATE:
        draft.note(symbol, out_paged=True)
        _page(draft, symbol, contract.out_since)


def next_deadline(contract: Contract) -> datetime | None:
    """When a way out has taken too long."""
    return None if contract.out_since is None or contract.out_paged else contract.out_since + LATE


def _to_go(draft: Draft, symbol: Symbol, contract: Contract, rules: CopyRules, current: bool) -> bool:
    """Is something of ours on its way out, or should it be?"""
    if flattening.latched(draft.book, symbol) is not None:
        return bool(contract.own) or any(copy.trades for copy in draft.book.in_progress(symbol))
    if contract.close_to is not None:
        return contract.own != contract.close_to
    if contract.left or not current or not contract.own:
        return False
    return excess.may_stay(draft, symbol, rules) != contract.own


def _holds(draft: Draft, symbol: Symbol) -> bool:
    """A market that has closed meanwhile ends no page."""
    return calendar.opens_at(draft, symbol) is not None and bool(draft.contract(symbol).own)


def _page(draft: Draft, symbol: Symbol, since: datetime) -> None:
    own = draft.contract(symbol).own
    what = f"{'long' if own > 0 else 'short'} {abs(own)}" if own else "an order of ours"
    why = _why(draft, symbol)
    draft.tell(
        "position.drifted",
        f"{symbol}: NOT OUT since {since:%H:%M:%S} UTC: still {what}; {why}",
        Severity.PAGE,
        reason=why,
        remedy="close it in Tradovate now, if it cannot wait; copierd goes on trying",
    )


def _why(draft: Draft, symbol: Symbol) -> str:
    """What it waits for, as far as it is known."""
    in_progress = draft.book.in_progress(symbol)
    if any(copy.stage is Stage.UNKNOWN for copy in in_progress):
        return "the answer to an order was lost, and it is not yet found out what became of it"
    if firm.frozen(draft.book, symbol):
        return "nothing is sent there before the account is read again, and while an order of the firm's works"
    if any(copy.put_off and copy.kind is not Kind.ENTRY for copy in in_progress):
        return "the broker has put our request off (penalty ticket), and it waits for its time"
    if any(copy.verb is Verb.CANCEL or copy.cancel_wanted is not None for copy in in_progress):
        return "an order of ours is not yet cancelled"
    if draft.contract(symbol).refused:
        return "the broker refuses the closing"
    return "the broker has not filled it"
