"""The life of orders and their families."""

from decimal import Decimal

import pytest

from daemon.simulator import Faults
from tests.simulator.desktop import make_broker, move, record, rows

D = Decimal


def test_the_entities_of_a_market_order_in_their_order() -> None:
    broker = make_broker()
    changes = record(broker)
    order_id = broker.place("LEAD", "Buy", "ESZ6", 2, cl_ord_id="cp-1")
    told = [
        (change.kind, change.event, change.entity.get("ordStatus") or change.entity.get("commandStatus"))
        for change in changes
    ]
    assert told == [
        ("order", "Created", "PendingNew"),
        ("orderVersion", "Created", None),
        ("command", "Created", "Pending"),
        ("commandReport", "Created", "RiskPassed"),
        ("command", "Updated", "RiskPassed"),
        ("commandReport", "Created", "Working"),
        ("command", "Updated", "AtExecution"),
        ("executionReport", "Created", "Working"),
        ("order", "Updated", "Working"),
        ("executionReport", "Created", "Filled"),
        ("fill", "Created", None),
        ("position", "Created", None),
        ("order", "Updated", "Filled"),
    ]
    (command,) = rows(broker, "command")
    assert (command["id"], command["orderId"], command["clOrdId"]) == (order_id, order_id, "cp-1")
    assert not {"orderQty", "price", "clOrdId", "text"} & set(rows(broker, "order")[0])
    assert order_id > 2**31


def test_a_repeated_cl_ord_id_makes_a_second_order() -> None:
    broker = make_broker()
    ids = [broker.place("LEAD", "Buy", "ESZ6", 1, cl_ord_id="same") for _ in range(2)]
    assert ids[0] != ids[1]
    assert [(accepted.order_id, accepted.cl_ord_id) for accepted in broker.accepted] == [(i, "same") for i in ids]
    assert broker.positions("LEAD") == {"ESZ6": 2}


def test_the_words_of_the_client_may_be_missing() -> None:
    broker = make_broker(Faults(omit_cl_ord_id=True, omit_text=True))
    broker.place("LEAD", "Buy", "ESZ6", 1, cl_ord_id="same")
    assert "clOrdId" not in rows(broker, "command")[0]
    assert broker.accepted[0].cl_ord_id == "same"


def test_partial_fills_keep_the_order_working() -> None:
    broker = make_broker(Faults(fill_size=2))
    changes = record(broker)
    broker.place("LEAD", "Buy", "ESZ6", 5)
    reports = rows(broker, "executionReport", execType="Trade")
    assert [(r["cumQty"], r["lastQty"], r["ordStatus"]) for r in reports] == [
        (2, 2, "Working"),
        (4, 2, "Working"),
        (5, 1, "Filled"),
    ]
    statuses = [change.entity["ordStatus"] for change in changes if change.kind == "order"]
    assert statuses == ["PendingNew", "Working", "Filled"]


@pytest.mark.parametrize(
    ("tif", "size", "price", "filled", "status"),
    [
        ("IOC", 0, None, 3, "Filled"),
        ("IOC", 2, None, 2, "Canceled"),
        ("FOK", 2, None, 0, "Canceled"),
        ("FOK", 0, None, 3, "Filled"),
        ("IOC", 0, "5100", 0, "Canceled"),
        ("FOK", 0, "5100", 0, "Canceled"),
        ("Day", 0, "5100", 0, "Working"),
    ],
)
def test_time_in_force(tif: str, size: int, price: str | None, filled: int, status: str) -> None:
    broker = make_broker(Faults(fill_size=size))
    limit = None if price is None else D(price)
    broker.place("LEAD", "Buy", "ESZ6", 3, "Limit" if limit else "Market", price=limit, tif=tif)
    (order,) = broker.orders("LEAD")
    assert (order.filled, order.status) == (filled, status)


@pytest.mark.parametrize(("stage", "status"), [("risk", "RiskRejected"), ("exchange", "ExecutionRejected")])
def test_refusals_come_after_the_acceptance(stage: str, status: str) -> None:
    broker = make_broker()
    broker.reject_next("LEAD", "MaxPosLimitReached", stage=stage)
    order_id = broker.place("LEAD", "Buy", "ESZ6", 1)
    report = rows(broker, "commandReport", commandId=order_id)[-1]
    assert (report["commandStatus"], report["rejectReason"]) == (status, "MaxPosLimitReached")
    assert rows(broker, "order")[0]["ordStatus"] == "Rejected"
    broker.place("LEAD", "Buy", "ESZ6", 1)
    assert broker.positions("LEAD") == {"ESZ6": 1}


