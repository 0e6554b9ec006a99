"""The trading endpoints."""

from decimal import Decimal
from typing import Any

import pytest

from daemon.simulator import Faults, LoginSpec
from tests.simulator.client import House, login, play, post

ORDER = {"accountSpec": "LEAD", "action": "Buy", "symbol": "ESZ6", "orderQty": 1, "orderType": "Market"}
LIMIT = {**ORDER, "orderType": "Limit", "price": 5100.25}


def test_words_of_the_client_come_back_where_the_schema_has_them() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        words = {"clOrdId": "c", "customTag50": "t", "text": "x", "isAutomated": True}
        _, answer = await post(house.server, "order/placeOrder", {**ORDER, **words}, token)
        (command,) = [row.entity for row in house.broker.entities.rows("command")]
        (version,) = [row.entity for row in house.broker.entities.rows("orderVersion")]
        assert (command["clOrdId"], command["customTag50"], command["isAutomated"]) == ("c", "t", True)
        assert (version["text"], version["orderId"]) == ("x", answer["orderId"])
        (accepted,) = house.broker.accepted
        assert (accepted.account, accepted.cl_ord_id, accepted.action, accepted.qty) == ("LEAD", "c", "Buy", 1)

    play(story)


@pytest.mark.parametrize(
    ("change", "status", "part"),
    [
        ({"accountSpec": "FUND"}, 401, "Access is denied"),
        ({"accountSpec": "NONE"}, 401, "Access is denied"),
        ({"accountId": 12345}, 401, "Access is denied"),
        ({"accountSpec": None}, 401, "Access is denied"),
        ({"symbol": "ES"}, 200, "InvalidContract"),
        ({"symbol": 2553027}, 400, "symbol"),
        ({"orderQty": 0}, 200, "violations"),
        ({"orderQty": "1"}, 400, "orderQty"),
        ({"orderQty": None}, 400, "orderQty"),
        ({"action": "Hold"}, 400, "action"),
        ({"orderType": "Guess"}, 400, "orderType"),
        ({"timeInForce": "Ever"}, 400, "timeInForce"),
        ({"price": "5100"}, 400, "price"),
        ({"clOrdId": "x" * 65}, 400, "clOrdId"),
        ({"isAutomated": "yes"}, 400, "isAutomated"),
        ({"expireTime": "soon"}, 400, "expireTime"),
        ({"expireTime": "2026-11-20T15:00:00"}, 400, "expireTime"),
        ({"accountSpec": "jane", "accountId": "LEAD"}, 400, "accountId"),
    ],
)
def test_what_is_refused_at_once(change: dict[str, Any], status: int, part: str) -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        found, answer = await post(house.server, "order/placeorder", {**LIMIT, **change}, token)
        assert found == status
        assert part in str(answer)
        assert house.broker.accepted == []

    play(story)


def test_the_username_passes_as_account_spec_when_the_id_is_right() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        order = {**ORDER, "accountSpec": "jane", "accountId": house.broker.account_ids["EVAL1"]}
        await post(house.server, "order/placeorder", order, token)
        assert house.broker.positions("EVAL1") == {"ESZ6": 1}

    play(story)


def test_modify_and_cancel() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        order_id = (await post(house.server, "order/placeorder", LIMIT, token))[1]["orderId"]
        terms = {"orderId": order_id, "orderQty": 2, "orderType": "Limit", "price": 5100.5}
        _, answer = await post(house.server, "order/modifyorder", terms, token)
        assert answer["commandId"] > order_id
        assert house.broker.orders("LEAD")[0].terms.qty == 2
        _, answer = await post(house.server, "order/cancelorder", {"orderId": order_id, "clOrdId": "x"}, token)
        assert "commandId" in answer
        _, answer = await post(house.server, "order/cancelorder", {"orderId": order_id}, token)
        assert answer["failureReason"] == "TooLate"
        assert (await post(house.server, "order/cancelorder", {"orderId": 1}, token))[0] == 401
        foreign = house.broker.place("FUND", "Buy", "ESZ6", 1, "Limit", price=house.broker.exchange.last["ESZ6"] - 9)
        assert (await post(house.server, "order/cancelorder", {"orderId": foreign}, token))[0] == 401

    play(story)


