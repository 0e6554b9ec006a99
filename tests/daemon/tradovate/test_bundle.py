"""One event for all orders of a frame, in the order in which it named them."""

from __future__ import annotations

from datetime import timedelta

import attrs

from daemon.tradovate import bundle
from statecharts import events as e
from statecharts.values import BrokerAccountId, Status
from tests.statecharts.desk import BUY, ES, LEAD_ID, MES, NOON, SELL, limit, order, terms

OTHER_ID = BrokerAccountId(12)
LATER = NOON + timedelta(milliseconds=1)


def test_an_account_hears_of_all_orders_at_once_each_in_its_last_view() -> None:
    entry, exit_ = order(1, BUY, terms(2)), order(2, SELL, terms(2))
    filled = order(1, BUY, terms(2), 2)
    (said,) = bundle.of_one_frame(
        [
            (LEAD_ID, e.OrderSeen(at=NOON, order=entry)),
            (LEAD_ID, e.OrderSeen(at=NOON, order=exit_)),
            (LEAD_ID, e.OrderSeen(at=LATER, order=filled)),
        ]
    )
    assert said == (LEAD_ID, e.OrderSeen(at=LATER, order=filled, beside=(exit_,)))


def test_what_is_bundled_already_is_bundled_again() -> None:
    one, two = order(1, BUY, limit(1)), order(2, SELL, limit(1))
    gone = attrs.evolve(two, status=Status.CANCELED)
    (said,) = bundle.of_one_frame(
        [
            (LEAD_ID, e.OrderSeen(at=NOON, order=one, beside=(two,))),
            (LEAD_ID, e.OrderSeen(at=NOON, order=gone)),
        ]
    )
    assert said == (LEAD_ID, e.OrderSeen(at=NOON, order=one, beside=(gone,)))


def test_accounts_stay_apart_orders_come_first_and_of_a_position_the_last_figure_counts() -> None:
    mine, theirs = order(1, BUY, terms(1)), order(2, BUY, terms(1))
    anything = e.Event(at=NOON)
    facts = [
        (LEAD_ID, anything),
        (LEAD_ID, e.PositionSeen(at=NOON, symbol=ES, net=1)),
        (LEAD_ID, e.OrderSeen(at=NOON, order=mine)),
        (OTHER_ID, e.PositionSeen(at=NOON, symbol=ES, net=5)),
        (OTHER_ID, e.OrderSeen(at=NOON, order=theirs)),
        (LEAD_ID, e.PositionSeen(at=NOON, symbol=MES, net=3)),
        (LEAD_ID, e.PositionSeen(at=LATER, symbol=ES, net=2)),
    ]
    assert bundle.of_one_frame(facts) == (
        (LEAD_ID, e.OrderSeen(at=NOON, order=mine)),
        (OTHER_ID, e.OrderSeen(at=NOON, order=theirs)),
        (LEAD_ID, e.PositionSeen(at=LATER, symbol=ES, net=2)),
        (OTHER_ID, e.PositionSeen(at=NOON, symbol=ES, net=5)),
        (LEAD_ID, e.PositionSeen(at=NOON, symbol=MES, net=3)),
        (LEAD_ID, anything),
    )


def test_nothing_is_nothing() -> None:
    assert bundle.of_one_frame(()) == ()
