"""What the accounts hold, in words that are true when somebody has to act on them."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from daemon import holdings
from daemon.config import loads
from statecharts import states as s
from statecharts.account import Account
from statecharts.book import Book, Contract
from statecharts.rules import CopyRules, Rules
from statecharts.values import (
    AccountName,
    BrokerAccountId,
    CopyName,
    Order,
    OrderId,
    OrderType,
    Side,
    Status,
    Symbol,
    Terms,
)
from statecharts.view import View
from tests.daemon.company import LEAD, NOON
from tests.scenarios.world import config_of

MES = Symbol("MESZ6")
ES = Symbol("ESZ6")
FOLLOWS = Rules(copy=CopyRules(CopyName("main"), LEAD))


def stop(quantity: int, side: Side = Side.SELL, kind: OrderType = OrderType.STOP) -> Order:
    terms = Terms(quantity, kind, stop_price=Decimal(4900))
    return Order(OrderId(1), MES, side, Status.WORKING, NOON, terms)


def follower(name: str, own: int = 0, *orders: Order, target: int | None = None) -> Account:
    """With `target`, it has been compared with a leader who holds that."""
    mine = View(BrokerAccountId(1), 1, {order.id: order for order in orders})
    theirs = None if target is None else View(BrokerAccountId(9), 1, {}, {MES: target})
    book = Book(mine=mine, theirs=theirs, contracts={MES: Contract(own=own)}, caught_up=(1, 1))
    return Account(name=AccountName(name), connection=s.Copying(since=NOON), rules=FOLLOWS, book=book)


@pytest.mark.parametrize(
    ("accounts", "words"),
    [
        ([follower("a")], "No follower holds a position"),
        ([follower("a", 2)], "1 follower holds 2 MESZ6 long; 0 of 1 has a stop at the broker"),
        ([follower("a", 2, stop(2))], "1 follower holds 2 MESZ6 long; 1 of 1 has a stop at the broker"),
        ([follower("a", 2, stop(1))], "1 follower holds 2 MESZ6 long; 0 of 1 has a stop at the broker"),
        ([follower("a", 2, stop(2, Side.BUY))], "1 follower holds 2 MESZ6 long; 0 of 1 has a stop at the broker"),
        (
            [follower("a", 2, stop(2, kind=OrderType.LIMIT))],
            "1 follower holds 2 MESZ6 long; 0 of 1 has a stop at the broker",
        ),
        (
            [follower("a", 2, stop(2)), follower("b", 3), follower("c", -1, stop(1, Side.BUY))],
            "1 follower holds 1 MESZ6 short; 2 followers hold 5 MESZ6 long; 2 of 3 have a stop at the broker",
        ),
    ],
)
def test_positions_and_their_stops(accounts: list[Account], words: str) -> None:
    assert holdings.sentence(accounts, "follower") == words


def test_of_a_leader_the_account_s_position_counts_and_of_a_follower_ours() -> None:
    leader = Account(name=LEAD, connection=s.Copying(since=NOON), book=Book(positions={ES: 3, MES: 0}))
    assert holdings.own(leader) == {ES: 3}
    assert holdings.own(follower("a", 2)) == {MES: 2}


def test_a_lost_leader_is_told_with_its_followers_positions_and_the_way_out() -> None:
    config = loads(config_of(("a", "b")))
    accounts = [follower("a", 2, stop(2)), follower("b", 2)]
    more, remedy = holdings.circumstances("leader.lost", "lead", config, accounts)
    assert more == "2 followers hold 4 MESZ6 long; 1 of 2 have a stop at the broker"
    assert remedy == "to get out: copierctl flatten --copy main"
    flat = holdings.circumstances("leader.lost", "lead", config, [follower("a")])
    assert flat == ("No follower holds a position", None)


def test_a_broken_connection_is_told_with_what_that_account_holds_if_anything() -> None:
    config = loads(config_of(("a", "b")))
    accounts = [follower("a", 2), follower("b")]
    assert holdings.circumstances("connection.broken", "a", config, accounts) == (
        "1 account holds 2 MESZ6 long; 0 of 1 has a stop at the broker",
        None,
    )
    assert holdings.circumstances("connection.broken", "b", config, accounts) == ("", None)
    assert holdings.circumstances("copy.placed", "a", config, accounts) == ("", None)


def test_a_follower_that_is_not_like_its_leader_is_named() -> None:
    waits = follower("e", 0, target=1)
    waits = attrs.evolve(waits, book=attrs.evolve(waits.book, caught_up=None))
    lost = attrs.evolve(follower("f"), connection=s.BackingOff(since=NOON, attempt=1))
    accounts = [
        Account(name=LEAD, connection=s.Copying(since=NOON), rules=Rules(leads=True)),
        follower("a", 2, target=2),
        follower("b", 1, target=2),
        follower("c", 3, target=2),
        follower("d", -1, target=2),
        waits,
        lost,
    ]
    assert list(holdings.mismatches(accounts)) == [
        "b short by 1 of 2 MESZ6",
        "c holds +3 MESZ6 where +2 would be the leader's",
        "d holds -1 MESZ6 where +2 would be the leader's",
        "e waits for its leader lead",
        "f is Reconnecting",
    ]
    assert [holdings.uncompared(account) for account in accounts] == [False] * 5 + [True] * 2


def test_many_names_are_shortened() -> None:
    assert holdings.names(()) == ""
    assert holdings.names(("a", "b", "c", "d")) == "a, b, c, d"
    assert holdings.names(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"
