"""Which bulletins one address is told, when, and which of them are one message. Pure: the time is an argument.

Theory of operation. Most bulletins pass at once or not at all. What breaks and is mended again (a connection, a leader)
is an outage: its accounts are gathered, it is told once when it has lasted for `after`, and its end is told once, when
the last of its accounts is back. Trouble of a login (network, broker, eviction) is one outage for all of its accounts;
trouble of an account's own (the broker does not know it, a bug) is the outage of that account.

Rule 1: nothing that ended before `after`, and nothing inside an expected maintenance window, is told.
Rule 2: whoever has been told of a beginning is told of its end, whatever the lowest severity is.
Rule 3: a page is never held back and never merged into another message.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import attrs

from daemon import holdings
from daemon.bulletins import STATE, Bulletin
from daemon.config import Notify
from daemon.config.sense import EVENTS
from statecharts.states import Cause, Disconnected

GATHER = 0.5  # seconds: the accounts of a login break in one moment, but one after the other
BEGINNINGS = {"connection.fixed": "connection.broken", "leader.back": "leader.lost"}
_RANKS = {"info": 0, "warning": 1, "page": 2}
_OF_ITS_OWN = (Cause.CREDENTIALS.value, Cause.BUG.value)  # trouble that the other accounts of the login do not share
_TOLD_ONCE = {"token.refused": "connection.fixed", "token.expiring": "token.renewed"}  # per login, until the other one

Key = tuple[str, str]


@attrs.define(eq=False, repr=False)
class Outage:
    """`members`: how each account broke, of those not yet back; `names`: every account that has been among them."""

    beginning: str
    due: float
    members: dict[str, Bulletin] = attrs.field(factory=dict)
    names: dict[str, None] = attrs.field(factory=dict)
    told: set[str] = attrs.field(factory=set)

    @property
    def broken(self) -> list[Bulletin]:
        return [one for one in self.members.values() if one.event == self.beginning]

    @property
    def waits(self) -> bool:
        """Has its beginning yet to be told?"""
        return self.beginning not in self.told and bool(self.broken)

    def leave(self, account: str | None) -> bool:
        """Was it a member, and the last one?"""
        return self.members.pop(account or "", None) is not None and not self.members

    def join(self, bulletin: Bulletin) -> None:
        account = bulletin.account or ""
        if account not in self.members or self.members[account].event != self.beginning:
            self.members[account] = bulletin
        self.names[account] = None


@attrs.define(eq=False, repr=False)
class Sieve:
    """One address's. `held` answers, in words, what these accounts hold."""

    settings: Notify
    held: Callable[[Collection[str]], str]
    _outages: dict[Key, Outage] = attrs.field(factory=dict)
    _once: set[Key] = attrs.field(factory=set)

    def hear(self, bulletin: Bulletin, now: float) -> list[Bulletin]:
        """What is to be told at once because of it."""
        if bulletin.event == STATE:
            self._expect(bulletin)
            return []
        if bulletin.event in BEGINNINGS:
            return list(self._mended(bulletin))
        if bulletin.event in BEGINNINGS.values():
            return self._broke(bulletin, now)
        if bulletin.event in _TOLD_ONCE:
            return self._of_login(bulletin, now)
        self._once -= {(event, bulletin.login or "") for event, end in _TOLD_ONCE.items() if end == bulletin.event}
        return [bulletin] if self._wanted(bulletin) else []

    def due(self, now: float) -> list[Bulletin]:
        """The outages that have lasted long enough."""
        told = []
        for outage in self._outages.values():
            if outage.waits and outage.due <= now:
                outage.told.add(outage.beginning)
                told.append(self._beginning(outage))
        return told

    @property
    def next_due(self) -> float:
        return min((outage.due for outage in self._outages.values() if outage.waits), default=float("inf"))

    def _wanted(self, bulletin: Bulletin) -> bool:
        loud = _RANKS[bulletin.severity] >= _RANKS[self.settings.min_severity]
        return loud and self._chosen(bulletin.event)

    def _chosen(self, event: str) -> bool:
        return event in (self.settings.events or EVENTS)

    def _broke(self, bulletin: Bulletin, now: float) -> list[Bulletin]:
        if bulletin.cause == Cause.MAINTENANCE.value:
            self._leave(bulletin, untold_only=True)
            return []
        connection = bulletin.event == "connection.broken"
        if connection and bulletin.cause == Cause.OPERATOR.value:
            # The operator's own doing: no outage. Reading an account anew is not even a disconnection.
            self._leave(bulletin)
            return [bulletin] if bulletin.state == Disconnected.shown and self._wanted(bulletin) else []
        if not self._wanted(bulletin):
            return []
        key = self._key(bulletin)
        self._leave(bulletin, but=key)
        outage = self._outage(key, bulletin.event, now)
        if not outage.broken:
            outage.due = self._due(now)
        outage.join(bulletin)
        if bulletin.severity == "page":
            outage.told.add(bulletin.event)
            return [bulletin]
        return []

    def _of_login(self, bulletin: Bulletin, now: float) -> list[Bulletin]:
        """Told once for the login. Its accounts say the same, and are who must be back before it is over."""
        if not self._wanted(bulletin):
            return []
        login = bulletin.login or ""
        refused = bulletin.event == "token.refused"
        if refused and bulletin.account is not None:
            self._outage(("login", login), "connection.broken", now).join(bulletin)
            return []
        if (bulletin.event, login) in self._once:
            return []
        self._once.add((bulletin.event, login))
        if refused:
            self._outage(("login", login), "connection.broken", now).told.add(bulletin.event)
        return [bulletin]

    def _mended(self, bulletin: Bulletin) -> Iterator[Bulletin]:
        beginning = BEGINNINGS[bulletin.event]
        if bulletin.event == "connection.fixed":
            self._once.discard(("token.refused", bulletin.login or ""))
        for key, outage in list(self._outages.items()):
            if outage.beginning == beginning and outage.leave(bulletin.account):
                del self._outages[key]
                if outage.told and self._chosen(bulletin.event):
                    yield self._end(outage, bulletin)

    def _expect(self, bulletin: Bulletin) -> None:
        """An account that is in a maintenance window by now was lost a moment too early: that is no outage."""
        if bulletin.cause == Cause.MAINTENANCE.value:
            for beginning in BEGINNINGS.values():
                self._leave(attrs.evolve(bulletin, event=beginning), untold_only=True)

    def _leave(self, bulletin: Bulletin, *, untold_only: bool = False, but: Key | None = None) -> None:
        """The account is no longer among those of an outage, though not mended."""
        for key, outage in list(self._outages.items()):
            if key == but or outage.beginning != bulletin.event or (untold_only and outage.told):
                continue
            if outage.leave(bulletin.account):
                del self._outages[key]

    def _outage(self, key: Key, beginning: str, now: float) -> Outage:
        return self._outages.setdefault(key, Outage(beginning, self._due(now)))

    def _due(self, now: float) -> float:
        return now + max(self.settings.after.total_seconds(), GATHER)

    def _key(self, bulletin: Bulletin) -> Key:
        if bulletin.event == "leader.lost":
            return "leader", bulletin.account or ""
        if bulletin.cause in _OF_ITS_OWN:
            return "account", bulletin.account or ""
        return "login", bulletin.login or ""

    def _beginning(self, outage: Outage) -> Bulletin:
        """The first account's bulletin, in the name of all."""
        broken = outage.broken
        first = broken[0]
        names = tuple(outage.names)
        if len(names) == 1:
            return first
        many = f"{len(names)} accounts of login {first.login} do not copy ({first.reason}): {holdings.names(names)}"
        return attrs.evolve(
            first,
            account=None,
            accounts=names,
            severity=max((one.severity for one in broken), key=lambda one: _RANKS[one]),
            detail=f"{first.login}: connection lost {first.at:%H:%M:%S} UTC. {many}. {self.held(names)}",
        )

    def _end(self, outage: Outage, last: Bulletin) -> Bulletin:
        names = tuple(outage.names)
        if len(names) == 1:
            return last
        many = f"{len(names)} accounts were read anew and copy again: {holdings.names(names)}"
        detail = f"{last.login}: connected again {last.at:%H:%M:%S} UTC. {many}"
        return attrs.evolve(last, account=None, accounts=names, detail=detail)
