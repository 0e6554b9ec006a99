"""After a reconnect the account's snapshot is compared with its own book. Its leader's view: catch_up.py.

Rule 1: the snapshot is the truth about this account's orders; a position that we cannot explain is not ours.
Rule 2: an order whose answer was lost and that the snapshot does not show is still unknown: it is looked up.
Rule 3: one that was given up as not there may be there after all, and is ours when it turns up: it is remembered.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from statecharts import absence, legs, own_orders, strangers, unknowns
from statecharts.book import Book, Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import Severity
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.values import Symbol
from statecharts.view import Snapshot, View

TURNS_UP_WITHIN = timedelta(days=1)  # an order that a broker has held back for a whole session comes no more


def start(draft: Draft) -> None:
    """A new process: whatever was on its way when the last one ended may have arrived, and its answer is lost."""
    absence.started(draft)
    for copy in draft.book.all_open():
        lose_answer(draft, copy, "the daemon ended before the answer came")


def lose_answer(draft: Draft, copy: Copy, why: str) -> None:
    """Nobody waits any more for the answer to this request, if there was one to come."""
    if copy.stage in (Stage.INTENDED, Stage.SENT):
        draft.news(evolve(copy, lost_at=copy.sent_at or copy.decided_at), News.ANSWER_LOST, why)


def read(draft: Draft, snapshot: Snapshot) -> None:
    """Takes the snapshot as the account's own view, under the next generation."""
    before = draft.book.mine
    generation = before.generation + 1 if before else 1
    draft.book = evolve(
        draft.book,
        unattributed=frozenset(),  # what the account holds is compared as a whole now
        mine=View.of(snapshot, generation),
        positions={symbol: n for symbol, n in snapshot.positions.items() if n},
    )


def compare(draft: Draft, before: View | None, snapshot: Snapshot, rules: CopyRules) -> None:
    """A follower's own orders and positions in the snapshot against its book, and against the view `before`."""
    for _, order in sorted(snapshot.orders.items()):
        known = before.orders.get(order.id) if before is not None else None
        own_orders.ours_seen(draft, order.joined(known) if known is not None else order, known, rules)
    for copy in draft.book.all_open():
        if copy.trades:
            if copy.order_id is None or copy.order_id not in snapshot.orders:
                _missing(draft, copy)
        elif copy.stage in (Stage.ACCEPTED, Stage.UNKNOWN):
            # The order's own view, folded in above, has settled the change if it was made.
            draft.keep(evolve(copy, lost_at=draft.at - rules.settle))
    for symbol in sorted({*draft.book.positions, *draft.book.contracts}):
        compare_position(draft, symbol)
    _forget(draft)


def _missing(draft: Draft, copy: Copy) -> None:
    """An order of ours that the snapshot does not show."""
    if copy.stage in (Stage.ACCEPTED, Stage.WORKING):
        lost = evolve(copy, lost_at=draft.at)
        copy = draft.news(lost, News.VANISHED, "the broker's lists no longer show it")
    if copy.stage is Stage.UNKNOWN and not legs.in_doubt_with_another(draft.book, copy):
        unknowns.look_up(draft, copy, draft.at)  # its contract is frozen until it is found, or has settled


def compare_position(draft: Draft, symbol: Symbol) -> None:
    """What the account holds in this contract, and what of it is ours."""
    if any(copy.trades and copy.stage.in_doubt for copy in draft.book.in_progress(symbol)):
        draft.note(symbol, due=True)  # it may explain the difference: compared again when the doubt is gone
        return
    contract = draft.contract(symbol)
    assert draft.book.mine is not None, "compared after the account has been read"
    there = draft.book.mine.position(symbol)  # the snapshot's figure and the fills since: no event has to come for it
    own, foreign = strangers.divided(contract, there)
    if own != contract.own:
        draft.tell(
            "position.drifted",
            f"{symbol}: {abs(contract.own - own)} of our {abs(contract.own)} were closed by somebody else",
            Severity.WARNING,
        )
    news = foreign != contract.foreign
    contract = strangers.note(draft, symbol, own, foreign)
    if news and strangers.quarantined(contract):
        draft.tell(
            "account.quarantined",
            f"{symbol}: the account holds {there}, ours are {own}. {abs(foreign)} are not touched, and nothing opens",
            Severity.WARNING,
            remedy=strangers.remedy(draft, symbol),
        )


def _forget(draft: Draft) -> None:
    """Finished copies whose orders the broker's lists no longer hold: the ledger keeps them, the book need not."""
    book = draft.book
    assert book.mine is not None
    looked_after = {entry for contract in book.contracts.values() for entry in contract.guarded}
    old = {
        copy.id
        for copy in book.copies.values()
        if not _with_its_carrier(book, copy).open
        and not _may_turn_up(_with_its_carrier(book, copy), draft.at)
        and copy.id not in looked_after
        and (copy.order_id is None or copy.order_id not in book.mine.orders)
        and (book.theirs is None or copy.leader_order_id not in book.theirs.orders)
        and copy.leader_order_id not in book.unlisted
        # A closing's id is made of our newest fill: until there is a newer one, it must not be given again.
        and not (copy.verb is Verb.CLOSE and copy.cause == book.contract(copy.symbol).newest_fill)
    }
    # An entry that has come to nothing may come again, and its exits with it.
    old -= {leg for copy in book.copies.values() if copy.id not in old for leg in copy.guarded_by}
    if old:
        draft.book = evolve(
            book,
            copies={k: c for k, c in book.copies.items() if k not in old},
            names={k: c for k, c in book.names.items() if c not in old},
            placed={k: c for k, c in book.placed.items() if c not in old},
            executions={k: c for k, c in book.executions.items() if c not in old},
            orders={k: c for k, c in book.orders.items() if c not in old},
        )


def _may_turn_up(copy: Copy, now: datetime) -> bool:
    """Was it, or an attempt before the present one, believed lost? Its name is how the broker's order is known."""
    return copy.trades and (copy.absent > 0 or copy.attempt > 0) and now < copy.decided_at + TURNS_UP_WITHIN


def _with_its_carrier(book: Book, copy: Copy) -> Copy:
    return copy if copy.carrier is None else book.copies.get(copy.carrier, copy)
