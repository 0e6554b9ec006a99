"""The circuit breaker: a follower that places orders as no leader does, or whose book is impossible, only closes.

Rule 1: more than `runaway.orders` placements within `runaway.per` for one follower trip it; so does a broken invariant.
Rule 2: it bars openings alone, until the operator resumes. Closings are never blocked by it, and they count too.
Rule 3: what counts are placements by their time in the book: a restart forgets none.
Rule 4: of a turn that breaks an invariant, neither the request that breaks it leaves nor anything that opens. What is
        taken out was certainly not sent, unless an earlier attempt may be at the broker: then it is looked up.
"""

from __future__ import annotations

from statecharts import invariants, outcomes
from statecharts.bars import Bar
from statecharts.book import LEADERS_OWN, Book
from statecharts.draft import Draft
from statecharts.effects import ModifyOrder, Request, Severity
from statecharts.events import AnswerLost, Event, NeverSent
from statecharts.evolution import evolve
from statecharts.rules import CopyRules, Rules

BROKEN = "copierd kept itself from a mistake"


def placed(draft: Draft, rules: CopyRules) -> None:
    """An order is about to be placed."""
    runaway = rules.runaway
    since = draft.at - runaway.per
    recent = (*[at for at in draft.book.placements if at > since], draft.at)
    draft.book = evolve(draft.book, placements=recent[-runaway.orders - 1 :])
    if len(recent) > runaway.orders:
        seconds = runaway.per.total_seconds()
        _trip(draft, f"{len(recent)} orders within {seconds:g} s are more than any leader makes (runaway)")


def guard(draft: Draft, event: Event, before: Book, rules: Rules) -> None:
    """What must hold after every turn. It cannot fail, and when it does, the follower must not go on opening."""
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
    _trip(draft, why)
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


def _trip(draft: Draft, why: str) -> None:
    if draft.bar(Bar.RUNAWAY, f"close-only: {why}"):
        draft.tell(
            "copy.failed",
            f"CLOSE-ONLY: {why}. Nothing opens on this account any more; its exits go",
            Severity.PAGE,
            reason=why,
            remedy="look at the orders of this account, and at the leader's. Then: copierctl resume ACCOUNT",
        )
