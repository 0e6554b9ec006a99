"""The net positions that one login sees, by account and contract, and which of them have been told."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.tradovate.parts import PositionPart
from daemon.tradovate.scalars import earlier

Key = tuple[int, int]  # the broker's ids of account and contract


class Positions:
    """Mutable: it belongs to one mirror."""

    def __init__(self) -> None:
        self._parts: dict[Key, PositionPart] = {}
        self._told: dict[Key, int] = {}

    def put(self, part: PositionPart) -> Key | None:
        """Where it belongs; None when a later one is known.

        Real world: a new trading day may bring a new entity for the same account and contract.
        """
        key = (part.account_id, part.contract_id)
        if key in self._parts and earlier(part.at, self._parts[key].at):
            return None
        self._parts[key] = part
        return key

    def news(self, key: Key) -> int | None:
        """The net position there, when it has not been told."""
        net = self._parts[key].net
        if self._told.get(key) == net:
            return None
        self._told[key] = net
        return net

    def lacks(self, part: PositionPart) -> bool:
        """Is this another position than the one that is known, and not an older one?"""
        known = self._parts.get((part.account_id, part.contract_id))
        return (known.net if known else 0) != part.net and not (known and earlier(part.at, known.at))

    def net(self, part: PositionPart) -> int:
        """What is known where this belongs."""
        known = self._parts.get((part.account_id, part.contract_id))
        return 0 if known is None else known.net

    def of_contract(self, contract: int) -> set[Key]:
        return {key for key in self._parts if key[1] == contract}

    def of_account(self, account: int) -> Iterator[tuple[int, int]]:
        """Contracts and net positions."""
        return ((contract, part.net) for (owner, contract), part in self._parts.items() if owner == account)

    def open(self) -> set[Key]:
        return {key for key, part in self._parts.items() if part.net}
