"""The next account while one step is being worked out: what the roles write on. It lives inside one `step`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from statecharts.bars import Bar
from statecharts.book import NOTHING, Book, Contract, Copy
from statecharts.effects import Effect, Severity, Tell
from statecharts.evolution import evolve
from statecharts.market_hours import Markets
from statecharts.order import News, step
from statecharts.values import AccountName, CopyId, Symbol


@attrs.define
class Draft:
    """`acting`: is the account Copying, so that something may leave? Facts are kept either way.

    `markets` are the hours of its environment; None: always open.
    """

    name: AccountName
    at: datetime
    book: Book
    acting: bool
    no_openings: str | None = None  # why: paused, close-only
    markets: Markets | None = None
    read_back: bool = False  # the broker's lists have just agreed with what its events told
    effects: list[Effect] = attrs.field(factory=list)

    def do(self, effect: Effect) -> None:
        self.effects.append(effect)

    def tell(
        self,
        event: str,
        message: str,
        severity: Severity = Severity.INFO,
        *,
        reason: str | None = None,
        remedy: str | None = None,
        copy: CopyId | None = None,
    ) -> None:
        self.do(Tell(event=event, message=message, severity=severity, reason=reason, remedy=remedy, copy=copy))

    def keep(self, copy: Copy) -> Copy:
        self.book = self.book.with_copy(copy)
        return copy

    def news(self, copy: Copy, news: News, reason: str | None = None) -> Copy:
        """Moves a copy along its chart. News that the chart has no row for changes nothing and is told."""
        stage = step(copy.stage, news)
        if stage is None:
            self.tell(
                "copy.failed",
                f"{copy.symbol}: did not expect '{news.value}' of a copy that is {copy.stage.value}",
                Severity.WARNING,
                copy=copy.id,
            )
            return copy
        return self.keep(evolve(copy, stage=stage, reason=reason or copy.reason))

    def change_ended(self, change: Copy, **more: Any) -> None:
        """A change is at its end: its order may be asked for the next. A newer change that is under way stays so."""
        subject = self.book.copies.get(change.subject) if change.subject is not None else None
        if subject is not None and subject.pending == change.id:
            self.keep(evolve(subject, pending=None, **more))

    def contract(self, symbol: Symbol) -> Contract:
        return self.book.contracts.get(symbol, NOTHING)  # as `Book.contract`, which a turn would call fifty times

    def note(self, symbol: Symbol, **changes: Any) -> Contract:
        contract = self.book.contracts.get(symbol, NOTHING)
        for name, value in changes.items():
            if getattr(contract, name) != value:
                break
        else:
            return contract  # most of what is noted is known: a turn notes some twenty times
        contract = evolve(contract, **changes)
        self.book = evolve(self.book, contracts={**self.book.contracts, symbol: contract})
        return contract

    @property
    def opens_nothing(self) -> str | None:
        """Why nothing may open on this account."""
        barred = self.book.barred
        return self.no_openings or (next(iter(barred.values())) if barred else None)

    def bar(self, bar: Bar, why: str) -> bool:
        """From now on nothing opens. Answers whether that is news."""
        if bar in self.book.barred:
            return False
        self.book = evolve(self.book, barred={**self.book.barred, bar: why})
        return True

    def lift(self, bar: Bar) -> None:
        """What barred openings is over."""
        if bar in self.book.barred:
            self.book = evolve(self.book, barred={b: why for b, why in self.book.barred.items() if b != bar})

    def skip(self, copy: Copy, why: str, severity: Severity = Severity.INFO) -> None:
        """Records that a copy is not made, and why."""
        self.keep(copy)
        self.tell(
            "copy.skipped",
            f"{self._of_the_leader(copy)} not copied: {why}",
            severity,
            reason=why,
            copy=copy.id,
        )

    def _of_the_leader(self, copy: Copy) -> str:
        """What a copy stands for, in the leader's own size and contract where they are known."""
        order = self.book.leaders_order(copy)
        if order is None or order.terms is None or copy.leader_fill_id is not None:
            size = "" if copy.terms is None else f"{copy.terms.quantity} "  # of a kind that we do not know
            return f"{copy.side.value} {size}{copy.symbol}"
        return f"the leader's {order.side.value} {order.terms.quantity} {order.symbol}"
