"""The mirror: whatever the order of arrival, the same facts; and never a fact that nobody has said."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.tradovate.frames import Pushed
from daemon.tradovate.mirror import Mirror
from statecharts.events import OrderSeen, PositionSeen, RiskStatusSeen
from statecharts.values import (
    BrokerAccountId,
    Fill,
    FillId,
    Order,
    OrderId,
    OrderType,
    Side,
    Status,
    Symbol,
    Terms,
    VersionId,
)
from statecharts.view import RiskStatus
from tests.daemon.tradovate.wire import (
    ACCOUNT,
    AT,
    CONTRACT,
    NAME,
    NOW,
    ORDER,
    STAMP,
    command,
    execution,
    fill,
    order,
    position,
    props,
    sync,
    version,
)

MES = Symbol("MESM6")
LATER = "2026-12-01T00:00:00.000Z"


def loaded(**more: object) -> Mirror:
    mirror = Mirror()
    assert mirror.load(sync(**more), NOW) == []
    return mirror


def seen(mirror: Mirror, *pushes: Pushed) -> list[Order | tuple[Symbol, int]]:
    """What is told of the one account, orders as they are and positions as (symbol, net)."""
    told: list[Order | tuple[Symbol, int]] = []
    for pushed in pushes:
        facts, faults = mirror.fold(pushed, NOW)
        assert faults == ()
        for account, event in facts:
            assert (account, event.at) == (ACCOUNT, NOW)
            assert isinstance(event, OrderSeen | PositionSeen)
            told.append(event.order if isinstance(event, OrderSeen) else (event.symbol, event.net))
    return told


def the_order(mirror: Mirror, number: int = ORDER) -> Order:
    snapshot = mirror.snapshot(ACCOUNT, NOW)
    assert snapshot is not None
    return snapshot.orders[OrderId(number)]


# The snapshot


def test_before_a_sync_nothing_means_anything() -> None:
    mirror = Mirror()
    assert not mirror.loaded
    assert mirror.snapshot(ACCOUNT, NOW) is None
    assert mirror.account_id("DEMO40125") is None
    assert "positions" in mirror.absent


@pytest.mark.parametrize(
    "data",
    [
        None,
        "Access is denied",
        {},
        {"users": []},
        {"users": [{}]},
        {"users": None},
        {"errorText": "no"},
        {"p-ticket": "t", "p-time": 5},
        {"accounts": [{"id": ACCOUNT, "name": "DEMO40125"}], "positions": []},
    ],
)
def test_a_failed_or_truncated_sync_is_no_flat_account(data: object) -> None:
    mirror = Mirror()
    mirror.load(data, NOW)
    assert not mirror.loaded
    assert mirror.snapshot(ACCOUNT, NOW) is None


def test_a_sync_names_the_user_and_the_accounts() -> None:
    mirror = loaded(accounts=[{"id": 2, "name": "B"}, {"id": "1", "name": "A", "userId": 77}])
    assert mirror.loaded
    assert mirror.user_id == 40125
    assert mirror.account_names() == ("A", "B")
    assert mirror.account_id("A") == BrokerAccountId(1)
    assert mirror.account_id("a") is None
    assert mirror.snapshot(BrokerAccountId(3), NOW) is None
    assert mirror.absent == frozenset()


@pytest.mark.parametrize("ended", [{"active": False}, {"archived": True}, {"closed": True}], ids=str)
def test_of_two_accounts_of_one_name_the_one_that_has_not_ended_is_meant(ended: dict[str, bool]) -> None:
    """A firm that sets an account up anew may keep its name; orders to the old one would all be refused."""
    rows = [{"id": 1, "name": "A", **ended}, {"id": 2, "name": "A", "active": True}, {"id": 3, "name": "B", **ended}]
    for accounts in (rows, rows[::-1]):
        mirror = Mirror()
        mirror.load(sync(accounts=accounts), NOW)
        assert mirror.account_id("A") == BrokerAccountId(2)
        assert mirror.account_id("B") == BrokerAccountId(3), "what it may do the broker says"


def test_a_split_sync_is_one_sync() -> None:
    mirror = Mirror()
    whole = sync(orders=[order("Working")], orderVersions=[version()], positions=[position(2)])
    for name in reversed(list(whole)):
        mirror.load({name: whole[name]}, NOW)
    assert mirror.loaded
    assert mirror.snapshot(ACCOUNT, NOW) == loaded(**whole).snapshot(ACCOUNT, NOW)


def test_a_snapshot_holds_orders_and_positions_of_its_account_only() -> None:
    other = {"accountId": 900112}
    mirror = loaded(
        accounts=[{"id": ACCOUNT, "name": "A"}, {"id": 900112, "name": "B"}],
        orders=[order("Working"), {**order("Working", id=5), **other}],
        positions=[position(-3), {**position(1, id=2), **other}],
    )
    snapshot = mirror.snapshot(ACCOUNT, NOW)
    assert snapshot is not None
    assert set(snapshot.orders) == {ORDER}
    assert snapshot.positions == {MES: -3}
    assert snapshot.taken_at == NOW


def test_bad_rows_and_bad_collections_are_faults_and_spoil_nothing_else() -> None:
    mirror = Mirror()
    rows = [order("Working"), 7, {"id": 1}, order(id=9, action="Hold"), order("Odd", id=10)]
    faults = mirror.load(sync(orders=rows, fills="none", exchanges=[]), NOW)
    assert len(faults) == 5
    assert set(mirror.snapshot(ACCOUNT, NOW).orders) == {ORDER, 10}  # type: ignore[union-attr] # loaded above
    assert the_order(mirror, 10).status is Status.UNKNOWN
    assert mirror.ignored["collection exchanges"] == 1


def test_what_a_snapshot_shows_is_no_news_afterwards() -> None:
    mirror = loaded(orders=[order("Working")], orderVersions=[version()], positions=[position(2)])
    assert seen(mirror, props("order", order("Working"), "Updated"), props("position", position(2))) == []


def test_an_order_of_the_past_without_papers_is_shown_and_its_end_is_told() -> None:
    mirror = loaded(orders=[order("Working")])
    assert the_order(mirror).terms is None
    assert [one.status for one in seen(mirror, props("order", order("Canceled"))) if isinstance(one, Order)] == [
        Status.CANCELED
    ]


# Joining


def test_the_whole_view_of_an_order() -> None:
    mirror = loaded()
    told = seen(
        mirror,
        props("order", order(parentId=11, ocoId=12, admin=True)),
        props("command", command(customTag50="tag")),
        props("orderVersion", version(text="words")),
        props("fill", fill()),
        props("order", order("Filled", parentId=11, ocoId=12, admin=True), "Updated"),
        props("position", position(2)),
    )
    assert told[-1] == (MES, 2)
    assert told[-2] == Order(
        id=OrderId(ORDER),
        symbol=MES,
        side=Side.BUY,
        status=Status.FILLED,
        at=AT,
        terms=Terms(2, OrderType.MARKET),
        version=VersionId(ORDER),
        fills=(Fill(FillId(ORDER + 6), Side.BUY, 2, Decimal("5201.25"), AT),),
        client_ids=frozenset({NAME, "tag", "words"}),
        parent_id=OrderId(11),
        oco_id=OrderId(12),
        admin=True,
    )
    assert len(told) == 5
    assert mirror.order_named("tag") == ORDER
    assert mirror.order_named("other") is None


@pytest.mark.parametrize("paper", [props("command", command()), props("orderVersion", version())])
def test_an_order_is_held_until_it_can_be_attributed(paper: Pushed) -> None:
    mirror = loaded()
    assert seen(mirror, props("order", order()), props("fill", fill())) == []
    (told,) = seen(mirror, paper)
    assert isinstance(told, Order)
    assert told.client_ids == {NAME}


def test_papers_wait_for_their_order() -> None:
    mirror = loaded()
    assert seen(mirror, props("fill", fill()), props("orderVersion", version()), props("command", command())) == []
    (told,) = seen(mirror, props("order", order("Filled")))
    assert isinstance(told, Order)
    assert told.filled == 2


def test_an_order_waits_for_the_name_of_its_contract() -> None:
    mirror = loaded(contracts=[])
    pushes = (props("order", order()), props("command", command()), props("position", position(2)))
    assert seen(mirror, *pushes) == []
    assert mirror.missing_contracts() == {CONTRACT}
    snapshot = mirror.snapshot(ACCOUNT, NOW)
    assert snapshot is not None
    assert (snapshot.orders, snapshot.positions) == ({}, {})
    facts, faults = mirror.learn("contract", {"id": CONTRACT, "name": "MESM6"}, NOW)
    assert [type(event) for _, event in facts] == [OrderSeen, PositionSeen]
    assert faults == ()
    assert mirror.missing_contracts() == frozenset()
    assert mirror.learn("contract", {"id": CONTRACT, "name": "MESM6"}, NOW) == ((), ())


def test_a_flat_position_in_an_unknown_contract_is_not_asked_for() -> None:
    assert loaded(contracts=[], positions=[position(0)]).missing_contracts() == frozenset()


def test_an_order_without_a_contract_takes_that_of_its_fill() -> None:
    mirror = loaded()
    bare = {name: value for name, value in order().items() if name != "contractId"}
    assert seen(mirror, props("order", bare), props("command", command())) == []
    (told,) = seen(mirror, props("fill", fill()))
    assert isinstance(told, Order)
    assert told.symbol == MES


@pytest.mark.parametrize("field", ["contractId", "spreadDefinitionId"])
def test_an_order_stays_in_the_contract_that_it_was_in_when_its_end_does_not_name_it(field: str) -> None:
    elsewhere: dict[str, object] = {"contractId": None, "spreadDefinitionId": 8}
    whole = {**order("Working"), **({} if field == "contractId" else elsewhere)}
    mirror = loaded()
    (working,) = seen(mirror, props("order", whole), props("command", command()))
    (ended,) = seen(mirror, props("order", {**whole, "ordStatus": "Canceled", field: None}))
    assert isinstance(working, Order) and isinstance(ended, Order)
    assert (ended.symbol, ended.status) == (working.symbol, Status.CANCELED)


def test_a_spread_is_told_and_not_to_be_copied() -> None:
    told = seen(
        loaded(), props("orderVersion", version()), props("order", order(contractId=None, spreadDefinitionId=8))
    )
    assert isinstance(told[0], Order)
    assert (told[0].symbol, told[0].unsupported, told[0].terms) == ("spread 8", "Spread", None)


@pytest.mark.parametrize("field", ["ocoId", "parentId"])
def test_no_order_is_its_own_partner_or_parent(field: str) -> None:
    """It would be copied twice, as an OCO with itself; or sleep for ever."""
    (told,) = seen(loaded(), props("command", command()), props("order", {**order("Working"), field: ORDER}))
    assert isinstance(told, Order)
    assert (told.oco_id, told.parent_id) == (None, None)


def test_entities_may_come_in_an_array() -> None:
    mirror = loaded()
    (told,) = seen(mirror, props("command", [command(), command(id=6, order_id=99)]), props("order", [order()]))
    assert isinstance(told, Order)


# Terms


def test_the_highest_version_is_the_present_one_whenever_it_comes() -> None:
    mirror = loaded(orders=[order("Working")], orderVersions=[version(id=20, orderQty=5, text="new")])
    assert seen(mirror, props("orderVersion", version(id=10, orderQty=1, text="old"))) != []
    told = the_order(mirror)
    assert (told.version, told.first_version, told.terms) == (20, 10, Terms(5, OrderType.MARKET))
    assert told.client_ids == {"old", "new"}


@pytest.mark.parametrize(
    ("fields", "terms"),
    [
        ({"orderType": "Stop", "price": Decimal("1.5")}, Terms(2, OrderType.STOP, None, Decimal("1.5"))),
        ({"orderType": "Stop", "stopPrice": "1.5", "price": 1}, Terms(2, OrderType.STOP, None, Decimal("1.5"))),
        ({"orderType": "Limit", "price": Decimal("5200.250")}, Terms(2, OrderType.LIMIT, Decimal("5200.25"))),
        ({"orderQty": "3", "timeInForce": None}, Terms(3, OrderType.MARKET)),
        ({"orderQty": Decimal("3.0")}, Terms(3, OrderType.MARKET)),
    ],
)
def test_terms(fields: dict[str, object], terms: Terms) -> None:
    assert the_order(loaded(orders=[order()], orderVersions=[{**version(), **fields}])).terms == terms


@pytest.mark.parametrize(
    ("fields", "unsupported"),
    [
        ({"orderType": "QTS"}, "QTS"),
        ({"orderType": "LimitIfTouched"}, "LimitIfTouched"),
        ({"orderType": None}, "(none given)"),
        ({"timeInForce": "GTX"}, "Market in force GTX"),
        ({"timeInForce": 3}, "Market in force (unreadable)"),
        ({"orderQty": None}, "Market without a readable quantity"),
        ({"orderQty": 0}, "Market without a readable quantity"),
        ({"orderQty": 2**62}, "Market without a readable quantity"),
        ({"orderQty": Decimal("1.5")}, "Market without a readable quantity"),
        ({"orderType": "Limit"}, "Limit without its price"),
        ({"orderType": "StopLimit", "price": 1}, "StopLimit without its price"),
        ({"orderType": "StopLimit", "price": 5150, "stopPrice": 0}, "StopLimit without its price"),
        ({"orderType": "Stop", "price": 0, "stopPrice": 0}, "Stop without its price"),
        ({"orderType": "Limit", "price": "NaN"}, "Limit with an unreadable price"),
        ({"pegDifference": True}, "Market with an unreadable pegDifference"),
    ],
)
def test_terms_that_cannot_be_copied_replace_older_ones(fields: dict[str, object], unsupported: str) -> None:
    mirror = loaded(orders=[order("Working")], orderVersions=[version(id=1)])
    facts, faults = mirror.fold(props("orderVersion", {**version(id=2), **fields}), NOW)
    assert len(facts) == len(faults) == 1
    told = the_order(mirror)
    assert (told.terms, told.unsupported, told.version) == (None, unsupported, 2)


# Statuses


def test_a_finished_order_does_not_live_again_when_the_day_is_pushed_once_more() -> None:
    mirror = loaded()
    day = [
        props("order", order()),
        props("orderVersion", version()),
        props("command", command()),
        props("order", order("Working"), "Updated"),
        props("fill", fill()),
        props("position", position(2)),
        props("order", order("Filled"), "Updated"),
        props("position", position(0, stamp="2026-03-02T15:00:00.000Z"), "Updated"),
    ]
    assert seen(mirror, *day)[-1] == (MES, 0)
    assert seen(mirror, *day) == []


@pytest.mark.parametrize(
    ("word", "status"),
    [("Cancelled", Status.CANCELED), ("canceled", Status.CANCELED), ("PartiallyFilled", Status.WORKING)],
)
def test_spellings(word: str, status: Status) -> None:
    assert the_order(loaded(orders=[order(word)])).status is status


def test_a_working_order_may_change_and_change_back() -> None:
    mirror = loaded(orders=[order("Working")], commands=[command()])
    told = seen(
        mirror, *(props("order", order(word)) for word in ("PendingReplace", "Working", "PendingNew", "Odd?")[:3])
    )
    assert [one.status for one in told if isinstance(one, Order)] == [Status.PENDING_REPLACE, Status.WORKING]


def test_the_reason_of_a_rejected_order_and_not_that_of_a_refused_change() -> None:
    mirror = loaded()
    report = {"commandId": ORDER, "timestamp": STAMP, "commandStatus": "ExecutionRejected"}
    closed = {**report, "id": 2, "rejectReason": "SessionClosed", "text": "market is closed"}
    late = {**report, "id": 3, "commandId": 77, "rejectReason": "TooLate"}
    told = seen(
        mirror,
        props("commandReport", {**report, "id": 1, "rejectReason": "Success"}),
        props("commandReport", closed),
        props("commandReport", late),
        props("command", command(id=77, commandType="Cancel", clOrdId="c")),
        props("command", command()),
        props("order", order("Working")),
    )
    assert isinstance(told[-1], Order)
    assert told[-1].reject_reason is None
    (rejected,) = seen(mirror, props("order", order("Rejected")))
    assert isinstance(rejected, Order)
    assert rejected.reject_reason == "SessionClosed: market is closed"


def test_the_reason_may_come_with_an_execution_report_and_later() -> None:
    mirror = loaded(orders=[order("Rejected")], commands=[command()])
    (told,) = seen(mirror, props("executionReport", execution(5, "Rejected", rejectReason="NoQuote")))
    assert isinstance(told, Order)
    assert told.reject_reason == "NoQuote"


@pytest.mark.parametrize(
    ("told", "terms"),
    [
        ({"orderType": "Market", "price": 0, "stopPrice": 0}, Terms(2, OrderType.MARKET)),
        ({"orderType": "Stop", "price": 5150, "stopPrice": 0}, Terms(2, OrderType.STOP, stop_price=Decimal(5150))),
        ({"orderType": "Stop", "price": 0, "stopPrice": 5150}, Terms(2, OrderType.STOP, stop_price=Decimal(5150))),
        (
            {"orderType": "Limit", "price": 5150, "stopPrice": 0, "pegDifference": 0},
            Terms(2, OrderType.LIMIT, Decimal(5150)),
        ),
        ({"orderType": "Limit", "price": 0, "stopPrice": 0}, Terms(2, OrderType.LIMIT, Decimal(0))),
        ({"orderType": "MIT", "price": 5150, "stopPrice": 0}, Terms(2, OrderType.MIT, Decimal(5150))),
        ({"orderType": "MIT", "price": 0, "stopPrice": 5150}, Terms(2, OrderType.MIT, stop_price=Decimal(5150))),
    ],
)
def test_a_price_that_is_0_in_the_place_of_absent_is_none(told: dict[str, object], terms: Terms) -> None:
    mirror = loaded(orders=[order("Working")], orderVersions=[{**version(), "price": None, **told, "orderQty": 2}])
    assert the_order(mirror).terms == terms


REFUSED = {"id": 9, "commandId": ORDER, "timestamp": STAMP, "commandStatus": "RiskRejected", "rejectReason": "NoQuote"}


@pytest.mark.parametrize("status", ["PendingNew", "Unknown", "Suspended"])
@pytest.mark.parametrize(
    "refusal",
    [
        props("commandReport", REFUSED),
        props("command", command(commandStatus="ExecutionRejected"), "Updated"),
        props("executionReport", execution(5, "Rejected", rejectReason="NoQuote")),
    ],
    ids=["a report", "its command", "an execution report"],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_order_is_rejected_whoever_says_so(refusal: Pushed, status: str, first: bool) -> None:
    """The one capture of a refused order shows the report alone."""
    mirror = loaded()
    pushes = [props("order", order(status)), props("orderVersion", version())]
    told = seen(mirror, *([refusal, *pushes] if first else [*pushes, refusal]))
    assert isinstance(told[-1], Order) and told[-1].status is Status.REJECTED
    assert told[-1].reject_reason == (None if refusal.data["entityType"] == "command" else "NoQuote")  # type: ignore[index]
    assert seen(mirror, props("command", command())) == [], "the past that is pushed again"
    snapshot = mirror.snapshot(ACCOUNT, NOW)
    assert snapshot is not None and snapshot.orders[OrderId(ORDER)].status is Status.REJECTED


def test_what_works_or_has_filled_is_not_rejected_by_a_report_nor_by_a_refused_change() -> None:
    mirror = loaded()
    pushes = (props("order", order("Working")), props("orderVersion", version()), props("commandReport", REFUSED))
    assert [one.status for one in seen(mirror, *pushes) if isinstance(one, Order)] == [Status.WORKING]
    mirror = loaded(fills=[fill(6)])
    pushes = (props("order", order("PendingNew")), props("orderVersion", version()), props("commandReport", REFUSED))
    assert {one.status for one in seen(mirror, *pushes) if isinstance(one, Order)} == {Status.PENDING_NEW}
    mirror = loaded(commands=[command(id=77, commandType="Modify")])
    change = props("commandReport", {**REFUSED, "commandId": 77})
    told = seen(mirror, props("order", order("PendingNew")), props("orderVersion", version()), change)
    assert {one.status for one in told if isinstance(one, Order)} == {Status.PENDING_NEW}


# Fills


def test_a_busted_fill_stays_busted() -> None:
    mirror = loaded(orders=[order("Filled")], commands=[command()], fills=[fill()])
    (told,) = seen(mirror, props("fill", fill(active=False), "Updated"), props("fill", fill()))
    assert isinstance(told, Order)
    assert (told.filled, told.fills[0].active) == (0, False)


@pytest.mark.parametrize("ref", ["er-50", "50", ""])
def test_a_trade_cancel_takes_its_fill_back(ref: str) -> None:
    mirror = loaded(orders=[order("Filled")], commands=[command()], fills=[fill(), fill(id=1, qty=1)])
    trade = execution(50)
    seen(mirror, props("executionReport", trade))
    more = {} if ref == "" else {"lastQty": None, "lastPx": None}
    (told,) = seen(mirror, props("executionReport", execution(60, "TradeCancel", execRefId=ref, **more)))
    assert isinstance(told, Order)
    assert [one.active for one in told.fills] == [True, False]
    assert seen(mirror, props("fill", fill(active=False), "Updated")) == []  # the same bust, told twice


def test_a_trade_cancel_without_a_fill_takes_nothing() -> None:
    mirror = loaded(orders=[order("Working")], commands=[command()], fills=[fill()])
    assert seen(mirror, props("executionReport", execution(60, "TradeCancel", lastQty=9))) == []


def test_a_corrected_fill_is_told_and_the_past_that_is_pushed_again_is_not() -> None:
    mirror = loaded(orders=[order("Filled")], orderVersions=[version()], commands=[command()], fills=[fill()])
    (told,) = seen(mirror, props("fill", fill(qty=1), "Updated"), props("fill", fill()), props("fill", fill(qty=1)))
    assert isinstance(told, Order)
    assert (told.filled, told.status, told.fills[0].corrected) == (1, Status.FILLED, 1)


CORRECTION = [
    props("executionReport", execution(50)),
    props("fill", fill()),
    props("executionReport", execution(60, "TradeCorrect", execRefId="er-50", lastQty=1)),
    props("fill", fill(qty=1), "Updated"),
]


@pytest.mark.parametrize("pushes", [CORRECTION, CORRECTION[:3], CORRECTION[::-1], CORRECTION[1:], CORRECTION[2:]])
def test_a_trade_correct_and_its_fill_may_come_in_any_order_or_alone(pushes: list[Pushed]) -> None:
    mirror = loaded(orders=[order("Filled")], commands=[command()], fills=[fill(id=1, qty=3)])
    seen(mirror, *pushes)
    (other, told) = the_order(mirror).fills
    assert (told.quantity, other.quantity) == (1, 3)


@pytest.mark.parametrize("more", [{"lastQty": None}, {"lastPx": None}, {"lastQty": 9, "execRefId": "er-99"}])
def test_a_trade_correct_that_says_too_little_corrects_nothing(more: dict[str, object]) -> None:
    mirror = loaded(orders=[order("Working")], commands=[command()], fills=[fill()])
    assert seen(mirror, props("executionReport", execution(60, "TradeCorrect", **more))) == []


def test_a_trade_that_was_corrected_may_still_be_busted() -> None:
    mirror = loaded(orders=[order("Filled")], commands=[command()], fills=[fill()])
    seen(mirror, *CORRECTION)
    (told,) = seen(mirror, props("executionReport", execution(70, "TradeCancel", execRefId="er-50")))
    assert isinstance(told, Order)
    assert told.filled == 0


def test_a_fill_once_seen_is_kept() -> None:
    mirror = loaded(orders=[order("Filled")], fills=[fill()])
    mirror.load(sync(orders=[order("Working")]), NOW)
    assert the_order(mirror).filled == 2
    assert the_order(mirror).status is Status.FILLED


@pytest.mark.parametrize("fields", [{"qty": "x"}, {"qty": -1}, {"price": None}, {"orderId": 0}, {"action": "Hold"}])
def test_an_unreadable_fill_is_a_fault(fields: dict[str, object]) -> None:
    facts, faults = loaded(orders=[order()], commands=[command()]).fold(props("fill", {**fill(), **fields}), NOW)
    assert facts == ()
    assert len(faults) == 1


def test_missing_times_and_sides_are_made_up_for_once() -> None:
    mirror = loaded()
    seen(mirror, props("command", command()), props("order", order(timestamp=None)))
    (told,) = seen(mirror, props("fill", fill(timestamp="?", action=None, active=None)))
    assert isinstance(told, Order)
    assert (told.at, told.fills[0].at, told.fills[0].side, told.fills[0].active) == (NOW, NOW, Side.BUY, True)


def test_what_a_snapshot_shows_without_a_time_is_not_of_this_moment() -> None:
    """With catch_up = fresh the leader's whole day would be made up for."""
    told = the_order(loaded(orders=[order(timestamp=None)], fills=[fill(timestamp="?")]))
    assert max(told.at, told.fills[0].at) < NOW - timedelta(days=1)


