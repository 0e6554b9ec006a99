"""Looking for an order whose answer was lost: by its own id, in what the broker has of this session.

Rule 1: commands carry the client order id as clOrdId, order versions as text: the order exists if either does.
Rule 2: no answer is no absence. Only lists that were answered, and an order that was asked for, tell anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from daemon.logins.calls import Answered, Urgency
from daemon.logins.session import Session
from daemon.tradovate import look_up
from statecharts.effects import LookUp
from statecharts.events import Event, LookedUp, LookUpFailed
from statecharts.values import OrderId

LIMIT = 10.0  # seconds for a list of the session's commands

Lists = Sequence[list[object] | None]


async def made(session: Session | None, effect: LookUp, wall: Callable[[], datetime]) -> Event:
    """What came of looking: found, absent, or not to be told."""
    asked_at = wall()
    copy, name = effect.copy, effect.client_id
    if session is None:
        return LookUpFailed(at=asked_at, copy=copy, client_id=name, reason="the broker did not answer")
    held = session.gate.budget.hold_reason
    if held is not None:  # a request would prolong it
        return LookUpFailed(at=asked_at, copy=copy, client_id=name, reason=held)
    lists = [await _listed(session, endpoint) for endpoint in look_up.LISTS]
    found = None if None in lists else look_up.order_named(name, lists)
    shown = None if found is None else await _shown(session, found, lists)
    if None in lists or (found is not None and shown is None):
        return LookUpFailed(at=wall(), copy=copy, client_id=name, reason="the broker did not answer")
    order = None if found is None else OrderId(found)
    return LookedUp(at=wall(), copy=copy, client_id=name, order_id=order, asked_at=asked_at, shown=shown is not False)


async def _listed(session: Session, endpoint: str) -> list[object] | None:
    outcome = await session.request(endpoint, None, Urgency.READ).answer(LIMIT)
    if isinstance(outcome, Answered) and outcome.status == 200 and isinstance(outcome.data, list):
        return outcome.data
    return None


async def _shown(session: Session, number: int, lists: Lists) -> bool | None:
    """Is there the order itself? What the broker shows of it is news like any other. None: it did not answer."""
    outcome = await session.request("order/item", None, Urgency.READ, f"id={number}").answer(LIMIT)
    if not isinstance(outcome, Answered) or outcome.status not in (200, 404):
        return None
    if outcome.status == 404:
        return False
    fills = await session.request("fill/deps", None, Urgency.READ, f"masterid={number}").answer(LIMIT)
    for kind, rows in zip(look_up.KINDS, lists, strict=True):
        session.learn(kind, [row for row in rows or () if isinstance(row, dict) and row.get("orderId") == number])
    if isinstance(fills, Answered) and fills.status == 200:  # else they are told, or come with the next read-back
        session.learn("fill", fills.data)
    session.learn("order", outcome.data)
    return True
