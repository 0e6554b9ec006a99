"""An account's positions held against its executions, since it was read last: what must come out, to the contract.

Rule 1: a position that no execution explains is nothing to trade by. It says that an execution was not told, or could
        not be read: then the account must be read again, which begins a new reckoning.
Rule 2: counted is what the account was told, and what its snapshot held; nothing else.
Rule 3: a spread moves contracts that it does not name: after its fill nothing is expected until the account is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import attrs

from daemon.tradovate.folder import SPREAD
from statecharts.values import Order, OrderId, Symbol


@attrs.define(eq=False)
class Reckoning:
    """By the broker's account ids."""

    _executed: Counter[tuple[int, Symbol]] = attrs.Factory(Counter)
    _counted: dict[OrderId, int] = attrs.Factory(dict)  # what each order has done to the position, signed
    _before: dict[int, dict[Symbol, int]] = attrs.Factory(dict)  # the positions without what has been counted

    def count(self, account: int, order: Order) -> None:
        """The order as the account sees it now."""
        more = order.net - self._counted.get(order.id, 0)
        if more:
            self._counted[order.id] = order.net
            self._executed[account, order.symbol] += more
            if order.unsupported == SPREAD:
                self._before.pop(account, None)

    def begin(self, account: int, positions: Mapping[Symbol, int]) -> None:
        """The account is read: these are its positions, and all that it knows of its orders has been counted."""
        counted = {symbol: net for (owner, symbol), net in self._executed.items() if owner == account}
        self._before[account] = {s: positions.get(s, 0) - counted.get(s, 0) for s in {*positions, *counted}}

    def expected(self, account: int, symbol: Symbol) -> int | None:
        """The position that follows; None where nobody can say."""
        before = self._before.get(account)
        return None if before is None else before.get(symbol, 0) + self._executed[account, symbol]
