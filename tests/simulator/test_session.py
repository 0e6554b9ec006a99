"""The WebSocket session, frame by frame."""

import attrs
import pytest
import trio
from trio_websocket import ConnectionRejected

from tests.simulator.client import House, login, play

ORDER = {"accountSpec": "LEAD", "action": "Buy", "symbol": "ESZ6", "orderQty": 2, "orderType": "Market"}


def test_open_frame_authorize_and_snapshot() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            snapshot = await client.synced(house.server)
            assert client.frames[0] == "o"
            assert client.frames[1] == 'a[{"s":200,"i":1}]'
            assert [account["name"] for account in snapshot["accounts"]] == ["LEAD", "EVAL1", "EVAL2"]
            assert [user["name"] for user in snapshot["users"]] == ["jane"]
            assert snapshot["orders"] == []
            assert house.server.syncs["apex"] == 1

    play(story)


def test_market_order_answer_comes_before_its_events() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            answer = await client.ask("order/placeorder", ORDER)
            order_id = answer["d"]["orderId"]
            await house.settle()
            place = client.heard.index(answer)
            assert client.heard[place + 1]["d"]["entityType"] == "order"
            assert client.entities("order")[-1]["ordStatus"] == "Filled"
            assert client.entities("position")[-1]["netPos"] == 2
            assert client.entities("command")[0]["id"] == order_id
            assert house.broker.positions("LEAD") == {"ESZ6": 2}

    play(story)


def test_silent_client_is_closed_and_beating_client_is_not() -> None:
    async def story(house: House) -> None:
        async with house.connect(beating=False) as client:
            await trio.sleep(14.9)
            assert not client.is_closed()
            assert client.frames.count("h") == 5
            await trio.sleep(0.2)
            assert client.is_closed()
        async with house.connect() as client:
            await trio.sleep(120)
            assert not client.is_closed()

    play(story)


def test_requests_before_authorize_and_bad_tokens_are_401() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            assert await client.ask("account/list") == {"s": 401, "i": 1, "d": "Access is denied"}
            assert await client.ask("authorize", "nonsense") == {"s": 401, "i": 2, "d": "Invalid access token"}
            token = (await login(house.server))["accessToken"]
            assert await client.ask("authorize", f'"{token}"') == {"s": 200, "i": 3}

    play(story)


def test_unknown_endpoint_is_404_quoted_twice_and_endpoints_ignore_case() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            answer = await client.ask("quote/subscribe")
            assert answer == {"s": 404, "i": 3, "d": '"Not found: quote/subscribe"'}
            answer = await client.ask("Contract/Find", "undefined", query="name=ESZ6")
            assert answer["d"]["name"] == "ESZ6"
            await client.send("account/list\n77")
            assert len((await client.answer(77))["d"]) == 3

    play(story)


def test_handshake_can_be_refused() -> None:
    async def story(house: House) -> None:
        house.server.faults = attrs.evolve(house.server.faults, handshake_status=429)
        with pytest.raises(ConnectionRejected):
            async with house.connect():
                pass
        assert house.server.handshakes_refused == 1

    play(story)
