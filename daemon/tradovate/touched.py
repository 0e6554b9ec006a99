"""What one message of the broker's may have changed, gathered before anything is told of it."""

from __future__ import annotations

import attrs


@attrs.define
class Touched:
    """What one message may have changed: order ids, (account id, contract id) of positions, accounts as a whole."""

    orders: dict[int, None] = attrs.Factory(dict)  # in the order in which they were first named
    positions: set[tuple[int, int]] = attrs.Factory(set)
    accounts: set[int] = attrs.Factory(set)
    unread: list[str] = attrs.Factory(list)  # rows of which nothing could be made

    def add(self, later: Touched) -> None:
        self.orders |= later.orders
        self.positions |= later.positions
        self.accounts |= later.accounts
