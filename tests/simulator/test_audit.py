"""Everything that crosses the wire is what the published schemas say."""

from decimal import Decimal

from daemon.simulator import Broker, Faults, Trader, showcase
from tests.simulator.audit import DOCUMENT, Audit
from tests.simulator.client import House, get, login, play, post

READS = ("list", "item?id={id}", "items?ids={id}", "deps?masterid={id}", "ldeps?masterids={id}")


def test_the_audit_finds_flaws() -> None:
    audit = Audit()
    audit("event", "ws", "order", None, {"entity": {"id": 1, "accountId": 0, "action": "Hold", "timestamp": "today"}})
    text = "\n".join(audit.flaws)
    for part in ("accountId", "Hold", "'admin' is a required property", "'today' is not a 'date-time'"):
        assert part in text


def test_a_field_that_the_document_does_not_list_is_a_flaw() -> None:
    audit = Audit()
    audit("answer", "rest", "account/list", 200, [{"nickname": "Jane's"}])
    assert any("Account.nickname is not in the document" in flaw for flaw in audit.flaws)


def test_a_session_of_everything_is_valid() -> None:
    audit = Audit()

    async def story(house: House) -> None:
        server, broker = house.server, house.broker
        server.penalise("auth/accesstokenrequest", 1, captcha=True)
        assert "p-captcha" in await login(server)
        token = (await login(server, cid=8123, **{"p-ticket": "of-a-penalty"}))["accessToken"]
        await get(server, "auth/renewaccesstoken", token)
        server.faults = Faults(dedicated="https://demo-7.example.test")
        assert "apiHosts" in (await get(server, "auth/renewaccesstoken", token))[1]
        server.faults = Faults()
        await get(server, "auth/me", token)
        async with house.connect() as client:
            await client.synced(server)
            await Trader(broker, "LEAD", "ESZ6", showcase()).run()
            broker.reject_next("LEAD", "MaxPosLimitReached")
            broker.reject_next("LEAD", "SessionClosed", stage="exchange")
            broker.reject_next("LEAD", "Unauthorized", stage="answer")
            order = {
                "accountSpec": "LEAD",
                "accountId": broker.account_ids["LEAD"],
                "clOrdId": "cp-1",
                "customTag50": "cp-1",
                "text": "cp-1",
                "action": "Buy",
                "symbol": "MESZ6",
                "orderQty": 1,
                "orderType": "Market",
                "isAutomated": True,
            }
            for _ in range(5):
                assert (await client.ask("order/placeorder", order))["s"] == 200
            limit = {**order, "orderType": "Limit", "price": 5100.25, "timeInForce": "GTC"}
            order_id = (await client.ask("order/placeorder", limit))["d"]["orderId"]
            server.penalise("order/placeorder", 1, captcha=True)
            await client.ask("order/placeorder", {**limit, "p-ticket": "of-a-penalty"})
            for command in ("order/modifyorder", "order/cancelorder"):
                server.penalise(command, 1)
                body = {"orderId": order_id, "isAutomated": True, "p-ticket": "of-a-penalty"}
                terms = {"orderQty": 1, "orderType": "Market"} if command == "order/modifyorder" else {}
                await client.ask(command, {**body, **terms})
            change = {"orderId": order_id, "orderQty": 2, "orderType": "Limit", "price": 5101.5, "isAutomated": True}
            await client.ask("order/modifyorder", change)
            await client.ask("order/cancelorder", {"orderId": order_id, "isAutomated": True})
            leg = {"action": "Sell", "orderType": "Stop", "stopPrice": 5000.0, "clOrdId": "cp-sl"}
            target = {"action": "Sell", "orderType": "Limit", "price": 5400.0}
            families = {
                "order/placeoso": {**limit, "bracket1": leg, "bracket2": target},
                "order/placeoco": {**order, **target, "other": leg},
            }
            for command, family in families.items():
                server.penalise(command, 1)
                await client.ask(command, {**family, "p-ticket": "of-a-penalty"})
                await client.ask(command, family)
            contract_id = broker.listings["MESZ6"].contract_id
            close = {"accountId": broker.account_ids["LEAD"], "contractId": contract_id, "admin": False}
            await client.ask("order/liquidateposition", close)
            await client.ask("cashBalance/getcashbalancesnapshot", {"accountId": broker.account_ids["LEAD"]})
            broker.bust(client.entities("fill")[-1]["id"])
            broker.lock("LEAD")
            await client.ask("user/syncrequest", {"accounts": [broker.account_ids["LEAD"]]})
            await _read_all(house, token, broker)
            await house.settle()

    play(story, observer=audit)
    assert audit.flaws == []
    assert audit.reviewed.unused == [], "a deviation that nothing shows any more does not belong on the list"
    kinds = {key.removeprefix("event ") for key in audit.checked if key.startswith("event ")}
    assert kinds >= {"order", "orderVersion", "command", "commandReport", "executionReport", "fill", "fillPair"}
    assert kinds >= {"position", "cashBalance", "accountRiskStatus"}
    assert audit.checked["answer user/syncrequest"] == 2


async def _read_all(house: House, token: str, broker: Broker) -> None:
    """Every read of the document that the look-alike has, over REST."""
    kinds = ["order", "orderVersion", "command", "commandReport", "executionReport", "fill", "fillPair", "position"]
    for kind in [*kinds, "cashBalance", "account", "accountRiskStatus", "contract", "contractMaturity", "product"]:
        some = next(iter(broker.entities.rows(kind))).entity["id"]
        for read in READS:
            name = f"{kind}/{read.partition('?')[0]}"
            if name in DOCUMENT["answers"]:
                status, _ = await get(house.server, f"{kind}/{read.format(id=some)}", token)
                assert status == 200, name
    for target in ("contract/find?name=ESZ6", "contract/suggest?t=MES&l=5", "product/find?name=MES", "user/list"):
        assert (await get(house.server, target, token))[0] == 200
    assert (await post(house.server, "account/find?name=LEAD", None, token))[1]["name"] == "LEAD"
    assert broker.position("LEAD", "ESZ6") == 0
    assert broker.exchange.last["ESZ6"] % Decimal("0.25") == 0