def test_an_off_tick_price_and_a_halt_are_refused_by_the_exchange() -> None:
    broker = make_broker()
    broker.place("LEAD", "Buy", "ESZ6", 1, "Limit", price=D("5100.10"))
    broker.halt("ESZ6")
    broker.place("LEAD", "Buy", "ESZ6", 1)
    reasons = [report["rejectReason"] for report in rows(broker, "commandReport", commandStatus="ExecutionRejected")]
    assert reasons == ["InvalidPrice", "SessionClosed"]


def test_a_resting_order_survives_a_halt() -> None:
    broker = make_broker()
    broker.place("LEAD", "Buy", "ESZ6", 1, "Limit", price=D(5199))
    broker.halt("ESZ6")
    move(broker, "5199")
    assert broker.positions("LEAD") == {}
    broker.halt("ESZ6", halted=False)
    assert broker.positions("LEAD") == {"ESZ6": 1}


def test_locks() -> None:
    broker = make_broker()
    broker.place("LEAD", "Buy", "ESZ6", 2)
    broker.lock("LEAD", "LiquidationOnly")
    broker.place("LEAD", "Buy", "ESZ6", 1)
    broker.place("LEAD", "Sell", "ESZ6", 3)
    broker.place("LEAD", "Sell", "ESZ6", 1)
    assert [order.status for order in broker.orders("LEAD")] == ["Filled", "Rejected", "Rejected", "Filled"]
    assert rows(broker, "accountRiskStatus", adminAction="LiquidateOnlyModeImmediately")
    broker.lock("LEAD")
    broker.place("LEAD", "Sell", "ESZ6", 1)
    assert rows(broker, "commandReport")[-1]["rejectReason"] == "TradingLocked"
    broker.liquidate("LEAD")
    assert broker.positions("LEAD") == {}
    assert rows(broker, "order", admin=True)
    broker.lock("LEAD", None)
    broker.place("LEAD", "Sell", "ESZ6", 1)
    assert broker.positions("LEAD") == {"ESZ6": -1}


def test_modify_makes_a_new_version_and_may_trade_at_once() -> None:
    broker = make_broker()
    order_id = broker.place("LEAD", "Buy", "ESZ6", 1, "Limit", price=D(5100))
    broker.modify(order_id, qty=3, price=D(5150))
    versions = rows(broker, "orderVersion", orderId=order_id)
    assert [(v["orderQty"], v["price"]) for v in versions] == [(1, 5100), (3, 5150)]
    assert rows(broker, "command", commandType="Modify")[0]["id"] != order_id
    broker.modify(order_id, price=D("5150.1"))
    assert rows(broker, "commandReport")[-1]["rejectReason"] == "InvalidPrice"
    broker.modify(order_id, price=D(5300))
    assert broker.positions("LEAD") == {"ESZ6": 3}
    broker.modify(order_id, price=D(5000))
    broker.cancel(order_id)
    assert len(rows(broker, "command", orderId=order_id)) == 4


def test_a_quantity_below_what_is_filled_is_too_late() -> None:
    broker = make_broker()
    order_id = broker.place("LEAD", "Buy", "ESZ6", 5, "Limit", price=D(5100))
    broker.orders("LEAD")[0].filled = 3
    broker.modify(order_id, qty=3)
    assert rows(broker, "commandReport")[-1]["rejectReason"] == "TooLate"


def test_oco_one_fills_the_other_cancels() -> None:
    broker = make_broker()
    ids = broker.place_oco(
        broker.ticket("LEAD", "Sell", "ESZ6", 1, "Limit", price=D(5210)),
        broker.ticket("LEAD", "Sell", "ESZ6", 1, "Stop", stop=D(5190)),
    )
    assert [order["ocoId"] for order in rows(broker, "order")] == [ids[1], ids[0]]
    move(broker, "5189")
    assert [order.status for order in broker.orders("LEAD")] == ["Canceled", "Filled"]


