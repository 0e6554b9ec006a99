"""What the broker tells of an account as a whole: its money, and whether it is restricted. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import attrs

from daemon.tradovate.parts import BalancePart, RiskPart
from daemon.tradovate.scalars import earlier
from statecharts.events import BalanceSeen, Event, RiskStatusSeen
from statecharts.view import Balance, RiskStatus


@attrs.define
class Standings:
    """The newest of each account. Its money is that in the currency of the lowest number: dollars come first with this
    broker.
    """

    _risks: dict[int, RiskStatus] = attrs.Factory(dict)
    _balances: dict[int, dict[int, BalancePart]] = attrs.Factory(dict)  # by account, then by currency
    _told: dict[int, tuple[RiskStatus | None, Balance | None]] = attrs.Factory(dict)

    def put(self, part: RiskPart | BalancePart) -> int:
        """Takes it unless it is of the past; answers whose it is."""
        if isinstance(part, RiskPart):
            known = self._risks.get(part.id)
            if known is None or not earlier(part.status.at, known.at):
                self._risks[part.id] = part.status
            return part.id
        of_account = self._balances.setdefault(part.account_id, {})
        before = of_account.get(part.currency_id)
        if before is None or not earlier(part.at, before.at):
            of_account[part.currency_id] = part
        return part.account_id

    def of(self, account: int) -> tuple[RiskStatus | None, Balance | None]:
        """None for what the broker has not said."""
        found = self._balances.get(account)
        part = found[min(found)] if found else None
        return self._risks.get(account), None if part is None else Balance(part.cash, part.realized, part.at)

    def news(self, account: int, at: datetime) -> Iterator[Event]:
        """What has not been told yet."""
        (risk, balance), told = self.of(account), self._told.get(account, (None, None))
        self._told[account] = risk, balance
        if risk is not None and risk != told[0]:
            yield RiskStatusSeen(at=at, status=risk)
        if balance is not None and balance != told[1]:
            yield BalanceSeen(at=at, balance=balance)
