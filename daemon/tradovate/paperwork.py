"""The papers of a login's orders: order, versions, commands, reports and fills, joined into one view of each order.

Rule 1: a join is a function of the parts alone, whatever their order of arrival.
Rule 2: a status climbs: unknown, pending new, live, finished; the past that is pushed again does not pull it down.
Rule 3: the newest terms are those of the highest version id; every name that an order ever had stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

import attrs

from daemon.tradovate.folder import SPREAD, Folder, fills_of, reject_reason, status_of, traded_of
from daemon.tradovate.parts import (
    CommandPart,
    CommandReportPart,
    ExecutionPart,
    FillPart,
    OrderPart,
    VersionPart,
)
from statecharts.values import Order, OrderId, Status, Symbol, VersionId

Paper = OrderPart | VersionPart | CommandPart | CommandReportPart | ExecutionPart | FillPart


def _rank(status: Status) -> int:
    if status.finished:
        return 3
    return {Status.UNKNOWN: 0, Status.PENDING_NEW: 1}.get(status, 2)


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
        if before is not None and traded_of(part) in traded:  # the past that is pushed again corrects nothing
            part = attrs.evolve(part, quantity=before.quantity, price=before.price)
        else:
            traded.append(traded_of(part))
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
        if before is not None and part.contract_id is None and part.spread_id is None:  # it moves nowhere else
            part = attrs.evolve(part, contract_id=before.contract_id, spread_id=before.spread_id)
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
        status = status_of(folder, part, awaiting)
        return Order(
            id=OrderId(part.id),
            symbol=Symbol(symbol),
            side=part.side,
            status=status,
            at=part.at,
            terms=None if spread or newest is None else newest.terms,
            version=VersionId(newest.id) if newest else None,
            first_version=VersionId(min(folder.versions)) if len(folder.versions) > 1 else None,
            fills=fills_of(folder, part),
            client_ids=folder.names,
            parent_id=OrderId(part.parent_id) if part.parent_id else None,
            oco_id=OrderId(part.oco_id) if part.oco_id else None,
            admin=part.admin,
            unsupported=SPREAD if spread else newest.unsupported if newest else None,
            reject_reason=reject_reason(folder) if status is Status.REJECTED else None,
        )
