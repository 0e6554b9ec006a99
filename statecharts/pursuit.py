"""What the book still wants: held exits, changes of working orders, orders that are not chased, closings at market.

Rule 1: level-triggered: whatever the last event was, `advance` looks at each contract and asks for what may be asked.
Rule 2: one rule for all exits: market reductions in flight never exceed our position; our own resting exits of that
        contract are cancelled, and confirmed cancelled, before a close at market.
Rule 3: while an order of the contract is in doubt, nothing is closed: two unknowns at once cannot be told apart. Once
        its answer is lost, nothing at all is placed in the contract, no mirrored exit either, until it is looked up.
"""

from __future__ import annotations

from statecharts import (
    attempts,
    brackets,
    busts,
    calendar,
    changes,
    closing,
    counterpart,
    excess,
    exposure,
    facts,
    fills,
    firm,
    flattening,
    follower,
    guards,
    kinds,
    openings,
    overdue,
    penalties,
    placement,
    protection,
    refusals,
    resting,
    shares,
    unknowns,
)
from statecharts.book import LEADERS_OWN, Contract, Copy, Verb
from statecharts.draft import Draft
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Status, Symbol


def advance(draft: Draft, rules: CopyRules) -> None:
    """Asks for everything that may be asked for now, in every contract. Only while Copying."""
    book = draft.book
    current = not book.held_back()
    if current and book.waiting:
        follower.go_on(draft, rules)
    looked_at = {symbol for symbol, contract in book.contracts.items() if _wants_something(contract)}
    looked_at.update([symbol for symbol, copies in draft.book.open.items() if copies])
    for symbol in sorted(looked_at):
        if firm.holds(draft, symbol) or _is_undisturbed(draft, symbol, rules):
            overdue.look_at(draft, symbol, rules, current)
            continue
        held = [copy for copy in draft.book.in_progress(symbol) if copy.stage is Stage.HELD]
        _advance(draft, symbol, rules)
        if any(not draft.book.copies[copy.id].open for copy in held):
            _advance(draft, symbol, rules)  # what waited for nothing stands in nobody's way any more


def _is_undisturbed(draft: Draft, symbol: Symbol, rules: CopyRules) -> bool:
    """Is there nothing in this contract that `_advance` could act upon? So it is in the turn that copies an order.

    Nothing is noted of it but what is ours, and of that nothing is too much; all that is under way is unanswered; what
    may open may go on, and no order of the leader's works that ours could lack.
    """
    contract, theirs = draft.contract(symbol), draft.book.theirs
    if rules.mode == "fills" or not contract.plain or openings.taken_back(draft, symbol) is not None:
        return False
    for copy in draft.book.in_progress(symbol):
        if not copy.trades or not copy.stage.in_doubt or copy.wanted is not None:
            return False  # this is no order on its way, or something else is wanted of it
        if copy.chase_at is not None and copy.chase_at <= draft.at:
            return False
    if not contract.own:
        return True
    return theirs is not None and not theirs.alive and excess.nothing(draft, symbol, rules)


def _wants_something(contract: Contract) -> bool:
    if contract.own or contract.guarded or contract.left:
        return True
    waits = contract.retry_at is not None or contract.close_to is not None or contract.no_entry is not None
    looks = contract.exposed is not None or contract.excess_since is not None or contract.too_much_since is not None
    looks = looks or contract.short_at is not None or contract.busted is not None
    return waits or looks or contract.out_since is not None


