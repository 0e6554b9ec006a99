"""One-shot acts against the clients."""

import json

import pytest
import trio
from trio_websocket import ConnectionRejected

from tests.simulator.client import House, get, login, play


def test_sockets_are_dropped_by_login() -> None:
    async def story(house: House) -> None:
        async with house.connect() as jane, house.connect() as joe:
            await jane.synced(house.server)
            await joe.synced(house.server, "joe", "hidden")
            assert (len(house.server.live_sockets()), len(house.server.live_sockets("apex"))) == (2, 1)
            house.server.drop_sockets("apex")
            await house.settle()
            assert jane.is_closed()
            assert not joe.is_closed()
            house.server.drop_sockets("fund", code=1012, reason="restart")
            await house.settle()
            assert joe.socket.closed is not None
            assert joe.socket.closed.code == 1012
            assert house.server.live_sockets() == []
            assert house.server.sockets_opened == 2

    play(story)


def test_go_away_and_shutdown_are_heard_before_the_close() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            house.server.go_away("apex")
            await house.settle()
            assert client.frames[-1] == 'c[3000,"Go away!"]'
            assert client.is_closed()
        for code in ("Maintenance", "ConnectionQuotaReached", "IPQuotaReached"):
            async with house.connect() as client:
                house.server.shut_down(reason_code=code, reason="because")
                await house.settle()
                assert client.heard[-1] == {"e": "shutdown", "d": {"reasonCode": code, "reason": "because"}}
                assert client.is_closed()

    play(story)


def test_half_open_says_nothing_and_closes_nothing() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            house.server.half_open("apex")
            count = len(client.frames)
            house.broker.place("LEAD", "Buy", "ESZ6", 1)
            await client.send("account/list\n9")
            await trio.sleep(300)
            assert len(client.frames) == count
            assert not client.is_closed()
            client.beating = False
        await house.settle()
        assert house.server.live_sockets() == []

    play(story)


def test_odd_frames_and_huge_ones() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            house.server.send_frame("a[{", "apex")
            house.server.send_huge("apex", 900_000)
            await house.settle()
            assert client.heard[-2] == {"malformed": "a[{"}
            assert len(json.dumps(client.heard[-1])) > 900_000

    play(story)


def test_a_replay_pushes_the_day_again() -> None:
    async def story(house: House) -> None:
        house.broker.place("LEAD", "Buy", "ESZ6", 1)
        house.broker.place("FUND", "Buy", "ESZ6", 1)
        async with house.connect() as client:
            snapshot = await client.synced(house.server)
            assert client.events() == []
            house.server.replay("apex")
            await house.settle()
            assert client.entities("fill") == snapshot["fills"]
            assert client.entities("order") == snapshot["orders"]

    play(story)


def test_down_and_up_again() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        async with house.connect() as client:
            await client.synced(house.server)
            house.server.go_down(shutdown=True)
            await house.settle()
            assert client.heard[-1]["d"]["reasonCode"] == "Maintenance"
            assert client.is_closed()
        assert (await get(house.server, "account/list", token))[0] == 503
        with pytest.raises(ConnectionRejected):
            async with house.connect():
                pass
        house.server.come_up()
        assert (await get(house.server, "account/list", token))[0] == 200
        async with house.connect() as client:
            house.server.go_down()
            await house.settle()
            assert client.is_closed()

    play(story)
