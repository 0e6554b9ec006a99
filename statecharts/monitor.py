"""Every turn is looked at before anything of it leaves: what must hold (`invariants.py`) and does not is kept back.

Rule 1: in a program without a bug it finds nothing. When it does, the breaker is tripped: the follower only closes.
Rule 2: of a turn that breaks an invariant, neither the request that breaks it leaves nor anything that opens. What is
        taken out was certainly not sent, unless an earlier attempt may be at the broker: then it is looked up.
"""

from __future__ import annotations

from statecharts import breaker, invariants, outcomes
from statecharts.book import LEADERS_OWN, Book
from statecharts.draft import Draft
from statecharts.effects import ModifyOrder, Request
from statecharts.events import AnswerLost, Event, NeverSent
from statecharts.evolution import evolve
from statecharts.rules import Rules

BROKEN = "copierd kept itself from a mistake"


def guard(draft: Draft, event: Event, before: Book, rules: Rules) -> None:
    """Takes out of the turn what must not leave; `before` is the book that the event found."""
    seen = invariants.Seen(
        event=event,
        before=before,
        after=draft.book,
        effects=tuple(draft.effects),
        rules=rules,
        acting=draft.acting,
        no_openings=draft.no_openings,
    )
    found = list(invariants.broken(seen))
    if not found:
        return
    why = f"{BROKEN}: {found[0].why}"
    blamed = {one.place for one in found}
    asked, draft.effects = draft.effects, []
    taken_out: dict[str, Request] = {}
    for place, effect in enumerate(asked):
        if isinstance(effect, Request) and (place in blamed or invariants.opens(draft.book, effect)):
            taken_out[effect.client_id] = effect
        else:
            draft.effects.append(effect)
    breaker.trip(draft, why)
    leaving = {one.client_id for one in draft.effects if isinstance(one, Request)}
    for client_id, request in taken_out.items():
        if client_id not in leaving and rules.copy is not None:
            outcomes.errand_came_back(draft, _answer(draft, before, request, why), rules.copy)
            if isinstance(request, ModifyOrder):
                _not_once_more(draft, request)


def _not_once_more(draft: Draft, modify: ModifyOrder) -> None:
    """What was taken out is no wish any more: it would be taken out again, every second. The leader's next one is."""
    change = draft.book.copies.get(modify.copy)
    subject = draft.book.copies.get(change.subject or LEADERS_OWN) if change is not None else None
    if subject is not None and subject.open and subject.pending is None:
        draft.keep(evolve(subject, wanted=None, refusals=subject.refusals + 1))


def _answer(draft: Draft, before: Book, request: Request, why: str) -> NeverSent | AnswerLost:
    known = before.copies.get(request.copy)
    if known is not None and known.stage.live:
        return AnswerLost(at=draft.at, copy=request.copy, client_id=request.client_id, reason=why, sent_at=draft.at)
    return NeverSent(at=draft.at, copy=request.copy, client_id=request.client_id, reason=why)
