"""The broker as a whole: who sees what, time, and sameness of runs."""

import json
from decimal import Decimal

import attrs
import pytest
import trio

from daemon.simulator import Faults, LoginSpec, Trader, showcase
from tests.simulator.client import House, play
from tests.simulator.desktop import make_broker, record, rows

TWENTY = tuple(f"EVAL{place}" for place in range(20))


def test_one_login_may_hold_twenty_accounts_and_two_logins_may_share_one() -> None:
    logins = {
        "apex": LoginSpec(username="jane", accounts=TWENTY, firm=True),
        "desk": LoginSpec(username="joe", accounts=("EVAL3",)),
    }
    broker = make_broker(logins=logins)
    assert len(broker.snapshot(broker.logins["apex"])["accounts"]) == 20
    assert [account["name"] for account in broker.snapshot(broker.logins["desk"])["accounts"]] == ["EVAL3"]
    owners = {account["userId"] for account in rows(broker, "account")}
    assert broker.logins["apex"].user_id not in owners  # a prop firm's accounts belong to the firm's user


def test_ids_are_one_sequence_above_32_bits() -> None:
    broker = make_broker()
    changes = record(broker)
    for _ in range(3):
        broker.place("LEAD", "Buy", "ESZ6", 1)
    created = [change.entity["id"] for change in changes if change.event == "Created" and change.kind != "command"]
    assert min(created) > 2**31
    assert len(set(created)) == len(created)


def test_a_snapshot_names_the_contracts_in_use_only() -> None:
    broker = make_broker()
    assert broker.snapshot(broker.logins["apex"])["contracts"] == []
    broker.place("LEAD", "Buy", "MESH7", 1)
    snapshot = broker.snapshot(broker.logins["apex"])
    assert [contract["name"] for contract in snapshot["contracts"]] == ["MESH7"]
    assert [product["name"] for product in snapshot["products"]] == ["MES"]
    assert len(snapshot["contractMaturities"]) == 1


def test_unknown_names_are_mistakes_of_the_test() -> None:
    broker = make_broker()
    with pytest.raises(KeyError):
        broker.place("NONE", "Buy", "ESZ6", 1)
    with pytest.raises(KeyError):
        broker.place("LEAD", "Buy", "ES", 1)


def test_delays_of_risk_and_fills() -> None:
    async def story(house: House) -> None:
        house.broker.place("LEAD", "Buy", "ESZ6", 2)
        seen: list[tuple[float, str, int]] = []
        for _ in range(8):
            (order,) = house.broker.orders("LEAD")
            seen.append((trio.current_time(), order.status, order.filled))
            await trio.sleep(0.5)
        assert [(status, filled) for _, status, filled in seen] == [
            ("PendingNew", 0),
            ("PendingNew", 0),
            ("Working", 0),
            ("Working", 0),
            ("Working", 1),
            ("Working", 1),
            ("Working", 1),
            ("Filled", 2),
        ]

    play(story, Faults(risk_delay=(0.9, 0.9), fill_delay=(0.9, 0.9), fill_gap=(0.6, 0.6), fill_size=1))


def test_good_till_date_ends_at_its_time() -> None:
    async def story(house: House) -> None:
        ticket = house.broker.ticket("LEAD", "Buy", "ESZ6", 1, "Limit", price=Decimal(5100), tif="GTD")
        expires = house.broker.now().replace(second=30)
        order = house.broker.desk.place(attrs.evolve(ticket, terms=attrs.evolve(ticket.terms, expires=expires)))
        await trio.sleep(29)
        assert order.status == "Working"
        await trio.sleep(2)
        assert order.status == "Expired"

    play(story)


def test_two_runs_with_the_same_dice_are_the_same() -> None:
    def run() -> str:
        told: list[str] = []

        async def story(house: House) -> None:
            house.broker.entities.listeners.append(lambda change: told.append(json.dumps(change.entity)))
            await Trader(house.broker, "LEAD", "ESZ6", showcase()).run()
            await trio.sleep(10)

        play(story, Faults(fill_delay=(0.1, 0.5), fill_size=1, fill_gap=(0.1, 0.5), risk_delay=(0.0, 0.2)))
        return "\n".join(told)

    assert run() == run()
