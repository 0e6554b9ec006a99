"""What a session asks the broker to know: one snapshot per socket, names of contracts, and the truth now and then.

Rule 1: what is absent is not flat: a snapshot counts when everything that it must hold has been seen, be it empty.
Rule 2: a read that the session cannot do without raises SocketLost; the next session begins anew.
Rule 3: a fill and its position come as two events. An account is read on a live session only in a moment in which the
        broker's lists tell nothing that the mirror does not know, and nothing moves: between the two, a view would be
        wrong for good.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import NoReturn

import attrs
import trio

from daemon.logins.calls import Call, Urgency
from daemon.logins.naming import NAMES_LIMIT, HandOut, Names
from daemon.logins.reads import Reads
from daemon.logins.tokens import Token
from daemon.ports import Ports
from daemon.tradovate.frames import Response
from daemon.tradovate.mirror import Mirror
from daemon.tradovate.scalars import identity
from daemon.tradovate.socket import SocketLost
from daemon.tradovate.sync_message import COLLECTIONS
from statecharts.events import ReadBack
from statecharts.values import BrokerAccountId

SYNC_LIMIT = 30.0  # seconds for a snapshot, which may exceed a megabyte
PART_LIMIT = 1.0  # seconds without another part of a snapshot that came in parts: how the last is marked is unknown
READ_BACK_EVERY = (25.0, 35.0)  # seconds: three small reads, against a budget of hundreds a minute
EVENTS_LATE = 3.0  # seconds: an event that is only late is no loss
QUIET = 0.25  # seconds without an event of an account before it is read on a live session
READABLE_AGAIN = 1.0  # seconds between two looks whether anything may be read
SETTLE_LIMIT = 5.0  # seconds that the lists and the events may disagree while nothing moves
MOVING_LIMIT = 60.0  # seconds that an account may go on moving: a fast leader is nobody's fault
LONGEST_PAUSE = 0.75  # seconds, and `QUIET`, between two rounds of lists when the first were in vain

_NEEDED = {
    "accounts": "account/list",
    "positions": "position/list",
    "orders": "order/list",
    "orderVersions": "orderVersion/list",
    "commands": "command/list",
    "fills": "fill/list",
}


class _Found(enum.Enum):
    """What a look at an account has found."""

    AGREES = enum.auto()
    DISAGREES = enum.auto()
    MOVES = enum.auto()


@attrs.define
class Patience:
    """For how many seconds a session waits for another part of its snapshot, also where no list is absent.

    Its login keeps it: what has come too late for one session comes too late for each after it.
    """

    seconds: float = 0.0

    def was_too_short(self) -> None:
        self.seconds = min(SYNC_LIMIT, max(PART_LIMIT, 4 * self.seconds))


@attrs.define(eq=False, repr=False)
class Reading:
    """`hand_out` takes facts and faults; `synced` is set when the snapshot is whole.

    `spare`: is there so much left that we may ask for nothing but safety? `readable`: may anything be read now?
    `held`: does the process hold?
    """

    mirror: Mirror
    ports: Ports
    reads: Reads
    hand_out: HandOut
    synced: trio.Event
    readable: Callable[[], bool] = lambda: True
    spare: Callable[[], bool] = lambda: True
    held: Callable[[], bool] = lambda: False
    patience: Patience = attrs.field(factory=Patience)
    names: Names = attrs.field(init=False)
    _sync: Call | None = None
    _part_came: trio.Event = attrs.field(factory=trio.Event)
    _useless: str | None = None  # why nobody can read an account on this session
    _useless_told: trio.Event = attrs.field(factory=trio.Event)
    _turn: trio.Lock = attrs.field(factory=trio.Lock)  # accounts that read at the same time share the broker's lists
    _rounds: int = 0
    _lacking: str = ""  # what the last look has found that nobody has told
    _no_terms: set[int] = attrs.field(factory=set)  # orders of which the broker has no terms
    _lists: tuple[int, Mapping[str, object]] = (0, {})  # the round that was read last, and what it showed

    def __attrs_post_init__(self) -> None:
        self.names = Names(self.mirror, self.ports, self.reads.ask, self.hand_out, self.reads.served)

    async def all_named(self) -> None:
        """Waits until every contract has its name; after too long the session ends."""
        if not await self.names.complete():
            await self._give_up(f"the broker did not name a contract within {NAMES_LIMIT:g} s")

    async def accounts_listed(self) -> None:
        """Takes in which accounts there are. When the broker does not say, the session ends."""
        endpoint = _NEEDED["accounts"]
        try:
            rows = await self.reads.needed(endpoint)
        except SocketLost as lost:
            await self._give_up(lost.reason)
        if isinstance(rows, list):  # an error has status 200 too
            self.hand_out(*self.mirror.learn("account", rows, self.ports.wall()))
        if not self.mirror.account_names() or not isinstance(rows, list):  # it may be half up
            await self._give_up(f"{endpoint}: the broker shows no accounts")

    async def settled(self, account: BrokerAccountId, anew: bool) -> None:
        """Returns in a moment in which the mirror holds this account's fills and positions, or neither of the two.

        The snapshot is to be taken before anything else is awaited. Not `anew`: the one that the session began with
        is such a moment, until an event comes. When there is none within `SETTLE_LIMIT`, the session ends; where only
        movement keeps it from coming, within `MOVING_LIMIT`: the next session would see the same leader trade. As long
        as nothing may be asked it goes on: an exit needs the session more than we need the moment.
        """
        if not anew and not self.mirror.moves(account):
            return
        try:
            while True:
                if not self.readable():
                    await trio.sleep(READABLE_AGAIN)
                    continue
                unasked = self.reads.unasked
                why = await self._never_agrees(account)
                if why is None:
                    return
                if self.reads.unasked == unasked and self.readable():
                    break
        except SocketLost as lost:
            why = lost.reason
        await self._give_up(why)

    async def _never_agrees(self, account: BrokerAccountId) -> str | None:
        """Waits for such a moment. Why it does not come; None when this is one."""
        moving_until = trio.current_time() + MOVING_LIMIT
        asked, pause = self._rounds, QUIET
        while trio.current_time() < moving_until and self.readable():
            moves = False
            with trio.move_on_after(SETTLE_LIMIT):
                while True:
                    found = await self._look(account)
                    if found is _Found.AGREES:
                        return None
                    moves = found is _Found.MOVES
                    if self._rounds > asked:
                        asked = self._rounds
                        await trio.sleep(pause)
                        pause = min(2 * pause, LONGEST_PAUSE)
            if not moves:
                disagree = f"the broker's lists and its events did not agree within {SETTLE_LIMIT:g} s"
                return self.reads.refused or f"{disagree}{self._lacking}"
        return f"no quiet moment to read the account in within {MOVING_LIMIT:g} s: it goes on moving"

    async def _look(self, account: BrokerAccountId) -> _Found:
        before = self.mirror.moves(account)
        await trio.sleep(QUIET)
        if self.mirror.moves(account) != before:
            return _Found.MOVES  # nothing is asked while it moves: the answer would be of the past
        read = await self._read_after_now()
        if any(rows is None for rows in read.values()):
            await trio.sleep_forever()  # refused: it is not asked again, and the session finds out why
        if self.mirror.moves(account) != before:
            return _Found.MOVES
        untold = self._untold(read, account)
        self._lacking = f": nothing told of {untold[0]}" if untold else ""
        return _Found.DISAGREES if untold or self.mirror.missing_contracts() else _Found.AGREES

    async def _read_after_now(self) -> Mapping[str, object]:
        """The broker's lists, asked for after this call began: by itself, or by another account meanwhile."""
        earlier = self._rounds
        async with self._turn:
            if self._lists[0] <= earlier:
                self._rounds += 1
                self._lists = self._rounds, await self.reads.lists()
            return self._lists[1]

    async def _give_up(self, why: str) -> NoReturn:
        self._useless = self._useless or why
        self._useless_told.set()
        await trio.sleep_forever()

    async def useless(self) -> None:
        """Ends the session when an account cannot be read on it. Raises SocketLost."""
        await self._useless_told.wait()
        raise SocketLost(self._useless or "")

    def another_answer(self, response: Response) -> None:
        """To a request that has been answered already: a part of the snapshot, or to nobody.

        One that comes when the accounts have been read may show what they lack: as news, it would be copied.
        """
        if self._sync is None or response.id != self._sync.id or response.status != 200:
            return
        if not self.synced.is_set():
            self._load(response.data)
            self._part_came.set()
        elif isinstance(response.data, dict):
            rows = {kind: response.data.get(name) for name, kind in COLLECTIONS.items()}
            if self._untold(rows):
                self.patience.was_too_short()
                self._useless = "a part of the broker's snapshot came when the accounts had been read already"
                self._useless_told.set()
                return
            for kind in (kind for kind, listed in rows.items() if isinstance(listed, list)):
                self.hand_out(*self.mirror.learn(kind, rows[kind], self.ports.wall()))

    async def run(self, token: Token) -> None:
        """The one syncrequest of this socket; afterwards names the contracts that turn up. Raises SocketLost."""
        user = token.user_id if token.user_id is not None else await self._own_user()
        self._sync = self.reads.ask("user/syncrequest", {"users": [user]}, Urgency.VITAL, "")
        self._load(await self.reads.good(self._sync, "user/syncrequest", SYNC_LIMIT))
        await self._further_parts()
        if not self.mirror.loaded:
            raise SocketLost("the broker's snapshot was empty or cut off")
        for collection, endpoint in _NEEDED.items():
            if collection in self.mirror.absent:  # not even empty: it is asked for, because absent is not flat
                self._load({collection: await self.reads.needed(endpoint)})
        nothing = sorted(self.mirror.absent & _NEEDED.keys())
        if nothing or self.mirror.unread:
            raise SocketLost(f"the broker's snapshot cannot be read: {self.mirror.unread or f'no {nothing[0]}'}")
        if not await self.names.ask_for_all():
            raise SocketLost("the broker did not name a contract of its snapshot")
        self.synced.set()
        await self.names.go_on(self.held)

    async def _further_parts(self) -> None:
        """Where there are some, a list may be cut as well: none must have come for a moment."""
        in_parts = self.patience.seconds > 0
        while in_parts or self.mirror.absent:
            with trio.move_on_after(max(PART_LIMIT, self.patience.seconds)) as patience:
                await self._part_came.wait()
            if patience.cancelled_caught:
                return
            in_parts, self._part_came = True, trio.Event()

    def _load(self, data: object) -> None:
        faults = self.mirror.load(data, self.ports.wall(), self.ports.ahead)
        self.hand_out((), faults)

    async def read_back(self) -> None:
        """The stream is a hint: a socket that beats and tells nothing is found by asking.

        What no event has told within `EVENTS_LATE` was lost, and so may be more: the session ends, and the next
        snapshot tells what to make of it. That nothing is missing is told to who holds a position. Raises SocketLost.
        """
        await self.synced.wait()
        while True:
            await trio.sleep(self.ports.dice.uniform(*READ_BACK_EVERY))
            if not self.spare():
                continue
            read = await self.reads.lists()
            unexplained = self._unexplained(read)
            if unexplained or self._untold(read):
                await trio.sleep(EVENTS_LATE)
            untold = self._untold(read)
            if untold:
                raise SocketLost(f"events were lost: no event told of {untold[0]} ({len(untold)} in all)")
            await self._look_for_terms()
            for _, _, words in unexplained & self._unexplained(read):
                raise SocketLost(f"events were lost: {words}")
            if None not in read.values():
                agreed = ReadBack(at=self.ports.wall())
                self.hand_out([(account, agreed) for account in self.mirror.in_position()], ())

    async def _look_for_terms(self) -> None:
        """Real world: an order comes and its version does not; the lists show nothing new. Raises SocketLost."""
        for number in sorted(self.mirror.without_terms() - self._no_terms):
            endpoint = "orderVersion/deps"
            rows = await self.reads.politely(
                self.reads.ask(endpoint, None, Urgency.READ, f"masterid={number}"), endpoint
            )
            if isinstance(rows, list) and rows and number in self.mirror.without_terms():
                raise SocketLost(f"events were lost: no event told what order {number} asks for")
            if rows == []:
                self._no_terms.add(number)  # the broker does not know them either: it is not asked again

    def _unexplained(self, read: Mapping[str, object]) -> set[tuple[BrokerAccountId, int, str]]:
        """Real world: a fill that nobody can read. The same a moment later, with no event in between, it is certain."""
        found = self.mirror.unexplained(read["position"]).items()
        return {(account, self.mirror.moves(account), words) for account, words in found}

    def _untold(self, read: Mapping[str, object], account: BrokerAccountId | None = None) -> tuple[str, ...]:
        return tuple(words for kind, rows in read.items() for words in self.mirror.lacks(kind, rows, account))

    async def _own_user(self) -> int:
        """The login's own user id; `account.userId` would be the firm's."""
        data = await self.reads.needed("user/list")
        user = identity(data[0].get("id")) if isinstance(data, list) and data and isinstance(data[0], dict) else None
        if user is None:
            raise SocketLost("the broker did not say which user the token belongs to")
        return user
