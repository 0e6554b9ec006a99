"""What a session asks of the contracts that its accounts trade: once for all of them.

Rule 1: one walk at a time; whoever waits finds what the walk before has brought.
Rule 2: only 404 to the contract's own name says that it does not exist. Whatever else goes wrong is an answer that did
        not come, and is for whoever asked to ask again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import attrs
import trio

from daemon.logins.calls import Call, Lost, Urgency
from daemon.tradovate.mirror import Facts, Mirror
from statecharts.contracts import ContractFacts
from statecharts.values import Symbol

READ_LIMIT = 10.0  # seconds for one read
BY_NAME = frozenset({"contract/find", "product/find"})
ABSENT_FOR = 60.0  # seconds: twenty accounts that want the same contract need not be told twenty times


@attrs.frozen
class NoSuchContract:
    reason: str


@attrs.frozen
class Unanswered:
    reason: str


@attrs.define(eq=False, repr=False)
class Contracts:
    """`ask` queues a request, `hand_out` takes what the answers tell of orders that waited for a name."""

    mirror: Mirror
    wall: Callable[[], datetime]
    ask: Callable[[str, object | None, int, str], Call]
    hand_out: Callable[[Facts, Iterable[str]], None]
    _turn: trio.Lock = attrs.field(factory=trio.Lock)
    _absent: dict[Symbol, tuple[float, NoSuchContract]] = attrs.field(factory=dict)  # since, on trio's clock

    async def read(self, symbol: Symbol) -> ContractFacts | NoSuchContract | Unanswered:
        """Never raises."""
        async with self._turn:
            since, absent = self._absent.get(symbol, (0.0, None))
            if absent is not None and trio.current_time() < since + ABSENT_FOR:
                return absent
            found = await self._walk(symbol)
            if isinstance(found, NoSuchContract):
                self._absent[symbol] = trio.current_time(), found
            return found

    async def _walk(self, symbol: Symbol) -> ContractFacts | NoSuchContract | Unanswered:
        listings = self.mirror.listings
        while (question := listings.question(symbol)) is not None:
            answer = await self.ask(question.endpoint, None, Urgency.READ, question.query).answer(READ_LIMIT)
            if isinstance(answer, Lost):
                return Unanswered(f"{question.endpoint}: {answer.reason}")
            if answer.status == 404 and question.endpoint in BY_NAME:
                return NoSuchContract(f"the broker knows no {question.entity_type} of this name")
            if answer.status != 200:
                return Unanswered(f"{question.endpoint} was answered with {answer.status}")
            facts, faults = self.mirror.learn(question.entity_type, answer.data, self.wall())
            self.hand_out(facts, faults)
            if listings.question(symbol) == question:
                return Unanswered(f"{question.endpoint} was answered with something else")
        facts_of = listings.facts(symbol)
        assert facts_of is not None, "nothing is left to ask"
        return facts_of