def test_oco_one_cancels_the_other_cancels() -> None:
    broker = make_broker()
    ids = broker.place_oco(
        broker.ticket("LEAD", "Sell", "ESZ6", 1, "Limit", price=D(5210)),
        broker.ticket("LEAD", "Sell", "ESZ6", 1, "Stop", stop=D(5190)),
    )
    broker.cancel(ids[0])
    assert [order.status for order in broker.orders("LEAD")] == ["Canceled", "Canceled"]


def test_children_are_suspended_until_their_parent_fills() -> None:
    broker = make_broker()
    ids = broker.place_oso(
        broker.ticket("LEAD", "Buy", "ESZ6", 1, "Limit", price=D(5195)),
        broker.ticket("LEAD", "Sell", "ESZ6", 1, "Limit", price=D(5210)),
        broker.ticket("LEAD", "Sell", "ESZ6", 1, "Stop", stop=D(5190)),
    )
    parent, target, stop = rows(broker, "order")
    assert "parentId" not in parent
    assert (target["parentId"], stop["parentId"], target["ocoId"], stop["ocoId"]) == (ids[0], ids[0], ids[2], ids[1])
    assert [order.status for order in broker.orders("LEAD")] == ["Working", "Suspended", "Suspended"]
    move(broker, "5195")
    assert [order.status for order in broker.orders("LEAD")] == ["Filled", "Working", "Working"]
    move(broker, "5210")
    assert [order.status for order in broker.orders("LEAD")] == ["Filled", "Filled", "Canceled"]
    assert broker.positions("LEAD") == {}


def test_a_child_that_the_turn_of_the_session_has_forgotten_is_no_affair_of_its_parent_s() -> None:
    broker = make_broker()
    ids = broker.place_oso(
        broker.ticket("LEAD", "Buy", "ESZ6", 1, "Limit", price=D(5195), tif="GTC"),
        broker.ticket("LEAD", "Sell", "ESZ6", 1, "Limit", price=D(5210), tif="GTC"),
    )
    broker.cancel(ids[1])
    broker.close_session()
    broker.cancel(ids[0])
    assert [order.status for order in broker.orders("LEAD")] == ["Canceled", "Canceled"]


@pytest.mark.parametrize(
    ("wake", "statuses", "qty"),
    [("first_fill", "Working", 3), ("each_fill", "Working", 1), ("last_fill", "Suspended", 3)],
)
def test_when_children_wake_is_a_switch(wake: str, statuses: str, qty: int) -> None:
    broker = make_broker(Faults(fill_size=1, fill_gap=(60, 60), oso_wake=wake))
    ids = broker.place_oso(
        broker.ticket("LEAD", "Buy", "ESZ6", 3, "Limit", price=D(5195)),
        broker.ticket("LEAD", "Sell", "ESZ6", 3, "Limit", price=D(5210)),
    )
    move(broker, "5195")  # one contract fills, the next would a minute later
    child = broker.orders("LEAD")[1]
    assert (child.status, child.terms.qty) == (statuses, qty)
    broker.cancel(ids[0])  # what was filled stays protected
    assert (child.status, child.terms.qty) == ("Working", 3 if wake == "first_fill" else 1)


def test_children_end_with_a_parent_that_never_filled() -> None:
    for ending, statuses in (("cancel", "Canceled"), ("reject", "Rejected")):
        broker = make_broker()
        if ending == "reject":
            broker.reject_next("LEAD", "MaxPosLimitReached", stage="exchange")
        ids = broker.place_oso(
            broker.ticket("LEAD", "Buy", "ESZ6", 1, "Limit", price=D(5195)),
            broker.ticket("LEAD", "Sell", "ESZ6", 1, "Stop", stop=D(5190)),
        )
        if ending == "cancel":
            broker.cancel(ids[0])
        assert [order.status for order in broker.orders("LEAD")] == [statuses] * 2


def test_a_child_may_be_refused_when_it_wakes() -> None:
    broker = make_broker()
    broker.place_oso(
        broker.ticket("LEAD", "Buy", "ESZ6", 1),
        broker.ticket("LEAD", "Sell", "ESZ6", 1, "Stop", stop=D("5190.1")),
    )
    assert [order.status for order in broker.orders("LEAD")] == ["Filled", "Rejected"]
