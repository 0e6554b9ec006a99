"""The names of contracts: the broker's orders carry numbers, and what a number stands for is asked.

Rule 1: a contract that the broker does not know keeps no other from being copied: it is named by its number.
Rule 2: what has waited for its name for longer than a moment is not copied late: the session begins anew, and the table
        of what was missed decides.
Rule 3: nothing is asked within a hold: it would prolong it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
import trio

from daemon.logins.calls import Call, Lost, Urgency
from daemon.ports import Ports
from daemon.tradovate.mirror import Mirror
from daemon.tradovate.socket import SocketLost
from statecharts.events import Event
from statecharts.values import BrokerAccountId

READ_LIMIT = 10.0  # seconds for a read such as contract/item
FIRST_AGAIN = 1.0  # seconds after a contract could not be named; doubled with each further try, up to
AGAIN = 10.0
NAMES_LATE = 5.0  # seconds: what has waited longer for a name is old, and is compared instead of copied
NAMES_LIMIT = 60.0  # seconds that an account waits for a contract's name: longer, and the session begins anew

Ask = Callable[[str, object | None, int, str], Call]
HandOut = Callable[[Iterable[tuple[BrokerAccountId, Event]], Iterable[str]], None]


@attrs.define(eq=False, repr=False)
class Names:
    """`ask` queues a request, `hand_out` takes facts and faults; `served` answers what an answer holds, or raises."""

    mirror: Mirror
    ports: Ports
    ask: Ask
    hand_out: HandOut
    served: Callable[[object, str], object]
    _wanted: trio.Event = attrs.field(factory=trio.Event)
    _since: dict[int, float] = attrs.field(factory=dict)  # contracts without a name, on trio's clock
    _asked_around: trio.Event = attrs.field(factory=trio.Event)  # names have been asked for once more

    def seek(self) -> None:
        """A contract has turned up whose name is not known."""
        for contract in self.mirror.missing_contracts():
            self._since.setdefault(contract, trio.current_time())
        self._wanted.set()

    async def complete(self) -> bool:
        """Waits until there is a name for every contract; False when that takes too long."""
        with trio.move_on_after(NAMES_LIMIT):
            while self.mirror.missing_contracts():
                await self._asked_around.wait()
            return True
        return False

    async def go_on(self, held: Callable[[], bool]) -> None:
        """Names what turns up, for as long as the session lives. Raises SocketLost."""
        again = FIRST_AGAIN
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            if not held() and await self.ask_for_all():
                again = FIRST_AGAIN
            else:
                await trio.sleep(again)
                again = min(2 * again, AGAIN)
                self._wanted.set()

    async def ask_for_all(self) -> bool:
        """Asks for the names that are missing, each once. Have all of them one now? Raises SocketLost."""
        asked: set[int] = set()
        while found := sorted(set(self.mirror.missing_contracts()) - asked):  # while one is asked for, another turns up
            asked.update(found)
            for contract in found:
                await self._ask_for(contract)
        self._asked_around.set()
        self._asked_around = trio.Event()
        return not self.mirror.missing_contracts()

    async def _ask_for(self, contract: int) -> None:
        answer = await self.ask("contract/item", None, Urgency.VITAL, f"id={contract}").answer(READ_LIMIT)
        if isinstance(answer, Lost):
            raise SocketLost(f"contract/item: {answer.reason}")
        data = self.served(answer.data, "contract/item")
        if answer.status != 200:
            self.hand_out((), (f"the broker does not name contract {contract} ({answer.status})",))
            if answer.status != 404:
                return  # it may know the name in a while
            data = {"id": contract, "name": f"contract {contract}", "contractMaturityId": 0}
        facts, faults = self.mirror.learn("contract", data, self.ports.wall())
        late = trio.current_time() - self._since.pop(contract, trio.current_time()) > NAMES_LATE
        if facts and late:
            raise SocketLost(f"contract {contract} was named too late to copy what was told of it meanwhile")
        self.hand_out(facts, faults)
