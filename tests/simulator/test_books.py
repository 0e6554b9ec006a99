"""Positions, pairs and money."""

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


def test_correcting_a_fill() -> None:
    broker = make_broker()
    broker.place("LEAD", "Buy", "ESZ6", 1)
    (fill,) = rows(broker, "fill")
    broker.correct(fill["id"], broker.exchange.last["ESZ6"] + 1)
    assert fill["price"] == 5201
    assert rows(broker, "executionReport", execType="TradeCorrect")[0]["lastPx"] == 5201
