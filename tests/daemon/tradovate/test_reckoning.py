"""What the executions of an account make of its positions."""

from __future__ import annotations

import attrs

from daemon.tradovate.reckoning import Reckoning
from statecharts.values import Order, Symbol
from tests.statecharts.desk import BUY, ES, MES, SELL, order, terms

ACCOUNT, OTHER = 900, 901


def bought(number: int, filled: int) -> Order:
    return order(number, BUY, terms(5), filled)


def test_an_account_that_nobody_has_read_is_expected_to_hold_nothing_in_particular() -> None:
    reckoning = Reckoning()
    reckoning.count(ACCOUNT, bought(1, 2))
    assert reckoning.expected(ACCOUNT, ES) is None


def test_what_was_there_and_what_came_since() -> None:
    reckoning = Reckoning()
    reckoning.count(ACCOUNT, bought(1, 2))
    reckoning.begin(ACCOUNT, {ES: 7})
    assert reckoning.expected(ACCOUNT, ES) == 7
    reckoning.count(ACCOUNT, bought(1, 2))
    reckoning.count(ACCOUNT, bought(1, 3))
    reckoning.count(ACCOUNT, order(2, SELL, terms(10), 10))
    reckoning.count(OTHER, bought(3, 4))
    assert reckoning.expected(ACCOUNT, ES) == -2
    assert reckoning.expected(ACCOUNT, MES) == 0


def test_a_fill_that_is_taken_back_is_none() -> None:
    reckoning = Reckoning()
    reckoning.begin(ACCOUNT, {})
    reckoning.count(ACCOUNT, bought(1, 2))
    one = bought(1, 2)
    reckoning.count(ACCOUNT, attrs.evolve(one, fills=(attrs.evolve(one.fills[0], active=False), one.fills[1])))
    assert reckoning.expected(ACCOUNT, Symbol("ESZ6")) == 1


def test_to_read_it_again_forgives_what_was_not_explained() -> None:
    reckoning = Reckoning()
    reckoning.begin(ACCOUNT, {ES: 1})
    reckoning.count(ACCOUNT, bought(1, 2))
    reckoning.begin(ACCOUNT, {ES: 1, MES: 4})
    assert (reckoning.expected(ACCOUNT, ES), reckoning.expected(ACCOUNT, MES)) == (1, 4)
    reckoning.begin(ACCOUNT, {})
    assert (reckoning.expected(ACCOUNT, ES), reckoning.expected(ACCOUNT, MES)) == (0, 0)
