"""Positions, pairs and money."""

from datetime import datetime
from decimal import Decimal

import pytest

from daemon.simulator import Faults
from tests.simulator.desktop import make_broker, move, record, rows


def test_average_price_pairs_and_profit_first_in_first_out() -> None:
    broker = make_broker()
    move(broker, "5200")
    broker.place("LEAD", "Buy", "ESZ6", 1)
    move(broker, "5202")
    broker.place("LEAD", "Buy", "ESZ6", 1)
    (position,) = rows(broker, "position")
    assert (position["netPos"], position["netPrice"], position["bought"], position["boughtValue"]) == (
        2,
        5201,
        2,
        10402,
    )
    move(broker, "5203.5")
    broker.place("LEAD", "Sell", "ESZ6", 1)
    (pair,) = rows(broker, "fillPair")
    assert (pair["qty"], pair["buyPrice"], pair["sellPrice"]) == (1, 5200, 5203.5)
    (balance,) = rows(broker, "cashBalance", accountId=broker.account_ids["LEAD"])
    assert (balance["amount"], balance["realizedPnL"]) == (50_175, 175)
    assert broker.balance(broker.account_ids["LEAD"])["openPnL"] == 75


def test_a_flip_through_zero_opens_the_rest_and_flat_has_no_price() -> None:
    broker = make_broker()
    broker.place("LEAD", "Buy", "ESZ6", 2)
    broker.place("LEAD", "Sell", "ESZ6", 5)
    (position,) = rows(broker, "position")
    assert (position["netPos"], position["netPrice"]) == (-3, 5200)
    broker.flatten("LEAD", "ESZ6")
    assert position["netPos"] == 0
    assert "netPrice" not in position
    assert broker.positions("LEAD") == {}


def test_a_flat_position_stays_as_an_entity_and_is_updated_not_created_again() -> None:
    broker = make_broker()
    changes = record(broker)
    broker.place("LEAD", "Buy", "ESZ6", 1)
    broker.place("LEAD", "Sell", "ESZ6", 1)
    broker.place("LEAD", "Sell", "ESZ6", 1)
    assert [change.event for change in changes if change.kind == "position"] == ["Created", "Updated", "Updated"]
    assert len(rows(broker, "position")) == 1


def test_busting_a_fill_moves_the_position_back() -> None:
    broker = make_broker(Faults(fill_size=1))
    broker.place("LEAD", "Buy", "ESZ6", 3)
    first = rows(broker, "fill")[0]
    broker.bust(first["id"])
    assert broker.position("LEAD", "ESZ6") == 2
    assert first["active"] is False
    (report,) = rows(broker, "executionReport", execType="TradeCancel")
    assert report["execRefId"] == str(rows(broker, "executionReport", execType="Trade")[0]["id"])
    broker.bust(first["id"])
    broker.bust(12345)
    assert broker.position("LEAD", "ESZ6") == 2


def test_what_is_open_after_a_bust_is_of_the_fills_that_stand() -> None:
    broker = make_broker()
    for action, qty in (("Buy", 2), ("Buy", 3), ("Sell", 1)):
        broker.place("LEAD", action, "ESZ6", qty)
    first, second, _ = rows(broker, "fill")
    broker.bust(first["id"])
    broker.place("LEAD", "Sell", "ESZ6", 3)
    assert broker.position("LEAD", "ESZ6") == -1
    assert [(pair["buyFillId"], pair["qty"]) for pair in rows(broker, "fillPair")] == [
        (first["id"], 1),
        (second["id"], 2),
    ]


def test_a_bust_of_what_opened_a_position_that_is_closed() -> None:
    broker = make_broker()
    broker.place("LEAD", "Buy", "ESZ6", 2)
    broker.place("LEAD", "Sell", "ESZ6", 2)
    entry, exit_ = rows(broker, "fill")
    broker.bust(entry["id"])
    assert broker.position("LEAD", "ESZ6") == -2
    broker.place("LEAD", "Buy", "ESZ6", 2)
    assert rows(broker, "fillPair")[-1]["sellFillId"] == exit_["id"]


def test_a_bust_after_the_turn_of_the_session_finds_what_the_lists_hold_no_more() -> None:
    broker = make_broker()
    broker.place("LEAD", "Buy", "ESZ6", 3)
    broker.close_session()
    broker.place("LEAD", "Buy", "ESZ6", 1)
    broker.bust(rows(broker, "fill")[-1]["id"])
    broker.place("LEAD", "Sell", "ESZ6", 3)
    assert broker.position("LEAD", "ESZ6") == 0
    assert rows(broker, "fillPair")[-1]["buyFillId"] > 0


def test_correcting_a_fill() -> None:
    broker = make_broker()
    broker.place("LEAD", "Buy", "ESZ6", 3)
    (fill,) = rows(broker, "fill")
    broker.correct(fill["id"], price=broker.exchange.last["ESZ6"] + 1)
    assert (fill["price"], fill["qty"], broker.position("LEAD", "ESZ6")) == (5201, 3, 3)
    broker.correct(fill["id"], qty=2)
    assert (fill["price"], fill["qty"], broker.position("LEAD", "ESZ6")) == (5201, 2, 2)
    reports = rows(broker, "executionReport", execType="TradeCorrect")
    assert [(one["lastQty"], one["lastPx"]) for one in reports] == [(3, 5201), (2, 5201)]
    broker.correct(12345)
    broker.bust(fill["id"])
    broker.correct(fill["id"], qty=9)
    assert broker.position("LEAD", "ESZ6") == 0


@pytest.mark.parametrize("quiet", [False, True])
def test_the_turn_of_the_session_begins_what_is_realized_anew_and_may_say_so(quiet: bool) -> None:
    broker = make_broker(Faults(quiet_turn=quiet))
    broker.settle("LEAD", Decimal("-250.5"))
    (balance,) = rows(broker, "cashBalance", accountId=broker.account_ids["LEAD"])
    assert (balance["amount"], balance["realizedPnL"], balance["weekRealizedPnL"]) == (49_749.5, -250.5, -250.5)
    broker.close_session()
    assert balance["realizedPnL"] == (-250.5 if quiet else 0)
    assert broker.balance(broker.account_ids["LEAD"])["realizedPnL"] == 0
    broker.settle("LEAD", Decimal(100))
    assert (balance["amount"], balance["realizedPnL"], balance["weekRealizedPnL"]) == (49_849.5, 100, -150.5)


def test_a_contract_can_be_taken_off_the_list_or_given_an_end() -> None:
    broker = make_broker()
    broker.expires("ESZ6", datetime.fromisoformat("2026-11-20T21:00:00+00:00"))
    (maturity,) = rows(broker, "contractMaturity", id=broker.listings["ESZ6"].maturity_id)
    assert maturity["expirationDate"] == "2026-11-20T21:00:00.000Z"
    broker.delist("ESZ6")
    assert rows(broker, "contract", name="ESZ6") == []
    assert "ESZ6" not in broker.listings
