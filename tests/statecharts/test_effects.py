"""What goes out in one request."""

from __future__ import annotations

from typing import Any

from statecharts.effects import Leg, PlaceOco, PlaceOrder, PlaceOso, Priority
from statecharts.values import CopyId
from tests.statecharts.desk import BUY, EVAL_ID, MES, SELL, limit, stop

STOP = Leg(copy=CopyId("s"), client_id="s", side=SELL, terms=stop(1))
TARGET = Leg(copy=CopyId("t"), client_id="t", side=SELL, terms=limit(1, 5020))
ENTRY: dict[str, Any] = {
    "copy": CopyId("e"),
    "client_id": "e",
    "account": EVAL_ID,
    "priority": Priority.ENTRY,
    "symbol": MES,
    "side": BUY,
    "terms": limit(1),
}


def test_a_request_says_what_goes_out_within_it() -> None:
    assert PlaceOrder(**ENTRY).legs == ()
    assert PlaceOco(**ENTRY, other=TARGET).legs == (TARGET,)
    assert PlaceOso(**ENTRY, brackets=(STOP, TARGET)).legs == (STOP, TARGET)
