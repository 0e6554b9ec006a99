"""A broker without a wire and without trio: everything happens at once at a fixed moment."""

import random
from decimal import Decimal
from typing import Any

from daemon.simulator import Broker, Faults, LoginSpec
from daemon.simulator.entities import Change, Entity
from tests.simulator.client import EPOCH, LOGINS


def make_broker(faults: Faults | None = None, logins: dict[str, LoginSpec] | None = None, **more: Any) -> Broker:
    return Broker.build(logins or LOGINS, now=lambda: EPOCH, dice=random.Random(1), faults=faults, **more)


def rows(broker: Broker, kind: str, **wanted: Any) -> list[Entity]:
    """The entities of a type whose fields are as wanted."""
    found = [row.entity for row in broker.entities.rows(kind)]
    return [entity for entity in found if all(entity.get(name) == value for name, value in wanted.items())]


def record(broker: Broker) -> list[Change]:
    """Everything that changes from now on."""
    changes: list[Change] = []
    broker.entities.listeners.append(changes.append)
    return changes


def move(broker: Broker, price: str, symbol: str = "ESZ6") -> None:
    broker.move(symbol, Decimal(price))
