"""A read-back held against what the events of the session have told: what it shows and they have not.

Rule 1: nothing is taken in. What is missing ends the session, and the next one reads everything anew.
Rule 2: a position is what the account was told of its fills, and nothing else: see reckoning.py.
Rule 3: a token may see accounts that no snapshot shows: what is theirs nobody lacks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs

from daemon.tradovate.entities import decode
from daemon.tradovate.paperwork import Paperwork
from daemon.tradovate.parts import FillPart, OrderPart, Part, PositionPart
from daemon.tradovate.positions import Positions
from daemon.tradovate.reckoning import Reckoning
from statecharts.values import BrokerAccountId, Symbol


@attrs.define(eq=False)
class Comparison:
    """`accounts` are the ids of those that a snapshot has shown, `contracts` the names of contracts by id.

    All of it is the mirror's, and grows with it.
    """

    accounts: Collection[int]
    contracts: Mapping[int, str]
    paperwork: Paperwork
    positions: Positions
    reckoning: Reckoning
    _elsewhere: set[int] = attrs.field(factory=set)  # orders of other accounts

    def lacks(self, entity_type: str, rows: object, account: int | None) -> tuple[str, ...]:
        """Of one account or of all, in words. Orders are to be looked at before fills, which name no account."""
        found: list[str] = []
        for row in rows if isinstance(rows, list) else []:
            part = decode(entity_type, row).part
            if self._is_elsewhere(part) or (account is not None and self._owner(part) not in (None, account)):
                continue
            if isinstance(part, OrderPart) and self.paperwork.lacks(part):
                found.append(f"order {part.id} is {part.status.value}")
            elif isinstance(part, FillPart) and self.paperwork.lacks(part):
                found.append(f"fill {part.id} of order {part.order_id}")
            elif isinstance(part, PositionPart) and self.positions.lacks(part):
                found.append(f"position {part.net} in contract {part.contract_id}")
        return tuple(found)

    def unexplained(self, rows: object) -> dict[BrokerAccountId, str]:
        """Which positions of a list do not follow from what was told; the first of each account, in words."""
        listed = (decode("position", row).part for row in (rows if isinstance(rows, list) else []))
        found: dict[BrokerAccountId, str] = {}
        for part in listed:
            if not isinstance(part, PositionPart) or part.contract_id not in self.contracts:
                continue
            symbol, net = Symbol(self.contracts[part.contract_id]), self.positions.net(part)
            expected = self.reckoning.expected(part.account_id, symbol)
            if expected not in (None, net):
                words = f"a position of {net} {symbol}, and the fills make it {expected}"
                found.setdefault(BrokerAccountId(part.account_id), words)
        return found

    def _is_elsewhere(self, part: Part | None) -> bool:
        if isinstance(part, FillPart):
            return part.order_id in self._elsewhere
        if not isinstance(part, OrderPart | PositionPart) or part.account_id in self.accounts:
            return False
        if isinstance(part, OrderPart):
            self._elsewhere.add(part.id)
        return True

    def _owner(self, part: Part | None) -> int | None:
        """The account that an order, a fill or a position belongs to; None while that is not known."""
        if isinstance(part, FillPart):
            return self.paperwork.account(part.order_id)
        return part.account_id if isinstance(part, OrderPart | PositionPart) else None