# Positions


def test_an_older_position_does_not_overwrite_a_newer_one() -> None:
    mirror = loaded(positions=[position(3, stamp="2026-03-02T15:00:00.000Z")])
    assert seen(mirror, props("position", position(1)), props("position", position(7, id=1))) == []
    assert seen(mirror, props("position", position(0, id=1, stamp="2026-03-02T16:00:00.000Z"))) == [(MES, 0)]
    assert seen(mirror, props("position", position(4, id=1, stamp=""))) == [(MES, 4)]


# What is not understood


@pytest.mark.parametrize(
    "pushed",
    [
        Pushed("clock", "{}"),
        props("fillPair", {"id": 1}),
        props("margin", [None]),
        props("order", order("Canceled"), "Deleted"),
    ],
)
def test_unknown_things_are_counted(pushed: Pushed) -> None:
    mirror = loaded()
    assert mirror.fold(pushed, NOW) == ((), ())
    assert sum(mirror.ignored.values()) == 1


@pytest.mark.parametrize("data", [None, [], {}, {"entityType": 3}])
def test_malformed_props_are_a_fault(data: object) -> None:
    assert loaded().fold(Pushed("props", data), NOW) == ((), ("props without an entityType",))


@pytest.mark.parametrize("entity", [None, "x", [3], {}])
def test_malformed_entities_are_a_fault(entity: object) -> None:
    facts, faults = loaded().fold(props("order", entity), NOW)
    assert facts == ()
    assert len(faults) == 1


