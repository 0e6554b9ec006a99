"""A process that commits rounds until it is killed, and says after each which one is safe: `python -m ... LEDGER`.

One follower takes part in every round, the other is busy: it finds the announcement in the outbox and takes it later.
"""

from __future__ import annotations

import sys
from pathlib import Path

import attrs

from daemon.ledger import Ledger, Posted
from statecharts.rules import Rules
from statecharts.values import AccountName
from tests.daemon.company import EVAL, LEAD, Company, announced, limit

BUSY = AccountName("eval2")


def company_of(ledger: Ledger) -> Company:
    """As after a restart: the accounts of the ledger with today's rules."""
    company = Company.of(EVAL, BUSY)
    known: dict[AccountName, Rules] = {name: account.rules for name, account in company.accounts.items()}
    for name, rules in known.items():
        found = ledger.load(name)
        if found is not None:
            company.accounts[name] = attrs.evolve(found, rules=rules)
    return company


def main(path: Path) -> None:
    ledger = Ledger.open(path)
    company = company_of(ledger)
    view = company.accounts[LEAD].book.mine
    number = len(view.orders) if view is not None else 0
    if view is None:
        ledger.commit(company.connected())
    while True:
        number += 1
        turns = company.round(limit(number), idle=[EVAL])
        ledger.commit(turns, [Posted(LEAD, BUSY, announced(turns[0]))])
        if number % 3 == 0:
            waiting = ledger.undelivered(BUSY)
            ledger.commit([company.turn(BUSY, event, consumed=one) for one, event in waiting])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
