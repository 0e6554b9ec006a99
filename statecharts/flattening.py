"""Getting out: what is ours in a contract, or on the whole account, is cancelled and closed, and it stays so.

Rule 1: a latch, not a deed. It is asked for once, kept in the book, and looked at after every event: a lost answer, a
        reconnect or a restart delays the way out and never forgets it, and what fills late is closed too.
Rule 2: ours only. What is not ours is left alone.
Rule 3: what may open is cancelled at once. The position is closed as `closing` closes: at market, when its market is
        open, no order of the contract is in doubt, and our exits are confirmed cancelled; until then they protect it.
Rule 4: while it is latched nothing of the leader's is copied there, no exit either: there is nothing to exit, or it is
        on its way out already.
Rule 5: flat is what a new reading of the account shows, not what the book believes.
Rule 6: whoever latched it takes the latch away; then the contract waits until the leader is flat in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from statecharts import exposure, sizing
from statecharts.book import Book, FlattenedBy, Latch, Verb
from statecharts.draft import Draft
from statecharts.effects import ReadAnew, Severity
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import Symbol


def ask(draft: Draft, by: FlattenedBy, why: str, symbol: Symbol | None = None) -> None:
    """Latches one contract or all of them (None). To ask again for what is latched already changes nothing.

    But when the operator asks again, it is read again: he is not told of what was seen before.
    """
    known = by_whom(draft.book, by)
    symbols = None if symbol is None else frozenset({symbol})
    if known is not None:
        if known.symbols is None or (symbols is not None and symbols <= known.symbols):
            if by is FlattenedBy.OPERATOR and known.verified_at is not None:
                _put(draft, evolve(known, verified_at=None, reading=None))
            return
        symbols = None if symbols is None else symbols | known.symbols
    latch = Latch(by=by, why=why, since=draft.at, symbols=symbols)
    _put(draft, latch)
    where = "everything of ours" if symbol is None else f"{symbol}"
    what = "cancelling and closing it now" if draft.acting else "done as soon as the account is connected and read"
    draft.tell("account.flattening", f"FLATTEN {where}: {why}; {what}", Severity.WARNING, reason=why)


def by_whom(book: Book, by: FlattenedBy) -> Latch | None:
    for latch in book.latches:
        if latch.by is by:
            return latch
    return None


def latched(book: Book, symbol: Symbol) -> Latch | None:
    """The latch that holds this contract, if one does."""
    for latch in book.latches:
        if latch.holds(symbol):
            return latch
    return None


def _put(draft: Draft, latch: Latch) -> None:
    others = tuple(one for one in draft.book.latches if one.by is not latch.by)
    draft.book = evolve(draft.book, latches=(*others, latch))


def lift(draft: Draft, by: FlattenedBy, rules: CopyRules) -> None:
    """Takes the latch away. A position that is still on its way out goes on leaving."""
    latch = by_whom(draft.book, by)
    if latch is None:
        return
    draft.book = evolve(draft.book, latches=tuple(one for one in draft.book.latches if one is not latch))
    for symbol in sorted(_concerned(draft.book, latch, rules)):
        if draft.contract(symbol).no_entry is None:
            draft.note(symbol, no_entry=f"{latch.why}; waits until the leader is flat")


def _concerned(book: Book, latch: Latch, rules: CopyRules) -> set[Symbol]:
    """The contracts in which we or the leader are, or may be soon."""
    if latch.symbols is not None:
        return set(latch.symbols)
    theirs = book.theirs
    copied = [] if theirs is None else [*(s for s, n in theirs.net.items() if n)]
    copied += [] if theirs is None else [order.symbol for order in theirs.alive if order.rest]
    return {*book.contracts, *book.open, *(sizing.follower_symbol(symbol, rules) for symbol in copied)}


def pursue(draft: Draft, symbol: Symbol) -> bool:
    """Wants everything of ours in this contract gone. Answers whether it is latched at all."""
    latch = latched(draft.book, symbol)
    if latch is None:
        return False
    own = draft.contract(symbol).own
    for copy in draft.book.in_progress(symbol):
        if not copy.trades or copy.cancel_wanted is not None:
            continue
        if copy.stage is Stage.HELD and copy.verb is Verb.PLACE:
            draft.news(copy, News.GIVEN_UP, latch.why)
        elif (copy.verb is Verb.PLACE and not exposure.reduces(copy, own)) or copy.kind is Kind.ENTRY:
            draft.keep(evolve(copy, cancel_wanted=latch.why))
    exposure.want_closed(draft, symbol, 0, latch.why)
    return True


def left(book: Book, latch: Latch) -> Iterator[Symbol]:
    """The contracts of the latch in which something of ours is left: a position, or an order that may still work."""
    for symbol in sorted({*book.contracts, *book.open}):
        if latch.holds(symbol) and (book.contract(symbol).own or any(True for _ in book.in_progress(symbol))):
            yield symbol


def verify(draft: Draft) -> None:
    """When the book has nothing left, the account is read once more. Only while Copying."""
    mine = draft.book.mine
    if mine is None:
        return
    for latch in draft.book.latches:
        if any(True for _ in left(draft.book, latch)):
            if latch.verified_at is not None or latch.reading is not None:  # something of ours turned up after all
                _put(draft, evolve(latch, verified_at=None, reading=None))
        elif latch.verified_at is None and latch.reading is None:
            _put(draft, evolve(latch, reading=mine.generation))
            draft.do(ReadAnew(account=mine.broker_id))
        elif latch.verified_at is None and latch.reading is not None and mine.generation > latch.reading:
            _put(draft, evolve(latch, verified_at=draft.at))
            _tell_flat(draft, latch)


def _tell_flat(draft: Draft, latch: Latch) -> None:
    where = "everything" if latch.symbols is None else ", ".join(sorted(latch.symbols))
    theirs = [f"{c.foreign:+d} {s}" for s, c in sorted(draft.book.contracts.items()) if c.foreign and latch.holds(s)]
    more = f"; left alone because it is not ours: {', '.join(theirs)}" if theirs else ""
    remedy = f"copierctl resume {draft.name}" if latch.by is FlattenedBy.OPERATOR else None
    draft.tell(
        "account.flattened",
        f"FLAT in {where} of ours, as the broker shows it: no position, no working order{more}",
        Severity.WARNING if theirs else Severity.INFO,
        reason=latch.why,
        remedy=remedy and f"nothing opens until: {remedy}",
    )
