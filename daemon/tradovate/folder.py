"""All papers of one order, and what they say of it together: its state, its fills, and why it was refused.

Rule 1: what it says is a function of the papers alone, whatever their order of arrival.
Rule 2: what is pushed is told as Filled only together with its fills: the status may overtake them, and a position that
        is closed already would be taken for one that is still open.
Rule 3: a refusal is one whoever tells it: the order itself, its New command, or a report. (On the one capture of a
        refused order it is a report; whether the order says so as well nobody knows.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

import attrs

from daemon.tradovate.parts import (
    CommandPart,
    CommandReportPart,
    ExecutionPart,
    FillPart,
    OrderPart,
    VersionPart,
)
from statecharts.values import Fill, FillId, Status

Traded = tuple[int, Decimal]  # quantity and price of a fill
SPREAD = "Spread"  # `Order.unsupported` of an order for one


@attrs.define
class Folder:
    """All papers of one order."""

    order: OrderPart | None = None
    versions: dict[int, VersionPart] = attrs.Factory(dict)
    commands: dict[int, CommandPart] = attrs.Factory(dict)
    reports: dict[int, CommandReportPart] = attrs.Factory(dict)
    executions: dict[int, ExecutionPart] = attrs.Factory(dict)
    fills: dict[int, FillPart] = attrs.Factory(dict)
    traded: defaultdict[int, list[Traded]] = attrs.Factory(lambda: defaultdict(list))  # fill id -> all that it ever was

    @property
    def contract_id(self) -> int | None:
        """The order's own, or that of what it did."""
        if self.order is None or self.order.contract_id is not None or self.order.spread_id is not None:
            return None if self.order is None else self.order.contract_id
        papers: list[FillPart | ExecutionPart] = [*self.fills.values(), *self.executions.values()]
        return next((paper.contract_id for paper in papers if paper.contract_id is not None), None)

    @property
    def names(self) -> frozenset[str]:
        texts = {version.text for version in self.versions.values() if version.text}
        return frozenset(texts.union(*(command.names for command in self.commands.values())))


_NOT_AT_WORK = frozenset({Status.UNKNOWN, Status.PENDING_NEW, Status.SUSPENDED})


def status_of(folder: Folder, order: OrderPart, awaiting: bool) -> Status:
    if order.status in _NOT_AT_WORK and not folder.fills and _is_rejected(folder, order):
        return Status.REJECTED
    return Status.WORKING if awaiting and _short_of_fills(folder, order) else order.status


def _is_rejected(folder: Folder, order: OrderPart) -> bool:
    """Has its New command been refused? That has the order's own number, where nobody has shown the command."""
    if any(command.new and command.rejected for command in folder.commands.values()):
        return True
    new = {order.id, *(command.id for command in folder.commands.values() if command.new)}
    refused = [report.command_id for report in folder.reports.values() if report.rejected]
    refused += [one.command_id or order.id for one in folder.executions.values() if one.kind == "Rejected"]
    return not new.isdisjoint(refused)


def _short_of_fills(folder: Folder, order: OrderPart) -> bool:
    """Is it called Filled, and do its fills make up none of the sizes that it ever had?"""
    sizes = {version.terms.quantity for version in folder.versions.values() if version.terms is not None}
    executed = sum(max(quantity for quantity, _ in folder.traded[number]) for number in folder.fills)
    if order.status is not Status.FILLED or executed in sizes:
        return False
    return executed < max(sizes) if sizes else not folder.versions


def fills_of(folder: Folder, order: OrderPart) -> tuple[Fill, ...]:
    busted, corrected = _busted(folder), _corrected(folder)
    fills: list[Fill] = []
    for part in (folder.fills[number] for number in sorted(folder.fills)):
        assert part.at is not None, "a fill is filed with a time"
        quantity, price = corrected.get(part.id, traded_of(part))
        fills.append(
            Fill(
                id=FillId(part.id),
                side=part.side or order.side,
                quantity=quantity,
                price=price,
                at=part.at,
                active=part.active and part.id not in busted,
                corrected=len({*folder.traded[part.id], (quantity, price)}) - 1,
            )
        )
    return tuple(fills)


def traded_of(part: FillPart) -> Traded:
    return part.quantity, part.price


def _corrected(folder: Folder) -> Mapping[int, Traded]:
    """What TradeCorrects make of fills, by fill id. The fill itself may say so too, earlier or later, or never."""
    corrected: dict[int, Traded] = {}
    for report in _reports(folder, "TradeCorrect"):
        trade = _meant(folder, report)
        if report.quantity is None or report.price is None:
            continue
        now, before = (report.quantity, report.price), (trade.quantity, trade.price)
        said = [number for number, traded in folder.traded.items() if now in traded]
        alike = [number for number, traded in folder.traded.items() if before in traded]
        for number in sorted(set(said) & set(alike)) or sorted(said) or sorted(alike):
            corrected[number] = now
            break
    return corrected


def _reports(folder: Folder, kind: str) -> list[ExecutionPart]:
    return sorted((one for one in folder.executions.values() if one.kind == kind), key=lambda one: one.id)


def _meant(folder: Folder, report: ExecutionPart) -> ExecutionPart:
    """The trade that a TradeCancel or TradeCorrect refers to; itself when it does not say."""
    trades = folder.executions.values()
    return next((one for one in trades if report.ref and report.ref in (one.name, str(one.id))), report)


def _busted(folder: Folder) -> frozenset[int]:
    """The fills that TradeCancels take back. They name no fill: quantity and price must tell, and the time if it can.

    A fill that is inactive already answers for a TradeCancel first, so that one bust told twice is one bust.
    """
    busted: set[int] = set()
    for cancel in _reports(folder, "TradeCancel"):
        trade = _meant(folder, cancel)
        alike = [
            fill
            for fill in folder.fills.values()
            if fill.id not in busted and (trade.quantity, trade.price) in folder.traded[fill.id]
        ]
        if alike:
            busted.add(min(alike, key=lambda fill: (fill.active, fill.at != trade.at, fill.id)).id)
    return frozenset(busted)


def reject_reason(folder: Folder) -> str | None:
    """The newest reason; that of a refused Modify or Cancel is not the order's."""
    changes = {command.id for command in folder.commands.values() if not command.new}
    papers: list[CommandReportPart | ExecutionPart] = [*folder.reports.values(), *folder.executions.values()]
    reasons = {one.id: one.reject_reason for one in papers if one.reject_reason and one.command_id not in changes}
    return reasons[max(reasons)] if reasons else None
