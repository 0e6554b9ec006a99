"""The WebSocket session, frame by frame."""

import attrs
import pytest
import trio
from trio_websocket import ConnectionRejected

from daemon.simulator import Faults
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


def test_pipelined_requests_are_answered_in_order() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        async with house.connect() as client:
            await client.send(f"authorize\n0\n\n{token}")
            await client.send("user/syncrequest\n1\n\n{}")
            for request_id in range(2, 12):
                await client.send(f"account/list\n{request_id}\n\n")
            await client.answer(11)
            assert [message["i"] for message in client.heard] == list(range(12))

    play(story)


def test_answers_out_of_order() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            for request_id in range(10, 30):
                await client.send(f"account/list\n{request_id}\n\n")
            await trio.sleep(1.1)
            answered = [message["i"] for message in client.heard if message.get("i", 0) >= 10]
            assert answered != sorted(answered)
            assert sorted(answered) == list(range(10, 30))

    play(story, Faults(answer_delay=(0.0, 1.0)))


def test_malformed_requests() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            await client.send("order/placeorder\n7\n\n{")
            assert (await client.answer(7))["s"] == 400
            await client.send("order/placeorder\nseven\n\n{}")
            assert (await client.ask("order/placeorder", "[1]"))["s"] == 401
            assert (await client.ask("auth/accesstokenrequest", {"name": "jane"}))["s"] == 404
            assert (await client.ask("user/syncrequest", {"users": [1]}))["s"] == 401
            assert (await client.ask("auth/renewaccesstoken"))["d"]["accessToken"]

    play(story)


def test_nothing_is_pushed_before_the_subscription() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            token = (await login(house.server))["accessToken"]
            house.broker.place("LEAD", "Buy", "ESZ6", 1)
            await client.ask("authorize", token)
            house.broker.place("LEAD", "Buy", "ESZ6", 1)
            await house.settle()
            assert len(client.heard) == 1
            account_id = house.broker.account_ids["EVAL1"]
            snapshot = (await client.ask("user/syncrequest", {"accounts": [account_id]}))["d"]
            assert [account["id"] for account in snapshot["accounts"]] == [account_id]
            house.broker.place("LEAD", "Buy", "ESZ6", 1)
            house.broker.place("FUND", "Buy", "ESZ6", 1)
            house.broker.place("EVAL1", "Buy", "ESZ6", 1)
            await house.settle()
            assert {order["accountId"] for order in client.entities("order")} == {account_id}

    play(story)


def test_events_may_overtake_their_answer() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            answer = await client.ask("order/placeorder", ORDER)
            assert client.heard.index(answer) == len(client.heard) - 1
            assert client.entities("order")[-1]["ordStatus"] == "Filled"

    play(story, Faults(events_first=True))


def test_events_within_a_window_change_places_and_none_is_lost() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            house.broker.place("LEAD", "Buy", "ESZ6", 1)
            await trio.sleep(3)
            kinds = [item["entityType"] for item in client.events()]
            assert len(kinds) == 13
            assert kinds[:3] != ["order", "orderVersion", "command"]

    play(story, Faults(props_delay=(0.0, 2.0)))


def test_each_message_in_its_own_frame() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            house.broker.place("LEAD", "Buy", "ESZ6", 1)
            await house.settle()
            assert len([frame for frame in client.frames if "props" in frame]) == 13

    play(story, Faults(one_message_per_frame=True))


def test_authorize_can_be_refused_late_and_silent() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        async with house.connect() as client:
            house.server.faults = Faults(authorize_status=429)
            assert (await client.ask("authorize", token))["s"] == 429
            house.server.faults = Faults(authorize_delay=20)
            before = trio.current_time()
            assert (await client.ask("authorize", token))["s"] == 200
            assert trio.current_time() - before == pytest.approx(20, abs=0.1)
        async with house.connect() as client:
            house.server.faults = Faults(authorize_silent=True)
            with pytest.raises(trio.TooSlowError):
                await client.ask("authorize", token)

    play(story)


def test_snapshots_can_be_refused_cut_empty_split_and_silent() -> None:
    async def story(house: House) -> None:
        house.broker.place("LEAD", "Buy", "ESZ6", 1)
        async with house.connect() as client:
            await client.synced(house.server)
            house.server.faults = Faults(sync_status=429)
            assert await client.ask("user/syncrequest", {}) == {"s": 429, "i": 3}
            house.server.faults = Faults(sync_empty=True)
            assert (await client.ask("user/syncrequest", {}))["d"]["orders"] == []
            house.server.faults = Faults(sync_bare=True)
            bare = (await client.ask("user/syncrequest", {}))["d"]
            assert len(bare.pop("users")) == 1 and "accounts" in bare and not any(bare.values())
            house.server.faults = Faults(sync_parts=3)
            assert len((await client.ask("user/syncrequest", {}))["d"]["orders"]) == 1
            assert "users" in (await client.ask("user/syncrequest", {"splitResponses": False}))["d"]
            await client.ask("user/syncrequest", {"splitResponses": True})
            await house.settle()
            parts = [message["d"] for message in client.heard if message.get("i") == client.next_id]
            assert len(parts) == 3
            assert len([part for part in parts if "users" in part]) == 1
            house.server.faults = Faults(sync_parts=2, sync_always_split=True)
            await client.ask("user/syncrequest", {})
            house.server.faults = Faults(sync_truncated=True)
            await client.send("user/syncrequest\n99\n\n{}")
            await house.settle()
            assert "malformed" in client.heard[-1]
            house.server.faults = Faults(sync_silent=True)
            with pytest.raises(trio.TooSlowError):
                await client.ask("user/syncrequest", {})

    play(story)


@pytest.mark.parametrize(("faults", "heard"), [(Faults(sync_delay=2.0), 13), (Faults(sync_gap=2.0), 0)])
def test_events_around_the_snapshot_overtake_it_or_are_lost(faults: Faults, heard: int) -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        async with house.connect() as client:
            await client.ask("authorize", token)
            await client.send("user/syncrequest\n2\n\n{}")
            await trio.sleep(1)
            house.broker.place("LEAD", "Buy", "ESZ6", 1)
            snapshot = (await client.answer(2))["d"]
            assert snapshot["orders"] == []
            assert len(client.events()) == heard

    play(story, faults)


def test_a_server_without_heartbeats() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await trio.sleep(60)
            assert client.frames == ["o"]

    play(story, Faults(heartbeats=False))


def test_accept_then_close_and_silent_handshakes() -> None:
    async def story(house: House) -> None:
        house.server.faults = Faults(accept_then_close=True)
        async with house.connect() as client:
            await house.settle()
            assert client.is_closed()
            assert client.frames == []
        house.server.faults = Faults(handshake_silent=True)
        with pytest.raises(BaseExceptionGroup) as caught:
            async with house.connect():
                pass
        assert caught.value.subgroup(trio.TooSlowError) is not None

    play(story)


def test_malformed_frames_between_good_ones() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            house.server.faults = Faults(malformed=1.0, duplicate_props=1.0)
            house.broker.place("LEAD", "Buy", "ESZ6", 1)
            await house.settle()
            assert len([message for message in client.heard if "malformed" in message]) == 1
            assert len(client.events("fill")) == 2

    play(story)
