"""The papers of a login's orders: order, versions, commands, reports and fills, joined into one view of each order.

Rule 1: a join is a function of the parts alone, whatever their order of arrival.
Rule 2: a status climbs: unknown, pending new, live, finished; the past that is pushed again does not pull it down.
Rule 3: the newest terms are those of the highest version id; every name that an order ever had stays.
Rule 4: what is pushed is told as Filled only together with its fills: the status may overtake them, and a position that
        is closed already would be taken for one that is still open.
Rule 5: a refusal is one whoever tells it: the order itself, its New command, or a report. (On the one capture of a
        refused order it is a report; whether the order says so as well nobody knows.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
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
from statecharts.values import Fill, FillId, Order, OrderId, Status, Symbol, VersionId

Traded = tuple[int, Decimal]  # quantity and price of a fill
Paper = OrderPart | VersionPart | CommandPart | CommandReportPart | ExecutionPart | FillPart


def _rank(status: Status) -> int:
    if status.finished:
        return 3
    return {Status.UNKNOWN: 0, Status.PENDING_NEW: 1}.get(status, 2)


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


class Paperwork:
    """The folders of a login, by order id. A paper may come before its order, and a report before its command."""

    def __init__(self) -> None:
        self._folders: defaultdict[int, Folder] = defaultdict(Folder)
        self._order_of: dict[int, int] = {}  # command id -> order id
        self._early: defaultdict[int, dict[int, CommandReportPart]] = defaultdict(dict)  # command id -> reports
        self._of_contract: defaultdict[int, set[int]] = defaultdict(set)  # contract id -> order ids

    def put(self, part: Paper, at: datetime) -> set[int]:
        """Files one paper; the ids of the orders whose view it may have changed. `at` stands in for a missing time."""
        changed = self._filed(part, at)
        for number in changed:
            contract = self._folders[number].contract_id
            if contract is not None:
                self._of_contract[contract].add(number)
        return changed

    def _filed(self, part: Paper, at: datetime) -> set[int]:
        match part:
            case OrderPart():
                self._put_order(part, at)
                return {part.id}
            case VersionPart():
                self._folders[part.order_id].versions[part.id] = part
            case CommandPart():
                folder = self._folders[part.order_id]
                known = folder.commands.get(part.id)
                if known is not None and not (known.names <= part.names and known.rejected <= part.rejected):
                    rejected = part.rejected or known.rejected
                    part = attrs.evolve(part, names=part.names | known.names, rejected=rejected)
                folder.commands[part.id] = part
                self._order_of[part.id] = part.order_id
                folder.reports.update(self._early.pop(part.id, {}))
            case CommandReportPart():
                number = self._order_of.get(part.command_id)
                if number is None and not self.unknown(part.command_id):
                    number = part.command_id  # of an order's New command, which nobody has shown
                if number is None:
                    self._early[part.command_id][part.id] = part
                    return set()
                self._folders[number].reports[part.id] = part
                return {number}
            case ExecutionPart():
                self._folders[part.order_id].executions[part.id] = part
            case FillPart():
                self._put_fill(part, at)
        return {part.order_id}

    def _put_fill(self, part: FillPart, at: datetime) -> None:
        folder = self._folders[part.order_id]
        before, traded = folder.fills.get(part.id), folder.traded[part.id]
        busted = before is not None and not before.active
        if before is not None and _traded(part) in traded:  # the past that is pushed again corrects nothing
            part = attrs.evolve(part, quantity=before.quantity, price=before.price)
        else:
            traded.append(_traded(part))
        if busted or part.at is None:
            at = part.at or (before.at if before else None) or at
            part = attrs.evolve(part, active=part.active and not busted, at=at)
        folder.fills[part.id] = part

    def _put_order(self, part: OrderPart, at: datetime) -> None:
        folder = self._folders[part.id]
        before = folder.order
        status = part.status
        if before is not None and _rank(status) < _rank(before.status):
            status = before.status
        if status is not part.status or part.at is None:
            part = attrs.evolve(part, status=status, at=part.at or (before.at if before else None) or at)
        folder.order = part
        folder.reports.update(self._early.pop(part.id, {}))

    def account(self, number: int) -> int | None:
        order = self._folders[number].order if number in self._folders else None
        return order.account_id if order else None

    def unknown(self, number: int) -> bool:
        """Has nobody shown this order yet?"""
        return number not in self._folders or self._folders[number].order is None

    def attributable(self, number: int) -> bool:
        """Is there a paper that would carry the name of an order of ours?"""
        folder = self._folders[number]
        return bool(folder.versions or folder.commands)

    def without_terms(self) -> Iterator[int]:
        """Orders that have been shown, and nobody has told what they ask for."""
        return (number for number, one in self._folders.items() if one.order is not None and not one.versions)

    def live(self, number: int) -> bool:
        order = self._folders[number].order if number in self._folders else None
        return order is not None and not order.status.finished

    def lacks(self, part: OrderPart | FillPart) -> bool:
        """Does this paper say what nobody has told yet: an order, its end, a fill?"""
        number = part.id if isinstance(part, OrderPart) else part.order_id
        folder = self._folders.get(number)
        if isinstance(part, FillPart):
            return folder is None or part.id not in folder.fills
        return folder is None or folder.order is None or _rank(folder.order.status) < _rank(part.status)

    def named(self, client_id: str) -> OrderId | None:
        return next((OrderId(number) for number, folder in self._folders.items() if client_id in folder.names), None)

    def of_account(self, account: int) -> list[int]:
        return sorted(
            n for n, one in self._folders.items() if one.order is not None and one.order.account_id == account
        )

    def of_contract(self, contract: int) -> set[int]:
        return set(self._of_contract.get(contract, ()))

    def contracts(self) -> set[int]:
        """All contracts that have an order. Asked after every message, so it is kept and not searched for."""
        return set(self._of_contract)

    def order(self, number: int, names: Mapping[int, str], *, awaiting: bool) -> Order | None:
        """The view of one order; None while the order itself or its contract's name is missing.

        `awaiting`: may fills still come that the status has overtaken? In a snapshot nothing is missing.
        """
        folder = self._folders[number]
        part = folder.order
        if part is None:
            return None
        assert part.at is not None, "an order is filed with a time"
        spread = part.spread_id is not None and part.contract_id is None
        symbol = f"spread {part.spread_id}" if spread else names.get(folder.contract_id or 0)
        if symbol is None:
            return None
        newest = folder.versions[max(folder.versions)] if folder.versions else None
        status = _status(folder, part, awaiting)
        return Order(
            id=OrderId(part.id),
            symbol=Symbol(symbol),
            side=part.side,
            status=status,
            at=part.at,
            terms=None if spread or newest is None else newest.terms,
            version=VersionId(newest.id) if newest else None,
            first_version=VersionId(min(folder.versions)) if len(folder.versions) > 1 else None,
            fills=_fills(folder, part),
            client_ids=folder.names,
            parent_id=OrderId(part.parent_id) if part.parent_id else None,
            oco_id=OrderId(part.oco_id) if part.oco_id else None,
            admin=part.admin,
            unsupported="Spread" if spread else newest.unsupported if newest else None,
            reject_reason=_reject_reason(folder) if status is Status.REJECTED else None,
        )


_NOT_AT_WORK = frozenset({Status.UNKNOWN, Status.PENDING_NEW, Status.SUSPENDED})


def _status(folder: Folder, order: OrderPart, awaiting: bool) -> Status:
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


def _fills(folder: Folder, order: OrderPart) -> tuple[Fill, ...]:
    busted, corrected = _busted(folder), _corrected(folder)
    fills: list[Fill] = []
    for part in (folder.fills[number] for number in sorted(folder.fills)):
        assert part.at is not None, "a fill is filed with a time"
        quantity, price = corrected.get(part.id, _traded(part))
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


def _traded(part: FillPart) -> Traded:
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


def _reject_reason(folder: Folder) -> str | None:
    """The newest reason; that of a refused Modify or Cancel is not the order's."""
    changes = {command.id for command in folder.commands.values() if not command.new}
    papers: list[CommandReportPart | ExecutionPart] = [*folder.reports.values(), *folder.executions.values()]
    reasons = {one.id: one.reject_reason for one in papers if one.reject_reason and one.command_id not in changes}
    return reasons[max(reasons)] if reasons else None