def test_a_deletion_does_not_make_flat() -> None:
    mirror = loaded(orders=[order("Working")], commands=[command()], positions=[position(2)])
    before = mirror.snapshot(ACCOUNT, NOW)
    for kind, entity in (("order", order()), ("position", [position(2)]), ("account", {"id": ACCOUNT, "name": "A"})):
        facts, faults = mirror.fold(props(kind, entity, "Deleted"), NOW)
        assert facts == ()
        assert len(faults) == 1
    assert mirror.snapshot(ACCOUNT, NOW) == before


# Any order of arrival

STORY = [
    props("contract", {"id": CONTRACT, "name": "MESM6"}),
    props("order", order()),
    props("order", order("Working"), "Updated"),
    props("order", order("Filled"), "Updated"),
    props("orderVersion", version()),
    props("orderVersion", version(id=ORDER + 20, orderQty=4, text="cpd-mod")),
    props("command", command()),
    props("command", command(id=ORDER + 19, commandType="Modify", clOrdId="cpd-mod", customTag50="cpd-mod")),
    props("commandReport", {"id": 4, "commandId": ORDER, "commandStatus": "RiskPassed", "rejectReason": "Success"}),
    props("executionReport", execution(ORDER + 5)),
    props("fill", fill()),
    props("executionReport", execution(ORDER + 7, lastQty=1)),
    props("fill", fill(id=ORDER + 8, qty=1)),
    props("fill", fill(id=ORDER + 9)),
    props("executionReport", execution(ORDER + 10, "TradeCancel", execRefId=f"er-{ORDER + 7}")),
    props("position", position(2)),
    props("position", position(5, stamp="2026-03-02T14:31:06.000Z"), "Updated"),
    props("order", order(id=77, contractId=2)),
    props("command", command(id=77, order_id=77, clOrdId="cpd-2")),
    props("commandReport", {"id": 5, "commandId": 77, "rejectReason": "TradingLocked"}),
    props("order", order("Rejected", id=77, contractId=2), "Updated"),
    props("contract", {"id": 2, "name": "MNQM6"}),
]


