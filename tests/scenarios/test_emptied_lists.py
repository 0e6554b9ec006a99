"""The lists are those of a session: in the pause they are empty, and at the opening all that works is there again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import trio

from daemon.simulator.calls import Answer
from daemon.simulator.session import Session
from tests.scenarios import truth
from tests.scenarios.world import SYMBOL, World, config_of, run
from tests.statecharts.trading_hours import WEDNESDAY, chicago

CLOSES, OPENS = 300.0, 3900.0  # seconds after 15:55 in Chicago
EMPTIED = ("orders", "orderVersions", "commands", "commandReports", "executionReports", "fills", "fillPairs")
OF_ORDERS = ("ordStatus", "orderQty", "commandType", "finallyPaired")  # by which their rows are known


def emptied(answer: Answer) -> Answer:
    match answer.payload:
        case {"users": _}:
            return Answer(answer.status, {**answer.payload, **{name: [] for name in EMPTIED}})
        case [{**row}, *_] if any(name in row for name in OF_ORDERS):
            return Answer(answer.status, [])
        case {"ordStatus": _}:
            return Answer(404, "Not found: order/item")
    return answer


def test_what_works_through_the_pause_is_left_alone_although_a_reconnect_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours was looked up, taken for absent, and cancelled when it turned up at the opening: first of all the stop."""
    respond = Session._respond

    def of_the_session(session: Session, number: int, answer: Answer) -> None:
        closed = CLOSES <= trio.current_time() < OPENS
        respond(session, number, emptied(answer) if closed else answer)

    monkeypatch.setattr(Session, "_respond", of_the_session)

    async def story(world: World) -> None:
        async with world.daemon():
            await world.copying()
            ticket = world.broker.ticket
            world.broker.place_oso(
                ticket("LEAD", "Buy", SYMBOL, 2, "Market"),
                ticket("LEAD", "Sell", SYMBOL, 2, "Limit", price=Decimal(5260), tif="GTC"),
                ticket("LEAD", "Sell", SYMBOL, 2, "Stop", stop=Decimal(5150), tif="GTC"),
            )
            world.lead("Buy", 1, "Limit", price="5100", tif="GTC")
            await trio.sleep(3)
            ours = [one.order_id for one in world.ours("f1")]
            works = [one.order_id for one in world.broker.working("F1")]
            assert len(ours) == 4 and len(works) == 3
            await trio.sleep_until(CLOSES + 600)
            world.server.drop_sockets()
            await trio.sleep_until(OPENS + 300)
            assert [one.order_id for one in world.ours("f1")] == ours
            assert [one.order_id for one in world.broker.working("F1")] == works
            assert not world.said("position.unprotected") and not world.said("copy.failed")
            assert not world.said("account.quarantined")
            world.move("5149")
            await trio.sleep(3)
            assert world.positions("lead") == world.positions("f1") == {}
            truth.in_step(world)

    run(story, tmp_path, config_of(environment="hours = true"), begins=chicago(f"{WEDNESDAY} 15:55"))
