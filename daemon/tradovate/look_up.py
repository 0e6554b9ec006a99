"""Finding an order whose answer was lost, by the client order id that it was sent with. Pure.

There is no look-up by clOrdId at the broker: the session's commands carry it as clOrdId and customTag50, its order
versions as text (Tradovate OpenAPI: command, orderVersion). The order exists if any of them names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from daemon.tradovate.scalars import identity

KINDS = ("command", "orderVersion")
LISTS = tuple(f"{kind}/list" for kind in KINDS)
_NAMES = ("clOrdId", "customTag50", "text")


def order_named(client_id: str, lists: Iterable[Sequence[object] | None]) -> int | None:
    """The id of the order that was sent under `client_id`, or None when no list names it."""
    for rows in lists:
        for row in rows or ():
            if isinstance(row, dict) and client_id in (row.get(name) for name in _NAMES):
                order = identity(row.get("orderId"))
                if order is not None:
                    return order
    return None
