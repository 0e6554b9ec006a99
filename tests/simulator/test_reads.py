"""The reading endpoints."""

from daemon.simulator import Faults
from tests.simulator.client import House, get, login, play, post


def test_a_login_sees_its_own_accounts_only() -> None:
    async def story(house: House) -> None:
        house.broker.place("FUND", "Buy", "ESZ6", 1)
        house.broker.place("EVAL1", "Sell", "ESZ6", 1)
        token = (await login(house.server))["accessToken"]
        for kind in ("order", "fill", "command", "position", "executionReport", "commandReport", "orderVersion"):
            _, mine = await get(house.server, f"{kind}/list", token)
            assert mine, kind
            assert all(house.broker.account_ids["FUND"] != row.get("accountId") for row in mine)
        theirs = house.broker.orders("FUND")[0].order_id
        assert (await get(house.server, f"order/item?id={theirs}", token))[0] == 404
        assert [user["name"] for user in (await get(house.server, "user/list", token))[1]] == ["jane"]
        assert (await get(house.server, "account/find?name=FUND", token))[0] == 404

    play(story)


def test_the_walk_by_masters() -> None:
    async def story(house: House) -> None:
        order_id = house.broker.place("LEAD", "Buy", "ESZ6", 1, cl_ord_id="cp-1")
        token = (await login(house.server))["accessToken"]
        account_id = house.broker.account_ids["LEAD"]
        (order,) = (await get(house.server, f"order/ldeps?masterids={account_id},1", token))[1]
        assert order["id"] == order_id
        (command,) = (await get(house.server, f"command/deps?masterid={order_id}", token))[1]
        assert command["clOrdId"] == "cp-1"
        reports = (await get(house.server, f"commandReport/deps?masterid={command['id']}", token))[1]
        assert len(reports) == 2

    play(story)


def test_items_find_suggest_and_their_edges() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        ids = [str(listing.contract_id) for listing in house.broker.listings.values()]
        assert len((await get(house.server, f"contract/items?ids={','.join(ids[:10])}", token))[1]) == 10
        assert await get(house.server, f"contract/items?ids={','.join(ids[:11])}", token) == (404, None)
        assert [c["name"] for c in (await get(house.server, "contract/suggest?t=mes&l=1", token))[1]] == ["MESZ6"]
        assert (await get(house.server, "contract/list", token))[0] == 404
        assert (await get(house.server, "contract/find", token))[0] == 400
        assert (await get(house.server, "contract/item?id=x", token))[0] == 400
        assert (await get(house.server, "nothing/list", token)) == (404, "Not found: nothing/list")
        account_id, contract_id = house.broker.account_ids["LEAD"], ids[0]
        target = f"position/find?accountId={account_id}&contractId={contract_id}"
        assert (await get(house.server, target, token))[0] == 404
        house.broker.place("LEAD", "Buy", "ESZ6", 1)
        assert (await get(house.server, target, token))[1]["netPos"] == 1

    play(story)


def test_balance_and_me() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        account_id = house.broker.account_ids["LEAD"]
        _, balance = await post(house.server, "cashBalance/getcashbalancesnapshot", {"accountId": account_id}, token)
        assert balance["totalCashValue"] == 50_000
        _, balance = await post(house.server, "cashBalance/getcashbalancesnapshot", {"accountId": 5}, token)
        assert balance["errorText"] == "account is not found (ID:5)"
        assert (await get(house.server, "auth/me", token))[1]["name"] == "jane"

    play(story)


def test_reads_may_lag() -> None:
    async def story(house: House) -> None:
        token = (await login(house.server))["accessToken"]
        await house.settle(10)
        house.broker.place("LEAD", "Buy", "ESZ6", 1)
        await house.settle(2.9)
        assert (await get(house.server, "order/list", token))[1] == []
        await house.settle(0.2)
        assert len((await get(house.server, "order/list", token))[1]) == 1

    play(story, Faults(read_lag=3.0))


def test_lists_are_empty_after_the_session_has_closed() -> None:
    async def story(house: House) -> None:
        broker = house.broker
        token = (await login(house.server))["accessToken"]
        done = broker.place("LEAD", "Buy", "ESZ6", 1)
        broker.place("LEAD", "Buy", "ESZ6", 1, "Limit", price=broker.exchange.last["ESZ6"] - 10)
        kept = broker.place("LEAD", "Buy", "ESZ6", 1, "Limit", price=broker.exchange.last["ESZ6"] - 10, tif="GTC")
        house.server.close_session()
        assert [order["id"] for order in (await get(house.server, "order/list", token))[1]] == [kept]
        assert (await get(house.server, "fill/list", token))[1] == []
        assert len((await get(house.server, "commandReport/list", token))[1]) == 2
        assert (await get(house.server, f"order/item?id={done}", token))[0] == 404
        assert len((await get(house.server, "position/list", token))[1]) == 1
        assert [order.status for order in broker.orders("LEAD")] == ["Filled", "Expired", "Working"]

    play(story)


def test_a_cancel_that_is_under_way_when_the_session_closes_is_still_answered() -> None:
    async def story(house: House) -> None:
        broker = house.broker
        token = (await login(house.server))["accessToken"]
        order_id = broker.place("LEAD", "Buy", "ESZ6", 1, "Limit", price=broker.exchange.last["ESZ6"] - 10)
        assert (await post(house.server, "order/cancelorder", {"orderId": order_id}, token))[0] == 200
        house.server.close_session()
        await house.settle(3)
        (_, cancel) = (await get(house.server, f"command/deps?masterid={order_id}", token))[1]
        assert cancel["commandStatus"] == "ExecutionRejected", "the order had expired meanwhile"
        house.server.close_session()
        assert (await get(house.server, "order/list", token))[1] == []

    play(story, Faults(cancel_delay=(2.0, 2.0)))
