"""Client order ids: the same decision has the same id, in this process and in the next."""

from __future__ import annotations

import itertools

from statecharts.identity import client_order_id
from statecharts.values import BrokerAccountId

GOLDEN = "cpd-54xezfjsai62o47hh4v5mc72zum7p6dy"


def name(
    leader: int = 11, follower: int = 22, cause: int = 7, verb: str = "place", leg: int = 0, attempt: int = 0
) -> str:
    return client_order_id(BrokerAccountId(leader), BrokerAccountId(follower), cause, verb, leg, attempt)


def test_the_same_decision_has_the_same_id_for_ever() -> None:
    assert name() == name() == GOLDEN


def test_another_attempt_leg_verb_cause_or_account_has_another_id() -> None:
    parts = itertools.product((11, 12), (22, 23), (7, 8), ("place", "close"), (0, 1), (0, 1))
    names = [name(*part) for part in parts]
    assert len(set(names)) == len(names)


def test_digits_do_not_run_together() -> None:
    assert name(leader=1, follower=12) != name(leader=11, follower=2)


def test_it_fits_the_brokers_fields() -> None:
    assert len(name(10**12, 10**12, 10**18, "cancel", 9, 10**6)) <= 50