def _end(pushes: list[Pushed]) -> tuple[dict[int, Order], dict[str, int], Mirror]:
    mirror = loaded(contracts=[])
    orders: dict[int, Order] = {}
    positions: dict[str, int] = {}
    for pushed in pushes:
        for _, event in mirror.fold(pushed, NOW)[0]:
            if isinstance(event, OrderSeen):
                assert orders.get(event.order.id) != event.order, "the same view twice is no news"
                assert event.order.client_ids or event.order.version
                orders[event.order.id] = event.order
            elif isinstance(event, PositionSeen):
                positions[event.symbol] = event.net
    return orders, positions, mirror


@settings(max_examples=300)
@given(st.permutations(STORY), st.lists(st.sampled_from(STORY), max_size=12))
def test_any_order_of_arrival_ends_in_the_same_orders(pushes: list[Pushed], again: list[Pushed]) -> None:
    orders, positions, mirror = _end(pushes + again)
    expected, where, _ = _end(STORY)
    assert orders == expected
    assert positions == where == {"MESM6": 5}
    snapshot = mirror.snapshot(ACCOUNT, NOW)
    assert snapshot is not None
    assert snapshot.orders == expected
    assert snapshot.positions == where
    assert {one: (told.status, told.filled) for one, told in orders.items()} == {
        ORDER: (Status.FILLED, 4),
        77: (Status.REJECTED, 0),
    }


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(order() | fill())), inner),
)


