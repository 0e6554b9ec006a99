"""What is sent as an order: written down as intended, and asked for.

Rule 1: an order is in the book before it is asked for, and counted (`breaker.py`).
Rule 2: one that the broker has already is claimed, and not sent again (`remnants.py`); a shadow's is not sent at all.
Rule 3: an opening that goes out has its template's legs waiting, unless they go out with it.
"""

from __future__ import annotations

import attrs

from statecharts import breaker, remnants, shadows, template
from statecharts.book import Copy
from statecharts.draft import Draft
from statecharts.effects import Leg, PlaceOco, PlaceOrder, PlaceOso, Priority
from statecharts.evolution import evolve
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind


def send(
    draft: Draft, copy: Copy, rules: CopyRules, *, other: Leg | None = None, brackets: tuple[Leg, ...] = ()
) -> None:
    """Writes the intention down and asks for the order. The copy has the size that is to be sent.

    `other` goes out with it as its OCO, `brackets` as its OSO.
    """
    wanted = copy.terms
    assert wanted is not None, "what is sent has its terms"
    assert draft.book.mine is not None, "copying begins with both views"
    if rules.shadow:
        draft.keep(evolve(copy, stage=Stage.SHADOWED, reason=shadows.WHY))
        return
    if remnants.claimed(draft, copy, rules):
        return
    if copy.stage is not Stage.INTENDED or copy.decided_at is not draft.at:
        copy = evolve(copy, stage=Stage.INTENDED, decided_at=draft.at)
    draft.keep(copy)
    breaker.placed(draft, rules)
    alone = PlaceOrder(
        copy=copy.id,
        client_id=copy.client_id,
        account=draft.book.mine.broker_id,
        priority=Priority.ENTRY if copy.kind is Kind.ENTRY else Priority.EXIT,
        cause=copy.cause if copy.kind is Kind.ENTRY else None,
        symbol=copy.symbol,
        side=copy.side,
        terms=wanted,
    )
    draft.do(alone if other is None and not brackets else _with_legs(alone, other, brackets))
    template.provide(draft, copy, rules)


def _with_legs(alone: PlaceOrder, other: Leg | None, brackets: tuple[Leg, ...]) -> PlaceOrder:
    fields = attrs.asdict(alone, recurse=False)
    if other is not None:
        return PlaceOco(**fields, other=other)
    return PlaceOso(**fields, brackets=brackets)
