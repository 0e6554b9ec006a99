"""One of everything: a state of every leaf, an event of every class, and accounts of every role."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

import attrs

from statecharts import connection
from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.market_hours import TRADOVATE_WINDOWS
from statecharts.rules import Drawdown, Limits, ReconnectRules, Rules
from statecharts.values import CopyId, OrderId
from statecharts.view import Balance, RiskStatus, Snapshot, View
from tests.statecharts.desk import (
    BUY,
    ES,
    EVAL_ID,
    LEAD,
    LEAD_ID,
    NOON,
    SELL,
    Desk,
    facts_of,
    follower,
    limit,
    order,
    rules,
    terms,
)

LONG_AGO = NOON - timedelta(hours=1)
LEAVES: tuple[s.State, ...] = (
    s.Copying(since=LONG_AGO),
    s.Copying(since=NOON, attempt=3),
    s.BackingOff(since=NOON, attempt=1),
    s.BackingOff(since=LONG_AGO, attempt=9, cause=s.Cause.EVICTED),
    s.Maintenance(since=NOON, until=NOON + timedelta(hours=1), attempt=2),
    s.Dialing(since=NOON),
    s.Dialing(since=LONG_AGO, evictions=connection.EVICTED_TRIES),
    s.Resyncing(since=NOON, attempt=2, reason="socket closed", cause=s.Cause.NETWORK),
    s.Resyncing(since=LONG_AGO),
    s.Stopped(since=NOON),
    s.GivenUp(since=NOON, lost_at=LONG_AGO),
    s.Unauthorized(since=NOON, reason="Incorrect username or password"),
)


def events(at: datetime = NOON, copy: str = "cpd-x") -> tuple[e.Event, ...]:
    """Several of every class. `copy` names the copy that errands come back to."""
    of: dict[str, Any] = {"at": at, "copy": CopyId(copy), "client_id": copy}
    ours = order(901, BUY, terms(2), 1, client_ids=frozenset({copy}))
    seen = [
        order(100, BUY, terms(2)),
        order(100, BUY, terms(2), 2),
        order(101, SELL, limit(2), 1),
        order(102, SELL, terms(3), 3),
        order(103, BUY, None),
        order(104, BUY, None, unsupported="QTS"),
        ours,
        attrs.evolve(ours, id=OrderId(902), client_ids=frozenset()),
    ]
    snapshots = (
        Snapshot(EVAL_ID, at),
        Snapshot(EVAL_ID, at, {one.id: one for one in seen}, {ES: 3}),
    )
    return (
        e.Event(at=at),
        e.Started(at=at),
        e.TimerFired(at=at),
        e.SessionFound(at=at),
        e.Authorized(at=at),
        e.SessionLost(at=at, reason="socket closed (1006)"),
        e.SessionLost(at=at, reason="another login took the session", cause=s.Cause.EVICTED),
        e.TokenRefused(at=at, reason="Incorrect username or password"),
        e.AccountMissing(at=at, reason="the login does not see it"),
        *(e.SnapshotTaken(at=at, snapshot=snapshot) for snapshot in snapshots),
        e.DisconnectAsked(at=at),
        e.ReconnectAsked(at=at),
        e.Reauthorized(at=at),
        e.PauseAsked(at=at),
        e.ResumeAsked(at=at),
        e.FlattenAsked(at=at),
        e.FlattenAsked(at=at, symbol=ES),
        e.ReleaseAsked(at=at, symbol=ES),
        e.AdoptAsked(at=at, symbol=ES),
        e.UnlockAsked(at=at),
        e.RulesChanged(at=at, rules=Rules()),
        e.RulesChanged(at=at, rules=Rules(copy=rules(ratio=Decimal(2)), leads=True)),
        *(e.OrderSeen(at=at, order=one) for one in seen),
        e.OrderSeen(at=at, order=ours, beside=tuple(seen)),
        e.FollowsAnew(at=at),
        e.FollowsAnew(at=at, elsewhere=True),
        e.ReplaySeen(at=at),
        e.LeaderReplaySeen(at=at, leader=LEAD, generation=1),
        e.RiskStatusSeen(at=at, status=RiskStatus("Normal", at)),
        e.RiskStatusSeen(at=at, status=RiskStatus("LockTradingImmediately", at)),
        e.PositionSeen(at=at, symbol=ES, net=2),
        e.PositionSeen(at=at, symbol=ES, net=0),
        e.BalanceSeen(at=at, balance=Balance(Decimal(50_000), Decimal(-20), at)),
        e.BalanceRead(at=at, cash=Decimal(50_000), realized=Decimal(-20), open_profit=Decimal(5), asked_at=at),
        e.BalanceUnread(at=at, reason="no answer"),
        e.ContractRead(at=at, facts=facts_of(ES)),
        e.ContractAbsent(at=at, symbol=ES, reason="the broker knows no contract of this name"),
        e.ContractUnread(at=at, symbol=ES, reason="no answer"),
        e.ReadBack(at=at),
        e.ErrandEvent(**of),
        e.RequestSent(**of),
        e.RequestSent(**of, sent_at=at - timedelta(milliseconds=500)),
        e.RequestAccepted(**of, order_id=OrderId(901), sent_at=at),
        e.RequestAccepted(**of, sent_at=at),
        e.RequestRefused(**of, reason="Other", text="no margin", sent_at=at),
        e.RequestPenalised(**of, seconds=5, sent_at=at),
        e.RequestPenalised(**of, seconds=60, sent_at=at),
        e.RequestPenalised(**of, seconds=5, captcha=True, sent_at=at),
        e.AnswerLost(**of, reason="timeout", sent_at=at),
        e.NeverSent(**of, reason="session lost"),
        e.LookedUp(**of, order_id=OrderId(901), asked_at=at),
        e.LookedUp(**of, order_id=None, asked_at=at),
        e.LookedUp(**of, order_id=OrderId(901), asked_at=at, shown=False),
        e.LookUpFailed(**of, reason="timeout"),
        e.DiskFilled(at=at),
        e.DiskWritable(at=at),
        e.LoginEvent(at=at, account=LEAD),
        e.OrdersDenied(at=at, account=LEAD, reason="AccessDenied", sent_at=at),
        e.OrdersProven(at=at, account=LEAD),
        e.OrdersResumed(at=at, account=LEAD),
        e.OrdersSilenced(at=at, account=LEAD, until=at + timedelta(hours=1)),
        e.LeaderEvent(at=at, leader=LEAD),
        *(e.LeaderOrderSeen(at=at, leader=LEAD, order=one, generation=g) for one in seen for g in (1, 2)),
        e.LeaderOrderSeen(at=at, leader=LEAD, order=seen[0], generation=1, beside=tuple(seen[1:])),
        e.LeaderViewTaken(at=at, leader=LEAD, view=View(LEAD_ID, 2)),
        e.LeaderViewTaken(at=at, leader=LEAD, view=View(LEAD_ID, 3, {one.id: one for one in seen}, {ES: 4})),
        e.LeaderLost(at=at, leader=LEAD, reason="socket closed", shown="Reconnecting"),
        e.AlarmRang(at=at),
    )


def busy() -> Desk:
    """A follower in the middle of things: a position, a resting entry, an order in doubt, and a held exit."""
    desk = follower()
    desk.leader(order(90, BUY, terms(2), 2))
    desk.fills(desk.place, 800)
    desk.leader(order(91, BUY, limit(1)))
    desk.accepted(desk.place, 801)
    desk.leader(order(92, BUY, terms(1), 1))
    desk.answer_lost(desk.place)
    desk.leader(order(93, SELL, terms(3), 3))
    return desk


def accounts() -> Iterator[tuple[Account, tuple[e.Event, ...]]]:
    """Every role, fresh and busy, in every leaf; each with the events that concern it."""
    fresh = follower().account
    busily = busy().account
    windows = Rules(reconnect=ReconnectRules(windows=TRADOVATE_WINDOWS))
    in_window = datetime.fromisoformat("2026-03-03T22:30:00+00:00")  # Chicago 16:30 on a Tuesday
    for state in LEAVES:
        for leads in (False, True):
            for copy in (
                None,
                rules(),
                rules(shadow=True),
                rules(catch_up="none", ratio=Decimal("-0.5")),
                rules(mode="fills"),
                rules(limits=Limits(Decimal(100), drawdown=Drawdown(Decimal(50)), flat_by=time(15, 5))),
            ):
                roles = Rules(copy=copy, leads=leads)
                yield Account(name=LEAD, connection=state, rules=roles), events()
                yield attrs.evolve(fresh, connection=state, rules=roles), events()
                for one in busily.book.all_open():
                    at = NOON + timedelta(seconds=20)
                    yield attrs.evolve(busily, connection=state, rules=roles), events(at, one.id)
        yield Account(name=LEAD, connection=state, rules=windows), events(in_window)
