"""A process that commits rounds until it is killed, and says after each which one is safe.

`python -m tests.daemon.ledger_writer LEDGER [N]`: with N it kills itself just before its Nth statement after the start.
One follower takes part in every round, the other is busy: it finds the announcement in the outbox and takes it later.
"""

from __future__ import annotations

import os
import signal
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


def doomed(ledger: Ledger, statements: int) -> None:
    """As if the power switch were pressed between two statements: no handler, no clean-up, no flush."""
    left = statements

    def count(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger._db.set_trace_callback(count)


def main(path: Path, statements: int | None = None) -> None:
    ledger = Ledger.open(path)
    company = company_of(ledger)
    view = company.accounts[LEAD].book.mine
    number = len(view.orders) if view is not None else 0
    if view is None:
        ledger.commit(company.connected())
    if statements is not None:
        doomed(ledger, statements)
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
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
