"""Accounts that the ledger knows and the configuration names no more: what is theirs has lost who looks after it.

Rule 1: at each start it is told what copierd owned there when it last ran; nothing is sent, because nobody asked.
Rule 2: a page the first time, a line in the journal afterwards: what has become of it meanwhile is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import attrs

from daemon.bulletins import Board
from daemon.ledger import Ledger
from daemon.reloading import owned
from statecharts.values import AccountName


@attrs.frozen
class Leaver:
    name: str
    owns: str  # in words


def leavers(ledger: Ledger, configured: Collection[str]) -> Iterator[Leaver]:
    """Those that owned something. Raises LedgerError."""
    for name in ledger.names():
        account = ledger.load(AccountName(name)) if name not in configured else None
        words = owned(account.book) if account is not None else ""
        if words:
            yield Leaver(name, words)


def tell(board: Board, ledger: Ledger, configured: Collection[str]) -> None:
    for leaver in leavers(ledger, configured):
        key = f"left {leaver.name}"
        before = ledger.fact(key) == leaver.owns
        board.tell(
            "position.drifted",
            f"{leaver.name} is in copier.toml no more, and owned {leaver.owns} when copierd last looked after it. "
            "Nobody does now; its orders stay at the broker",
            severity="info" if before else "page",
            account=leaver.name,
            reason="taken out of copier.toml",
            remedy=f"close it in Tradovate, or put {leaver.name} back into copier.toml, then: copierctl reload",
        )
        ledger.keep_fact(key, leaver.owns)
