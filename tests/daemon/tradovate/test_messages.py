"""Order requests, and above all what their answers may and may not be taken for."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.tradovate.messages import (
    Accepted,
    Answer,
    Doubtful,
    Held,
    Penalty,
    Refused,
    answer,
    cancel,
    modify,
    place,
    place_oco,
    place_oso,
    text_of,
)
from statecharts.effects import CancelOrder, Leg, ModifyOrder, PlaceOco, PlaceOrder, PlaceOso, Priority
from statecharts.values import BrokerAccountId, CopyId, OrderId, OrderType, Side, Symbol, Terms, TimeInForce

ACCOUNT = BrokerAccountId(900111)
NAME = "cpd-" + "a" * 32
PLACE = PlaceOrder(
    copy=CopyId(NAME),
    client_id=NAME,
    account=ACCOUNT,
    priority=Priority.ENTRY,
    symbol=Symbol("MESM6"),
    side=Side.BUY,
    terms=Terms(2, OrderType.MARKET),
)


def test_a_market_order() -> None:
    endpoint, body = place(PLACE, "DEMO40125")
    assert endpoint == "order/placeorder"
    assert body == {
        "accountSpec": "DEMO40125",
        "accountId": 900111,
        "clOrdId": NAME,
        "customTag50": NAME,
        "text": NAME,
        "action": "Buy",
        "symbol": "MESM6",
        "orderQty": 2,
        "orderType": "Market",
        "timeInForce": "Day",
        "isAutomated": True,
    }
    assert len(NAME) <= 50


def test_a_stop_goes_out_with_a_stop_price_wherever_its_price_was() -> None:
    for terms in (
        Terms(1, OrderType.STOP, price=Decimal("5195.25")),
        Terms(1, OrderType.STOP, stop_price=Decimal("5195.25")),
    ):
        body = place(attrs.evolve(PLACE, terms=terms), "X")[1]
        assert body["stopPrice"] == Decimal("5195.25")
        assert "price" not in body


TARGET = Leg(
    copy=CopyId("cpd-t"),
    client_id="cpd-t",
    side=Side.SELL,
    terms=Terms(9, OrderType.LIMIT, Decimal("5210.25"), time_in_force=TimeInForce.GTC),
)
STOP = Leg(
    copy=CopyId("cpd-s"),
    client_id="cpd-s",
    side=Side.SELL,
    terms=Terms(9, OrderType.STOP, stop_price=Decimal("5195.25")),
)
TARGET_BODY = {
    "action": "Sell",
    "clOrdId": "cpd-t",
    "text": "cpd-t",
    "orderType": "Limit",
    "price": Decimal("5210.25"),
    "timeInForce": "GTC",
}
STOP_BODY = {
    "action": "Sell",
    "clOrdId": "cpd-s",
    "text": "cpd-s",
    "orderType": "Stop",
    "stopPrice": Decimal("5195.25"),
    "timeInForce": "Day",
}
_BASE: dict[str, Any] = {
    "copy": PLACE.copy,
    "client_id": NAME,
    "account": ACCOUNT,
    "priority": Priority.ENTRY,
    "symbol": PLACE.symbol,
}


def test_an_oco_is_an_order_and_another_without_a_size_of_its_own() -> None:
    effect = PlaceOco(**_BASE, side=Side.SELL, terms=attrs.evolve(STOP.terms, quantity=2), other=TARGET)
    endpoint, body = place_oco(effect, "DEMO40125")
    alone = place(PlaceOrder(**_BASE, side=Side.SELL, terms=effect.terms), "DEMO40125")[1]
    assert endpoint == "order/placeoco"
    assert body == {**alone, "other": TARGET_BODY}
    assert body["orderQty"] == 2


def test_an_oso_is_an_order_with_one_or_two_brackets() -> None:
    alone = place(PLACE, "DEMO40125")[1]
    effect = PlaceOso(**_BASE, side=Side.BUY, terms=PLACE.terms, brackets=(TARGET, STOP))
    assert place_oso(effect, "DEMO40125") == (
        "order/placeoso",
        {**alone, "bracket1": TARGET_BODY, "bracket2": STOP_BODY},
    )
    effect = attrs.evolve(effect, brackets=(STOP,))
    assert place_oso(effect, "DEMO40125") == ("order/placeoso", {**alone, "bracket1": STOP_BODY})


@pytest.mark.parametrize(
    ("data", "legs"),
    [
        ({"orderId": 7}, ()),
        ({"orderId": 7, "ocoId": 8}, (8,)),
        ({"orderId": 7, "ocoId": None}, (None,)),
        ({"orderId": 7, "oso1Id": 8, "oso2Id": "9"}, (8, 9)),
        ({"orderId": 7, "oso1Id": 8}, (8, None)),
        ({"orderId": 7, "oso2Id": 9}, (None, 9)),
    ],
)
def test_an_answer_names_the_legs_in_the_order_of_the_request(
    data: dict[str, object], legs: tuple[int | None, ...]
) -> None:
    assert answer(200, data) == Accepted(order_id=7, legs=legs)


def test_every_field_of_the_terms() -> None:
    until = datetime(2026, 3, 6, 21, 0, tzinfo=UTC)
    terms = Terms(
        3,
        OrderType.TRAILING_STOP_LIMIT,
        Decimal("1.5"),
        Decimal("2.5"),
        Decimal("0.25"),
        TimeInForce.GTD,
        until,
    )
    change = ModifyOrder(
        copy=CopyId(NAME),
        client_id="cpd-m",
        account=ACCOUNT,
        priority=Priority.MODIFY,
        order_id=OrderId(3556122300),
        terms=terms,
    )
    assert modify(change) == (
        "order/modifyorder",
        {
            "orderId": 3556122300,
            "clOrdId": "cpd-m",
            "customTag50": "cpd-m",
            "text": "cpd-m",
            "orderQty": 3,
            "orderType": "TrailingStopLimit",
            "price": Decimal("1.5"),
            "stopPrice": Decimal("2.5"),
            "pegDifference": Decimal("0.25"),
            "timeInForce": "GTD",
            "expireTime": "2026-03-06T21:00:00.000Z",
            "isAutomated": True,
        },
    )


def test_a_cancel() -> None:
    effect = CancelOrder(
        copy=CopyId(NAME), client_id="cpd-x", account=ACCOUNT, priority=Priority.CANCEL, order_id=OrderId(7)
    )
    assert cancel(effect) == (
        "order/cancelorder",
        {"orderId": 7, "clOrdId": "cpd-x", "customTag50": "cpd-x", "isAutomated": True},
    )


DENIED = "Access is denied"


@pytest.mark.parametrize(
    ("status", "data", "expected"),
    [
        (200, {"orderId": 3556122300}, Accepted(order_id=3556122300)),
        (200, {"orderId": "7", "failureReason": "Success"}, Accepted(order_id=7)),
        (200, {"commandId": 9}, Accepted(command_id=9)),
        # definite
        (
            200,
            {"failureReason": "MaxOrderQtyLimitReached", "failureText": "no"},
            Refused("MaxOrderQtyLimitReached", "no"),
        ),
        (200, {"failureReason": "TooLate"}, Refused("TooLate")),
        (200, {"failureReason": "AnotherCommandPending"}, Refused("AnotherCommandPending")),
        (200, {"failureReason": "UnknownReason", "failureText": DENIED}, Refused("UnknownReason", DENIED)),
        (200, {"errorText": "account is not found"}, Refused("ErrorText", "account is not found")),
        (200, {"ok": False, "errorText": "no"}, Refused("ErrorText", "no")),
        (
            200,
            {"violations": [{"constraint": "accountId", "value": "0", "description": "bad"}, "odd", 3]},
            Refused("Violations", "accountId: bad; odd"),
        ),
        (401, DENIED, Refused("AccessDenied", DENIED)),
        (401, '"Access is denied"', Refused("AccessDenied", DENIED)),
        (401, {"error": "Token expired", "message": "renew"}, Refused("AccessDenied", "renew")),
        (401, None, Refused("AccessDenied")),
        (403, "", Refused("AccessDenied")),
        (404, '"Not found: order/placeordre"', Refused("NotFound", "Not found: order/placeordre")),
        (400, "Invalid or missed parameters", Refused("BadRequest", "Invalid or missed parameters")),
        # not handled
        (200, {"p-ticket": "t", "p-time": 15}, Penalty("t", 15)),
        (200, {"p-ticket": "t", "p-time": "4.2"}, Penalty("t", 5)),
        (200, {"p-ticket": "t", "p-time": 3600, "p-captcha": True, "p-message": "x"}, Penalty("t", 3600, captcha=True)),
        (200, {"p-ticket": "t"}, Penalty("t", 60)),
        (200, {"p-ticket": "t", "p-time": -3, "p-captcha": True}, Penalty("t", 3600, captcha=True)),
        (429, None, Held(429)),
        (423, "", Held(423)),
        # nobody knows
        (200, {"failureReason": "UnknownReason"}, Doubtful("UnknownReason")),
        (200, {"failureReason": "OtherExecutionRelated", "failureText": "x"}, Doubtful("OtherExecutionRelated: x")),
        (200, {"failureReason": "NeverHeardOf"}, Doubtful("NeverHeardOf")),
        (200, {"errorText": "The request timed out"}, Doubtful("The request timed out")),
        (200, {"errorText": "Internal error"}, Doubtful("Internal error")),
        (200, {"failureReason": "InvalidPrice", "orderId": 5}, Doubtful("InvalidPrice, and yet an id 5")),
        (200, {}, Doubtful("an answer without an id")),
        (200, {"orderId": 0}, Doubtful("an answer without an id")),
        (200, {"orderId": True}, Doubtful("an answer without an id")),
        (200, None, Doubtful("an answer without content")),
        (200, "orderId", Doubtful("an answer without content")),
        (200, [{"orderId": 5}], Doubtful("an answer without content")),
        (408, None, Doubtful("status 408")),
        (500, "oops", Doubtful("status 500 oops")),
        (503, {"message": "later"}, Doubtful("status 503 later")),
        (0, None, Doubtful("status 0")),
        (302, None, Doubtful("status 302")),
    ],
)
def test_answers(status: int, data: object, expected: Answer) -> None:
    assert answer(status, data) == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["orderId", "failureReason", "failureText", "errorText", "violations", "p-ticket", "p-time"]
            ),
            inner,
        )
    ),
)


@given(st.integers(), _JSON)
def test_answer_never_raises(status: int, data: object) -> None:
    answer(status, data)


@given(st.integers(500, 599) | st.just(408), _JSON.filter(lambda data: not isinstance(data, dict)))
def test_a_servers_error_is_never_a_definite_no(status: int, data: object) -> None:
    assert isinstance(answer(status, data), Doubtful)


def test_half_a_json_text_is_still_a_text() -> None:
    assert text_of('{"message": "no') == '{"message": "no'
    assert text_of('{"message": "no"}') == "no"