def test_another_command_pending_and_a_fill_that_wins_against_the_cancel() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        order_id = (await post(house.server, "order/placeorder", LIMIT, token))[1]["orderId"]
        assert "commandId" in (await post(house.server, "order/cancelorder", {"orderId": order_id}, token))[1]
        _, answer = await post(house.server, "order/cancelorder", {"orderId": order_id}, token)
        assert answer["failureReason"] == "AnotherCommandPending"
        house.broker.move("ESZ6", house.broker.orders("LEAD")[0].terms.price or house.broker.exchange.last["ESZ6"])
        await house.settle(3)
        assert house.broker.orders("LEAD")[0].status == "Filled"
        report = [row.entity for row in house.broker.entities.rows("commandReport")][-1]
        assert (report["commandStatus"], report["rejectReason"]) == ("ExecutionRejected", "TooLate")

    play(story, Faults(cancel_delay=(2.0, 2.0)))


def test_families() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        target = {"action": "Sell", "orderType": "Limit", "price": 5210.0, "clOrdId": "tp"}
        stop = {"action": "Sell", "orderType": "Stop", "stopPrice": 5190.0, "text": "sl"}
        _, answer = await post(
            house.server, "order/placeoso", {**ORDER, "orderQty": 3, "bracket1": target, "bracket2": stop}, token
        )
        assert set(answer) == {"orderId", "oso1Id", "oso2Id"}
        _, one, two = house.broker.orders("LEAD")
        assert (one.order_id, one.terms.qty, one.ticket.marks.cl_ord_id) == (answer["oso1Id"], 3, "tp")
        assert (two.order_id, two.terms.text, two.ticket.marks.tag) == (answer["oso2Id"], "sl", None)
        _, answer = await post(house.server, "order/placeoso", {**ORDER, "bracket1": target}, token)
        assert set(answer) == {"orderId", "oso1Id"}
        assert (await post(house.server, "order/placeoso", ORDER, token))[0] == 400
        _, answer = await post(house.server, "order/placeoco", {**ORDER, **target, "other": stop}, token)
        assert set(answer) == {"orderId", "ocoId"}
        listing = house.broker.listings["ESZ6"]
        close = {"accountId": house.broker.account_ids["LEAD"], "contractId": listing.contract_id, "admin": False}
        assert "orderId" in (await post(house.server, "order/liquidateposition", close, token))[1]
        assert house.broker.positions("LEAD") == {}
        assert house.broker.working("LEAD") == []
        assert (await post(house.server, "order/liquidateposition", close, token))[1] == {}
        _, answer = await post(house.server, "order/liquidateposition", {**close, "contractId": 7}, token)
        assert answer["failureReason"] == "InvalidContract"

    play(story)


def test_live_denies_orders_of_an_unapproved_device_and_lets_it_read() -> None:
    async def story(house: House) -> None:
        for device, status in (("unknown", 401), (None, 401), ("approved", 200)):
            body = {} if device is None else {"deviceId": device}
            token = (await login(house.server, **body))["accessToken"]
            assert (await post(house.server, "account/list", None, token))[0] == 200
            assert (await post(house.server, "order/placeorder", ORDER, token))[0] == status

    logins = {"apex": LoginSpec(username="jane", accounts=("LEAD",), devices=("approved",))}
    play(story, Faults(live=True), logins=logins)


def test_a_prepared_refusal_in_the_answer() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        house.server.reject_next("LEAD", "MaxOrderQtyLimitReached", stage="answer")
        _, answer = await post(house.server, "order/placeorder", ORDER, token)
        assert answer["failureReason"] == "MaxOrderQtyLimitReached"
        assert "orderId" in (await post(house.server, "order/placeorder", ORDER, token))[1]

    play(story)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"orderQty": 3}, False),
        ({"orderQty": 3, "text": "other words"}, False),
        ({"pegDifference": 6}, True),
        ({"stopPrice": 5191}, True),
        ({"timeInForce": "GTC"}, True),
        ({"orderType": "Stop"}, True),
    ],
)
def test_of_a_trailing_stop_only_the_quantity_can_be_modified(change: dict[str, Any], refused: bool) -> None:
    trailing = {"orderType": "TrailingStop", "stopPrice": 5210, "pegDifference": 10}

    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        _, placed = await post(house.server, "order/placeorder", {**ORDER, **trailing}, token)
        house.broker.move("ESZ6", Decimal(5190))
        body = {"orderQty": 1, **trailing, **change, "orderId": placed["orderId"]}
        _, answer = await post(house.server, "order/modifyorder", body, token)
        (order,) = house.broker.working("LEAD")
        if refused:
            assert answer["failureReason"] == "TrailingStopNonOrderQtyModify"
            assert order.terms.qty == 1
        else:
            assert order.terms.qty == 3
            house.broker.move("ESZ6", Decimal(5200))  # it has kept what it had trailed
            assert order.status == "Filled"

    play(story)