def _advance(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    current = not draft.book.held_back()
    contract = draft.contract(symbol)
    if current and contract.no_entry is not None and exposure.leader_done(draft.book, symbol, rules):
        draft.note(symbol, no_entry=None)
    if contract.left and not contract.own:
        draft.note(symbol, left=False)
    ready = contract.retry_at is None or contract.retry_at <= draft.at or closing.is_done(contract)
    if ready:
        draft.note(symbol, retry_at=None)
    latched = flattening.pursue(draft, symbol)
    if current and not latched and rules.mode == "orders":
        kinds.look_again(draft, symbol, rules)
        resting.look_again(draft, symbol, rules)
    openings.withdraw(draft, symbol)
    for copy in draft.book.in_progress(symbol):
        changes.unanswered(draft, copy, rules)
        unknowns.look_for_missed(draft, draft.book.copies[copy.id], rules)
    penalties.pursue(draft, symbol, rules, current)
    for copy in draft.book.in_progress(symbol):
        _chase(draft, copy, rules)
        refusals.overtaken(draft, copy, rules)
    by_fills = rules.mode == "fills"
    if current and contract.busted is not None:
        busts.compare(draft, symbol, rules, excess.may_stay(draft, symbol, rules))
    if by_fills and not latched:
        fills.advance(draft, symbol, rules, current)
    elif current and not latched:
        _exit_what_became_ours(draft, symbol, rules)
        excess.look_for(draft, symbol, rules)
    else:
        draft.note(symbol, too_much_since=None)
    if ready:
        closing.close(draft, symbol, rules, current)
    closes = draft.contract(symbol).close_to is not None
    protection.look_after(draft, symbol, rules, current)
    if ready and not closes:  # what had a stop refused is closed now, and not when something else happens
        closing.close(draft, symbol, rules, current)
    for copy in draft.book.in_progress(symbol) if not by_fills else ():
        together = brackets.held_together(draft, draft.book.copies[copy.id])
        released = [_released(draft, one, rules, current, ready) for one in together]
        brackets.send(draft, [one for one in released if one is not None], rules)
    if current and not latched and not by_fills:
        _within_ours(draft, symbol)
    for copy in draft.book.in_progress(symbol):
        openings.keep_small(draft, copy, draft.book.leaders_order(copy), current, rules)
    for copy in sorted(draft.book.in_progress(symbol), key=lambda one: one.kind is not Kind.ENTRY):
        changes.ask(draft, draft.book.copies[copy.id], rules)  # one change may make another needless
    overdue.look_at(draft, symbol, rules, current)


def _within_ours(draft: Draft, symbol: Symbol) -> None:
    """A resting exit takes no more than is ours, or than our openings may still bring: the rest of it would open."""
    in_progress = [c for c in draft.book.in_progress(symbol) if c.trades]
    for copy in in_progress:
        order = draft.book.leaders_order(copy)
        if copy.guards in draft.contract(symbol).guarded:
            continue  # protection.py looks after it
        if copy.verb is not Verb.PLACE or copy.stage not in (Stage.ACCEPTED, Stage.WORKING) or copy.cancel_wanted:
            continue
        if order is None or not order.rest or copy.terms is None:
            continue
        if counterpart.kind_now(draft, order) is not Kind.EXIT:
            continue
        coming = sum(c.rest for c in in_progress if c.side is not copy.side and c.kind is not Kind.EXIT)
        room = max(0, -copy.side.sign * draft.contract(symbol).own) + coming
        draft.keep(changes.cut(copy, room, "nothing of ours is left for it to exit"))


def _chase(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    """The leader's order is complete and ours is not: entries are cancelled, exits are made certain at market."""
    if copy.chase_at is None or copy.chase_at > draft.at or copy.pending is not None or copy.stage is Stage.HELD:
        return
    if copy.stage.in_doubt:
        draft.keep(evolve(copy, chase_at=draft.at + rules.chase_after))
        return
    contract = draft.contract(copy.symbol)
    takes = copy.side.sign * contract.own < 0  # whatever it was when it came
    opens = calendar.opens_at(draft, copy.symbol) if takes else None
    if opens is not None:  # until then it protects, and nothing could take its place
        draft.keep(evolve(copy, chase_at=opens))
        return
    draft.keep(evolve(copy, chase_at=None, cancel_wanted="the leader's order is complete; ours is not chased"))
    if takes and contract.close_to is None:
        exposure.want_as_leader(draft, copy.symbol, rules, "the leader's exit is complete and ours is not")


def _exit_what_became_ours(draft: Draft, symbol: Symbol, rules: CopyRules) -> None:
    """An exit that was skipped, because there was nothing of ours for it, is wanted once there is."""
    theirs = draft.book.theirs
    assert theirs is not None, "the leader's view is current"
    if not draft.contract(symbol).own:
        return
    for order in theirs.alive:
        copy = draft.book.copies.get(draft.book.placed.get(order.id, LEADERS_OWN))
        if copy is None or copy.symbol != symbol or copy.stage is not Stage.SKIPPED or copy.order_id is not None:
            continue
        if copy.guards is not None:
            continue  # it goes with its entry
        if copy.terms is None or copy.terms.quantity:
            continue  # skipped for another reason than its size
        if order.rest and not theirs.asleep(order):
            found = shares.size_of(draft, copy, order, rules)
            if found.kind is Kind.EXIT and found.quantity:
                meant = max(found.meant, found.quantity)
                copy = draft.keep(evolve(copy, kind=Kind.EXIT, meant=meant, opens=0))
                attempts.put_back(draft, copy, "there is something of ours for it now")


def _released(draft: Draft, copy: Copy, rules: CopyRules, current: bool, ready: bool) -> Copy | None:
    """An exit that waited for its entry, with the size of what the entry has become; None when it goes on waiting."""
    order = draft.book.leaders_order(copy)
    ended = order is not None and order.status.finished and order.status is not Status.FILLED and not order.filled
    if copy.cancel_wanted is not None or order is None or order.terms is None or ended:
        draft.news(copy, News.GIVEN_UP, copy.cancel_wanted or "the leader's order is gone")
        return None
    if calendar.held(draft, copy) or (copy.ask_after is not None and copy.ask_after > draft.at):
        return None
    if copy.kind is Kind.ENTRY and copy.put_off:
        again = penalties.entry(draft, copy, order, rules) if current else None
        if again is not None:
            placement.send(draft, again, rules, brackets=brackets.once_more(draft, again))
        return None
    if openings.waited_to_open(copy, order) and draft.at > copy.decided_at + rules.fresh_age:
        copy = openings.only_the_exit(draft, copy, order, "it has waited longer than an entry is fresh", rules)
    copy = guards.as_filled(draft, copy)
    found = shares.held_size(draft, copy, order, rules)
    awaited = follower.awaited(draft, copy, found)
    for entry in (one for one in awaited if one.kind is not Kind.EXIT):
        if entry.chase_at is not None and entry.stage is not Stage.HELD and not entry.cancel_wanted:
            draft.keep(evolve(entry, cancel_wanted="the leader's is complete and already being exited"))
    ready = ready or exposure.is_stop(copy)  # protection does not wait for the next try of a closing
    if awaited or (found.kind is not Kind.EXIT and not current) or (found.quantity and not ready):
        return None
    if exposure.unknown(draft.book, copy.symbol):
        return None
    whole, barred = found.quantity, penalties.stale(draft, copy) or openings.bar(draft, order, copy.symbol, rules)
    found = openings.allowed(draft, copy, found, barred)
    if found.quantity < whole:
        openings.missed_of(draft, copy, order, found, barred, rules)
    if found.quantity <= 0:
        draft.news(copy, News.GIVEN_UP, facts.nowhere(draft.book, copy.symbol) or found.why_nothing)
        return None
    terms = evolve(counterpart.asked(draft, copy, order, order.terms), quantity=found.quantity)
    chase_at = draft.at + rules.chase_after if order.status.finished else None
    released = evolve(copy, kind=found.kind, terms=terms, wanted=None, reason=None, chase_at=chase_at)
    return evolve(released, ask_after=None)
