"""Requests whose answer was lost, and requests that are certainly not there.

Rule 1: a lost answer is never a reason to send again. The order is looked up by its own id; an entry that is not there
        is skipped and told, an exit is derived again from the position, after the settling time and two look-ups that
        agree.
Rule 2: an unknown never expires in silence: it ends when the broker shows the order, or agrees that there is none.
Rule 3: its contract is frozen meanwhile (`exposure.unknown`), so it is looked up at once, and again until it has
        settled, each time after twice as long.
Rule 4: real world: an order is accepted, and neither an event nor a list ever shows it. After the settling time that is
        an unknown as well.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from statecharts import attempts, calendar, exposure, legs, shortage
from statecharts.book import Copy, Verb
from statecharts.draft import Draft
from statecharts.effects import LookUp, ReadAnew, Severity
from statecharts.events import LookedUp
from statecharts.evolution import evolve
from statecharts.order import News, Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import OrderId

LOOK_UPS_THAT_AGREE = 2
NEXT_LOOK_UP = timedelta(seconds=2)  # the least time between look-ups that find nothing
AFTER_A_FAILED_LOOK_UP = timedelta(seconds=5)
MISSED_AGAIN = timedelta(minutes=1)  # after the broker has shown it to a look-up, and nothing else shows it still
WHILE_CLOSED = timedelta(minutes=1)
TURNED_UP = "an order believed lost turned up"
NOT_AT_ONCE = timedelta(seconds=1)  # a request that never left is not repeated into the same dead session


def lost(draft: Draft, copy: Copy, reason: str) -> None:
    """No answer came: nobody knows whether the request has arrived."""
    copy = draft.news(evolve(copy, lost_at=copy.sent_at or draft.at), News.ANSWER_LOST, reason)
    if copy.trades and copy.stage is Stage.UNKNOWN:
        draft.tell(
            "copy.unknown",
            f"sent {copy.words}, no answer ({reason}). {copy.symbol} is frozen while the order is looked up by its "
            "own id. It will not be sent twice",
            Severity.WARNING,
            reason=reason,
            copy=copy.id,
        )
        look_up(draft, copy, draft.at)  # its contract is frozen until it is found


def missed_at(draft: Draft, copy: Copy, rules: CopyRules) -> datetime | None:
    """From when an order that was accepted, and that nothing shows, is looked up; None for all others.

    What went out with another order may be shown later than that one, and while its market is closed nothing is.
    """
    mine = draft.book.mine
    if copy.stage is not Stage.ACCEPTED or not copy.trades or copy.sent_with is not None or copy.answered_at is None:
        return None
    if mine is None or copy.order_id in mine.orders:
        return None
    due = max(copy.answered_at, copy.decided_at) + rules.settle  # the answer may be that to an earlier attempt
    if copy.missed_at is not None:
        due = max(due, copy.missed_at + MISSED_AGAIN)
    wakes = calendar.wakes_at(draft, copy.symbol)
    return due if wakes is None else max(due, wakes)


def look_for_missed(draft: Draft, copy: Copy, rules: CopyRules) -> None:
    due = missed_at(draft, copy, rules)
    if due is None or due > draft.at:
        return
    why = "accepted, and neither an event nor a list has shown it since"
    copy = draft.news(evolve(copy, lost_at=copy.answered_at, missed_at=draft.at), News.VANISHED, why)
    draft.tell(
        "copy.unknown",
        f"sent {copy.words}: {why}. {copy.symbol} is frozen while the order is looked up by its own id",
        Severity.WARNING,
        reason=why,
        copy=copy.id,
    )
    look_up(draft, copy, draft.at)


def look_up(draft: Draft, copy: Copy, not_before: datetime) -> None:
    assert draft.book.mine is not None
    draft.do(LookUp(copy=copy.id, client_id=copy.client_id, account=draft.book.mine.broker_id, not_before=not_before))


def found(draft: Draft, carrier: Copy) -> None:
    """The order itself has ended the doubt about its request: it was made, and its legs with it."""
    for copy in legs.of(draft.book, carrier):
        if copy.stage is Stage.UNKNOWN:
            look_up(draft, copy, draft.at + NEXT_LOOK_UP)


def not_found(draft: Draft, copy: Copy, event: LookedUp, rules: CopyRules) -> None:
    """A look-up has found nothing. Two that agree, after the settling time, end the doubt."""
    lost_at = copy.lost_at or copy.decided_at
    settled = lost_at + rules.settle
    if event.asked_at < settled:  # it may yet be found; that it is absent nobody can say before
        look_up(draft, copy, min(settled, draft.at + max(NEXT_LOOK_UP, draft.at - lost_at)))
        return
    wakes = calendar.wakes_at(draft, copy.symbol)
    if wakes is not None:
        look_up(draft, copy, min(draft.at + WHILE_CLOSED, wakes))
        return
    if copy.absent_at is not None and event.asked_at < copy.absent_at + NEXT_LOOK_UP:
        # The same moment asked twice agrees with itself: another look-up was under way when the account was read anew.
        look_up(draft, copy, copy.absent_at + NEXT_LOOK_UP)
        return
    copy = draft.keep(evolve(copy, absent=copy.absent + 1, absent_at=event.asked_at))
    if copy.absent < LOOK_UPS_THAT_AGREE:
        look_up(draft, copy, draft.at + NEXT_LOOK_UP)
        return
    if event.order_id is not None:
        _hidden(draft, copy, event.order_id)
        return
    answer = "no answer" if copy.answered_at is None else "accepted"
    why = f"{answer}, and {LOOK_UPS_THAT_AGREE} look-ups agree that the broker does not have it"
    not_there(draft, draft.news(copy, News.ABSENT, why), why, rules)


def _hidden(draft: Draft, copy: Copy, number: OrderId) -> None:
    """Real world: the broker has our command and shows no order. What came of it, the position must say."""
    assert draft.book.mine is not None, "it was looked up on an account that had been read"
    why = f"the broker has a command for order {number}, and {LOOK_UPS_THAT_AGREE} look-ups agree that it shows none"
    draft.news(copy, News.ABSENT, why)
    unclear = "what became of an order is not known; waits until the leader is flat"
    waits = draft.contract(copy.symbol).no_entry or unclear
    draft.note(copy.symbol, due=True, no_entry=waits, frozen_since=draft.book.mine.generation)
    draft.do(ReadAnew(account=draft.book.mine.broker_id))
    draft.tell(
        "copy.failed",
        f"{copy.words}: {why}. The account is read again, and its position decides; the order is not sent again",
        Severity.WARNING,
        reason=why,
        copy=copy.id,
    )


def never_sent(draft: Draft, copy: Copy, reason: str, rules: CopyRules) -> None:
    """Not a byte has left: certain."""
    if copy.kind is not Kind.ENTRY and copy.trades:
        draft.note(copy.symbol, retry_at=draft.at + NOT_AT_ONCE)
    elif not copy.trades:
        draft.change_ended(copy, ask_after=draft.at + NOT_AT_ONCE)
    why = f"it was never sent: {reason}"
    copy = draft.news(copy, News.NEVER_SENT, why)
    if copy.stage is Stage.SKIPPED:
        not_there(draft, copy, why, rules)
        again = draft.book.copies[copy.id]
        draft.keep(evolve(again, ask_after=draft.at + NOT_AT_ONCE if again.open else None))


def not_there(draft: Draft, copy: Copy, why: str, rules: CopyRules) -> None:
    """A request that certainly made no order. Entries are not repeated; exits and closings are derived again."""
    if not copy.trades:
        draft.change_ended(copy)
    elif copy.verb is Verb.PLACE and copy.kind is Kind.EXIT:
        if copy.leader_fill_id is None:
            attempts.put_back(draft, copy, why)
        else:
            exposure.want_as_leader(draft, copy.symbol, rules, f"an exit is not there: {why}")
            shortage.lost(draft, copy, rules)
    elif copy.verb is Verb.PLACE:
        if copy.kind is Kind.REVERSAL:  # what it would have closed is closed; what it would have opened is missed
            exposure.want_as_leader(draft, copy.symbol, rules, f"a reversal is not there: {why}")
        draft.note(copy.symbol, no_entry="an entry never reached the broker; waits until the leader is flat")
        draft.tell("copy.skipped", f"{copy.words} not copied: {why}", Severity.WARNING, reason=why, copy=copy.id)


def turned_up(draft: Draft, copy: Copy, rules: CopyRules, what: str = TURNED_UP) -> None:
    """Real world: an order that two look-ups did not find exists after all. What it opened is closed at once, and
    what it has taken us out of too far is told."""
    draft.tell(
        "copy.failed",
        f"{copy.symbol}: {what} ({copy.stage.value}); what it did is corrected at once",
        Severity.WARNING,
        copy=copy.id,
    )
    draft.keep(evolve(draft.book.copies[copy.id], cancel_wanted="it turned up after it had been given up"))
    exposure.want_as_leader(draft, copy.symbol, rules, what)
    shortage.done_twice(draft, copy, rules)
