"""What comes between a request and its answer."""

import pytest
import trio

from daemon.simulator import Faults, Severed
from tests.simulator.client import House, get, login, play, post

ORDER = {"accountSpec": "LEAD", "action": "Buy", "symbol": "ESZ6", "orderQty": 1, "orderType": "Market"}


async def place(house: House, token: str, limit: float = 5.0) -> tuple[int, object] | None:
    """The answer, or None when there was none in time."""
    with trio.move_on_after(limit):
        return await post(house.server, "order/placeorder", ORDER, token)
    return None


def test_lost_requests_and_lost_answers_over_rest() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        house.server.lose_request()
        assert await place(house, token) is None
        assert house.broker.accepted == []
        house.server.accept_and_lose_answer()
        assert await place(house, token) is None
        assert len(house.broker.accepted) == 1
        house.server.accept_then_fail(502)
        assert await place(house, token) == (502, None)
        assert len(house.broker.accepted) == 2
        house.server.accept_then_cut()
        with pytest.raises(Severed):
            await place(house, token)
        assert len(house.broker.accepted) == 3
        assert await place(house, token) is not None

    play(story)


def test_an_order_accepted_late_is_accepted_although_the_caller_has_gone() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        house.server.accept_late(20)
        assert await place(house, token) is None
        assert house.broker.accepted == []
        await trio.sleep(16)
        assert [accepted.account for accepted in house.broker.accepted] == ["LEAD"]

    play(story)


def test_lost_on_the_socket() -> None:
    async def story(house: House) -> None:
        async with house.connect() as client:
            await client.synced(house.server)
            house.server.lose_request()
            house.server.accept_and_lose_answer()
            house.server.spare()
            house.server.accept_late(8)
            for request_id in (11, 12, 13, 14):
                await client.send(f"order/placeorder\n{request_id}\n\n{client_order()}")
            await house.settle()
            assert [message["i"] for message in client.heard if "i" in message] == [1, 2, 13]
            assert len(house.broker.accepted) == 2
            assert len(client.events("fill")) == 2  # the events tell of the order whose answer was lost
            await client.answer(14)
            assert len(house.broker.accepted) == 3
            house.server.accept_then_cut()
            await client.send(f"order/placeorder\n15\n\n{client_order()}")
            await house.settle()
            assert client.is_closed()
            assert len(house.broker.accepted) == 4

    play(story)


def client_order() -> str:
    return '{"accountSpec":"LEAD","action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market"}'


def test_a_fate_may_be_for_one_endpoint_only() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        house.server.accept_and_lose_answer(endpoint="command/List")
        assert await place(house, token) is not None
        with trio.move_on_after(5) as patience:
            await get(house.server, "command/list", token)
        assert patience.cancelled_caught
        assert (await get(house.server, "command/list", token))[0] == 200

    play(story)


def test_dice_decide_when_told_to() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        answered = [await place(house, token) for _ in range(40)]
        lost = sum(answer is None for answer in answered)
        failed = sum(answer == (500, None) for answer in answered)
        assert 0 < lost < 40
        assert 0 < failed < 40
        assert 0 < len(house.broker.accepted) < 40

    play(story, Faults(request_lost=0.2, answer_lost=0.2, error_after=0.3, late=0.2, late_delay=(0.5, 1)))


def test_an_order_that_was_put_off_is_to_come_again_as_it_was() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        house.server.penalise("order/placeorder", seconds=5)
        _, answer = await post(house.server, "order/placeorder", ORDER, token)
        ticket = {"p-ticket": answer["p-ticket"]}
        await trio.sleep(6)
        status, _ = await post(house.server, "order/placeorder", {**ORDER, "orderQty": 9, **ticket}, token)
        assert status == 400
        _, answer = await post(house.server, "order/placeorder", {**ORDER, **ticket}, token)
        assert answer["orderId"]

    play(story)


def test_a_penalty_is_not_handled_until_its_ticket_comes_back_in_time() -> None:
    async def story(house: House) -> None:
        credentials = {"name": "jane", "password": "secret"}
        house.server.penalise(seconds=15)
        _, answer = await post(house.server, "auth/accesstokenrequest", credentials)
        assert set(answer) == {"p-ticket", "p-time"}
        ticket = {"p-ticket": answer["p-ticket"]}
        await trio.sleep(5)
        _, again = await post(house.server, "auth/accesstokenrequest", {**credentials, **ticket})
        assert again["p-ticket"] == answer["p-ticket"]
        await trio.sleep(10)
        _, answer = await post(house.server, "auth/accesstokenrequest", {**credentials, **ticket})
        assert answer["accessToken"]
        house.server.penalise("order/placeOrder", seconds=3600, captcha=True)
        _, answer = await post(house.server, "order/placeorder", ORDER, answer["accessToken"])
        assert answer["p-captcha"] is True
        assert house.broker.accepted == []

    play(story)


def test_limits() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        for _ in range(3):
            assert (await get(house.server, "account/list", token))[0] == 200
        assert await get(house.server, "account/list", token) == (429, None)
        await trio.sleep(61)
        assert (await get(house.server, "account/list", token))[0] == 200
        house.server.throttle("apex", 60, status=423)
        assert (await get(house.server, "account/list", token))[0] == 423
        async with house.connect() as client:
            await client.ask("authorize", token)
            assert await client.ask("account/list") == {"s": 423, "i": 2}
        await trio.sleep(60)
        assert (await get(house.server, "account/list", token))[0] == 200

    play(story, Faults(requests_per_minute=3))


def test_reads_may_be_lost_too() -> None:
    async def story(house: House) -> None:
        house.server.faults = Faults()
        token = (await login(house.server))["accessToken"]
        house.server.faults = Faults(read_lost=1.0)
        with trio.move_on_after(5) as patience:
            await get(house.server, "order/list", token)
        assert patience.cancelled_caught

    play(story)