@given(st.lists(st.tuples(st.sampled_from(["order", "fill", "position", "command", "commandReport", "account"]), _ANY)))
def test_the_mirror_never_raises(pushes: list[tuple[str, object]]) -> None:
    mirror = loaded()
    for kind, entity in pushes:
        mirror.fold(props(kind, entity), NOW)
    mirror.load({"users": pushes, "orders": [entity for _, entity in pushes]}, NOW)
    mirror.missing_contracts()
    assert mirror.snapshot(ACCOUNT, NOW) is not None


# Reading an account on a live session


def test_what_an_account_lacks_is_told_apart_from_what_others_lack() -> None:
    mirror = loaded(orders=[order("Working")])
    assert mirror.lacks("fill", [fill()], ACCOUNT) and mirror.lacks("fill", [fill()])
    assert mirror.lacks("position", [position(3)], ACCOUNT) and mirror.lacks("order", [order("Filled")], ACCOUNT)
    other = BrokerAccountId(ACCOUNT + 1)
    assert not mirror.lacks("fill", [fill()], other)
    assert not mirror.lacks("position", [position(3)], other)
    assert mirror.lacks("fill", [fill(orderId=ORDER + 5)], other), "an order that nobody knows may be anybody's"


def test_what_moves_an_account_is_counted_and_its_snapshot_is_not() -> None:
    mirror = loaded(orders=[order("Working")], fills=[fill()], positions=[position(2)])
    other = BrokerAccountId(ACCOUNT + 1)
    assert mirror.moves(ACCOUNT) == 0
    seen(mirror, props("command", command()))
    assert mirror.moves(ACCOUNT) == 0, "papers that move no position"
    seen(mirror, props("fill", fill(id=99)), props("position", position(4)))
    assert (mirror.moves(ACCOUNT), mirror.moves(other)) == (2, 0)
    seen(mirror, props("fill", fill(id=100, orderId=ORDER + 5)))
    assert (mirror.moves(ACCOUNT), mirror.moves(other)) == (3, 1), "before its order it is anybody's"


