"""A follower that is not like its leader, and that nobody can reach until a closure ends: that is told at once.

Rule 1: silence is for accounts that wait in good order. A position of ours beyond the leader's, which cannot be closed
        now, is paged; what is short of an open position of his is told, unless it has been with a reason of its own.
Rule 2: told once for each contract and closure.
"""

from __future__ import annotations

from statecharts import exposure, openings, sizing
from statecharts import states as s
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.rules import CopyRules


def look(draft: Draft, state: s.Maintenance, rules: CopyRules) -> None:
    """After any event of a follower that waits in a closure."""
    theirs = draft.book.theirs
    if theirs is None or rules.shadow:
        return
    leaders = {sizing.follower_symbol(symbol, rules) for symbol, net in theirs.net.items() if net}
    for symbol in sorted(leaders | {symbol for symbol, contract in draft.book.contracts.items() if contract.own}):
        contract = draft.contract(symbol)
        target = exposure.total_target(draft.book, symbol, rules)
        beyond = exposure.goal(contract.own, target) != contract.own
        if contract.own == target or contract.left or (contract.no_entry is not None and not beyond):
            continue
        if not beyond and not openings.is_copied(draft, symbol, rules):
            continue
        if contract.apart == state.until:
            continue
        draft.note(symbol, apart=state.until)
        draft.tell(
            "position.drifted",
            f"{symbol} IS NOT LIKE ITS LEADER and cannot be reached: we own {contract.own:+d}, his position stands for "
            f"{target:+d}. Expected back {state.until:%d %b %H:%M} UTC ({state.reason})",
            Severity.PAGE if beyond else Severity.WARNING,
            reason=state.reason,
            remedy="what must not wait so long, do in Tradovate; it is compared as soon as the account is back",
        )
