"""What an account asks the broker to tell it: a contract, its money. Each comes back as an event, whatever happens.

These are reads, so they wait behind everything else that is to be written; nothing ever waits for them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from daemon.logins.calls import Lost, Urgency
from daemon.logins.contracts import NoSuchContract, Unanswered
from daemon.logins.session import Session
from daemon.tradovate import balances, messages
from statecharts.contracts import ContractFacts
from statecharts.events import BalanceRead, BalanceUnread, ContractAbsent, ContractRead, ContractUnread, Event
from statecharts.values import BrokerAccountId, Symbol

READ_LIMIT = 10.0  # seconds for the account's money
NOT_CONNECTED = "not connected"

Wall = Callable[[], datetime]


async def contract(session: Session | None, symbol: Symbol, wall: Wall) -> Event:
    found = Unanswered(NOT_CONNECTED) if session is None else await session.contracts.read(symbol)
    match found:
        case ContractFacts():
            return ContractRead(at=wall(), facts=found)
        case NoSuchContract(reason=reason):
            return ContractAbsent(at=wall(), symbol=symbol, reason=reason)
        case Unanswered(reason=reason):
            return ContractUnread(at=wall(), symbol=symbol, reason=reason)


async def balance(session: Session | None, account: BrokerAccountId, wall: Wall) -> Event:
    asked_at = wall()
    if session is None:
        return BalanceUnread(at=asked_at, reason=NOT_CONNECTED)
    outcome = await session.request(balances.SNAPSHOT, {"accountId": int(account)}, Urgency.SPARE).answer(READ_LIMIT)
    if isinstance(outcome, Lost):
        return BalanceUnread(at=wall(), reason=outcome.reason)
    found = balances.reading(outcome.data) if outcome.status == 200 else None
    if found is None:
        return BalanceUnread(at=wall(), reason=f"{outcome.status} {messages.text_of(outcome.data)}".rstrip())
    return BalanceRead(
        at=wall(), cash=found.cash, realized=found.realized, open_profit=found.open_profit, asked_at=asked_at
    )