def test_what_the_firm_sets_an_account_to_is_in_the_snapshot_and_each_change_of_it_is_told_once() -> None:
    normal = {"id": ACCOUNT, "adminAction": "Normal", "adminTimestamp": STAMP}
    mirror = loaded(accountRiskStatuses=[normal])
    taken = mirror.snapshot(BrokerAccountId(ACCOUNT), NOW)
    assert taken is not None
    assert taken.risk == RiskStatus("Normal", AT)
    locked = {
        "id": ACCOUNT,
        "adminAction": "LockTradingImmediately",
        "adminTimestamp": LATER,
        "userTriggeredLiqOnly": True,
    }
    told = [mirror.fold(props("accountRiskStatus", one), NOW)[0] for one in (normal, locked, locked, normal)]
    status = RiskStatus("LockTradingImmediately", datetime.fromisoformat(LATER), by_user=True)
    assert told == [(), ((ACCOUNT, RiskStatusSeen(at=NOW, status=status)),), (), ()]
    (again,) = (mirror.snapshot(BrokerAccountId(ACCOUNT), NOW),)
    assert again is not None
    assert again.risk == status


def test_an_account_of_which_nothing_is_said_has_no_risk_status() -> None:
    taken = loaded().snapshot(BrokerAccountId(ACCOUNT), NOW)
    assert taken is not None
    assert taken.risk is None
