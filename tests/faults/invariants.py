"""What must never be false, whatever befalls a world: each invariant by its number in the catalogue, in one place.

Some are looked at from above, at the broker; some at every commit of the daemon; some at the end, when all is calm.
A violation is a value; the world stops at the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import trio

from daemon.ledger import Ledger, Taken
from daemon.simulator.entities import Change
from statecharts import events as e
from statecharts import excess, exposure, sizing
from statecharts import states as s
from statecharts.account import Turn, broken
from statecharts.book import LEADERS_OWN, Book, Verb
from statecharts.effects import PlaceOrder, Request, Tell, Unexpected
from statecharts.monitor import BROKEN
from statecharts.order import Stage
from statecharts.rules import CopyRules
from statecharts.sizing import Kind
from statecharts.values import AccountName, CopyId, OrderId, OrderType, Symbol

if TYPE_CHECKING:
    from tests.faults.storm import Storm

LEADER = "lead"
DIALS, DIALS_A_MINUTE = 40, 12
KNOCKS_A_MINUTE = 4  # while nobody expects the broker to be there
HASTE = 100.0  # seconds before its end, when it is knocked at more often
QUIET_AFTER = 180.0  # seconds since the window began, or since somebody had the daemon look
TASKS = 400  # of the daemon, the look-alike and the wires together
COPIED_WITHIN = 120.0  # seconds in which everybody is healthy
REREAD = 4  # of so many starts one is looked at: it means to read everything twice
DEAD_SOCKET_LIMIT = 15.0  # seconds that an account may be Connected on a link that is dead, seen from above


class Violation(AssertionError):
    """An invariant was false: its number, and what was seen."""


@attrs.define(eq=False)
class Invariants:
    storm: Storm
    checks: Counter[str] = attrs.field(factory=Counter)
    first: Violation | None = None
    broken: trio.Event = attrs.field(factory=trio.Event)
    _asked_for: dict[str, set[str]] = attrs.field(factory=dict)  # client order ids in commits, by account
    _accepted_at: dict[str, set[str]] = attrs.field(factory=dict)  # likewise, accepted by the broker
    _put_off: dict[str, set[str]] = attrs.field(factory=dict)  # likewise, answered with a penalty ticket
    _on_dead_since: dict[str, float] = attrs.field(factory=dict)
    _flattened: set[str] = attrs.field(factory=set)
    _ordered: dict[int, float] = attrs.field(factory=dict)  # the leader's orders of which nothing is known yet, since
    _healthy_since: float = 0.0
    _over_since: dict[str, float] = attrs.field(factory=dict)  # beyond its cap: exits that rested have become openings
    _last: dict[str, Book] = attrs.field(factory=dict)  # as committed
    _led: dict[int, set[int]] = attrs.field(factory=dict)  # by contract, the leader's orders since he was last flat

    def slept(self, seconds: float) -> None:
        """The machine has stood still: nobody could act meanwhile, and that time counts for nobody."""
        self.storm.slept_at = trio.current_time()
        self._on_dead_since.clear()
        self._healthy_since += seconds
        self._ordered = {order: at + seconds for order, at in self._ordered.items()}
        self._over_since = {name: at + seconds for name, at in self._over_since.items()}

    def turned(self) -> None:
        """The trading session has: the broker's lists forget what is finished, and nobody can learn of it any more.

        What of ours has filled unseen until then is a stranger's from now on, told and left alone.
        """
        self._ordered.clear()
        for name in self.storm.followers:
            contracts = self._last.get(name, Book()).contracts
            known = {symbol: contract.own for symbol, contract in contracts.items() if contract.own}
            if known != self.storm.positions(name):
                self.storm.visited.add(name)

    def expect(self, number: str, holds: bool, words: str) -> None:
        self.checks[number] += 1
        if not holds and self.first is None:
            self.first = Violation(f"{number}: {words}")
            self.storm.tell("VIOLATION", str(self.first))
            self.broken.set()

    # ---- at the broker

    def changed(self, change: Change) -> None:
        if change.kind == "command" and change.event == "Created" and change.entity["commandType"] == "New":
            self._accepted(change)
            if self.storm.name_of(change.owner) == LEADER:
                self._ordered[change.entity["orderId"]] = trio.current_time()
        elif change.kind == "position":
            self._moved(change)
        elif change.kind == "fill" and self.storm.name_of(change.owner) == LEADER:
            self._led.setdefault(change.entity["contractId"], set()).add(change.entity["orderId"])

    def _accepted(self, change: Change) -> None:
        entity, storm = change.entity, self.storm
        name = storm.name_of(change.owner)
        if name is None or not entity.get("isAutomated"):
            return
        self.expect("I11", name in storm.followers, f"an order of ours on {name}, which follows nobody")
        client_id = str(entity.get("clOrdId") or storm.text_of(entity["orderId"]))
        written = client_id in self._asked_for.get(name, ())
        self.expect("I02", written, f"{name}: {client_id} is at the broker, and no commit had asked for it")
        seen = self._accepted_at.setdefault(name, set())
        self.expect("I01", client_id not in seen, f"{name}: {client_id} was accepted twice")
        seen.add(client_id)

    def _moved(self, change: Change) -> None:
        storm, entity = self.storm, change.entity
        name = storm.name_of(entity["accountId"])
        if name == LEADER and not entity["netPos"]:
            self._led.pop(entity["contractId"], None)
        if name in storm.followers and name not in storm.visited and abs(entity["netPos"]) <= storm.caps[name]:
            self._over_since.pop(name, None)
        elif name in storm.followers and name not in storm.visited:
            self._over_since.setdefault(name, trio.current_time())

    # ---- at a commit

    def committed(self, turns: Sequence[Taken]) -> None:
        for taken in turns:
            self._last[taken.after.name] = taken.after.book
            if taken.failed is not None:
                self.expect("I16", False, f"{taken.after.name}: a turn raised: {taken.failed[-400:]}")
            else:
                self._seen_from_inside(taken)
            if isinstance(taken.event, e.RequestPenalised):
                self._penalised(taken, taken.event)
            self._operated(taken)
            for effect in taken.effects:
                if isinstance(effect, Request):
                    self._asked(taken, effect)
                elif isinstance(effect, Unexpected):
                    self.expect("I16", False, f"{taken.after.name}: {effect.event} is not foreseen in {effect.state}")

    def reopened(self, ledger: Ledger, lost: bool) -> None:
        """A new process reads what the last one has committed: all of it, unless the power was cut."""
        if not lost and self.storm.deaths % REREAD:
            return
        for name, book in list(self._last.items()):
            loaded = ledger.load(AccountName(name))
            same = loaded is not None and loaded.book == book
            self.expect("I24", same or lost, f"{name}: was not read as it was written")
            if lost:
                left = self._last[name] = loaded.book if loaded is not None else Book()
                self._forgotten(name, left)

    def _forgotten(self, name: str, left: Book) -> None:
        """A power cut may have taken the last commits: what they asked for is decided again, and so has its old name.

        It is not to be at the broker twice for that (I01): what has arrived is found again by its name.
        """
        self._flattened.discard(name)
        self._put_off.setdefault(name, set()).update(self._asked_for.get(name, set()) - left.names.keys())

    def _seen_from_inside(self, taken: Taken) -> None:
        """What the daemon's own monitor sees of a turn, and whether it had to step in: neither may happen."""
        name, turn = taken.after.name, Turn(taken.after, tuple(taken.effects))
        for one in broken(taken.before, taken.event, turn):
            self.expect(f"turn: {one.name}", False, f"{name}: {one.why}")
        stepped_in = [one for one in taken.effects if isinstance(one, Tell) and BROKEN in one.message]
        self.expect("turn", not stepped_in, f"{name}: {[one.message for one in stepped_in]}")

    def _operated(self, taken: Taken) -> None:
        """Flattened means: nothing opens until it is resumed, and what is verified to be flat is flat."""
        name, event = taken.after.name, taken.event
        if isinstance(event, e.FlattenAsked):
            self._flattened.add(name)
        elif isinstance(event, e.ResumeAsked):
            self._flattened.discard(name)
        verified = {one.by for one in taken.before.book.latches if one.verified_at is not None}
        for latch in taken.after.book.latches:
            if latch.verified_at is None or latch.by in verified or name in self.storm.visited:
                continue
            left = {
                s_: n for s_, n in self.storm.positions(name).items() if latch.symbols is None or s_ in latch.symbols
            }
            working = self.storm.broker.working(self.storm.config.accounts[name].name)
            working = [one for one in working if latch.symbols is None or one.symbol in latch.symbols]
            self.expect("I08", not left and not working, f"{name}: verified to be flat, with {left} and {working[:2]}")
        refused = isinstance(taken.after.connection, s.Unauthorized)
        if refused and not isinstance(taken.before.connection, s.Unauthorized):
            self.expect("I35", self.storm.climate.refuses_tokens, f"{name}: {taken.after.connection} for no reason")

    def _penalised(self, taken: Taken, event: e.RequestPenalised) -> None:
        """The broker has not processed it: the very same request goes once more, with the ticket."""
        put_off = self._put_off.setdefault(taken.after.name, set())
        copies = taken.before.book.copies
        family = [c for c in copies.values() if event.copy in (c.id, c.sent_with)]
        put_off |= {copy.client_id for copy in family}

    def _asked(self, taken: Taken, effect: Request) -> None:
        name, after = taken.after.name, taken.after
        asked = self._asked_for.setdefault(name, set())
        ids = {effect.client_id, *(leg.client_id for leg in getattr(effect, "legs", ()))}
        again = (ids & asked) - self._put_off.get(name, set())
        self.expect("I06", not again, f"{name}: {sorted(again)} is asked for twice")
        asked |= ids
        self._put_off.get(name, set()).difference_update(ids)
        self.expect(
            "I03", isinstance(after.connection, s.Copying), f"{name}: sends in {type(after.connection).__name__}"
        )
        copy = after.book.copies.get(CopyId(effect.copy))
        if not isinstance(effect, PlaceOrder) or copy is None:
            return
        before = taken.before.book.copies.get(copy.id)
        doubtful = before is not None and before.stage is Stage.UNKNOWN
        if copy.kind is Kind.ENTRY:
            self.expect("I04", not doubtful, f"{name}: {copy.id}, an entry, goes again although its answer was lost")
            late = isinstance(taken.event, e.LeaderViewTaken | e.SnapshotTaken) and before is None
            fresh = after.rules.copy is not None and after.rules.copy.catch_up == "fresh"
            self.expect("I10", fresh or not late, f"{name}: {copy.id} opens what was missed")
        elif doubtful and before is not None and after.rules.copy is not None:
            sent = taken.before.book.copies.get(before.sent_with or before.id, before)  # a leg goes with its request
            lost_at = sent.lost_at or sent.decided_at
            settled = sent.absent and taken.event.at >= lost_at + after.rules.copy.settle
            self.expect("I04", bool(settled), f"{name}: {copy.id} goes again and may yet exist")
        if copy.kind is not Kind.EXIT:
            self.expect("I07", name not in self._flattened, f"{name}: opens in {effect.symbol} after it was flattened")
        in_doubt = [c.id for c in after.book.in_progress(effect.symbol) if c.trades and c.stage is Stage.UNKNOWN]
        if copy.kind is not Kind.EXIT:
            self.expect("I05", not in_doubt, f"{name}: opens in {effect.symbol} beside the unknown {in_doubt}")
            self.expect("I03", not after.book.held_back(), f"{name}: opens while it is not compared with its leader")
            self.expect("pause", after.no_openings is None, f"{name}: opens although {after.no_openings}")
        elif copy.verb is Verb.CLOSE:
            self.expect("I05", not in_doubt, f"{name}: closes in {effect.symbol} beside the unknown {in_doubt}")
            own = after.book.contract(effect.symbol).own
            leaving = [c for c in after.book.in_progress(effect.symbol) if exposure.reduces(c, own)]
            leaving = [c for c in leaving if c.stage is not Stage.HELD]  # what waits is sized anew when it goes
            market = sum(c.rest for c in leaving if c.terms is not None and c.terms.order_type is OrderType.MARKET)
            self.expect("exits", market <= abs(own), f"{name}: {market} {effect.symbol} leave at market of {own}")

    # ---- now and then

    async def watch(self) -> None:
        while True:
            await trio.sleep(2.0)
            self._budget()
            self._dead_sockets()
            self._copied_in_time()
            tasks = trio.lowlevel.current_statistics().tasks_living
            self.expect("I17", tasks <= TASKS, f"{tasks} tasks")

    def _budget(self) -> None:
        storm, now = self.storm, trio.current_time()
        dials = [at for at in storm.wire.connects if at > now - 60.0]
        self.expect("I19", len(dials) <= DIALS + DIALS_A_MINUTE + 1, f"{len(dials)} connections in a minute")
        undisturbed = now - storm.stirred_at > QUIET_AFTER and not storm.skew
        if storm.window is not None and storm.window[0] + QUIET_AFTER < now < storm.window[1] - HASTE and undisturbed:
            self.expect("I21", len(dials) <= KNOCKS_A_MINUTE, f"{len(dials)} knocks in a minute of the broker's window")
        for login in storm.config.logins:
            live = [one for one in storm.server.live_sockets(login) if not one.dark]
            self.expect("I17", len(live) <= 3 + storm.deaths, f"login {login} has {len(live)} sockets")

    def _dead_sockets(self) -> None:
        storm, now = self.storm, trio.current_time()
        if storm.supervisor is None or not storm.alive:
            self._on_dead_since.clear()
            return
        for name, running in storm.supervisor.accounts.items():
            if not storm.wire.all_dark() or not isinstance(running.account.connection, s.Connected):
                self._on_dead_since.pop(name, None)
                continue
            since = self._on_dead_since.setdefault(name, now)
            self.expect("I18", now - since <= DEAD_SOCKET_LIMIT, f"{name} is Connected on a dead socket")

    def _copied_in_time(self) -> None:
        """What the leader did is copied, or skipped with a reason, soon after all have been healthy together."""
        storm, now = self.storm, trio.current_time()
        accounts = storm.supervisor.accounts if storm.supervisor is not None and storm.alive else {}
        if len(accounts) < len(storm.config.accounts) or not all(
            isinstance(one.account.connection, s.Copying) and one.account.book.silent_until is None
            for one in accounts.values()
        ):
            self._healthy_since = now
            return
        mode = storm.config.copies[0].mode
        for name, since in self._over_since.items():
            over = f"{name} holds {storm.positions(name)} where {storm.caps[name]} is the cap"
            self.expect("I09", now - max(since, self._healthy_since) <= COPIED_WITHIN, over)
        due = [order for order, at in self._ordered.items() if now - max(at, self._healthy_since) > COPIED_WITHIN]
        for order in due:
            del self._ordered[order]
            for name in storm.followers:
                book = accounts[name].account.book
                if not book.held_back() and mode == "orders":
                    known = OrderId(order) in book.placed or _never_awake(book, OrderId(order))
                    self.expect("I34", known, f"{name}: nothing became of the leader's order {order}")

    # ---- when all is calm

    def calm(self) -> None:
        storm = self.storm
        for name in storm.config.accounts:
            leaf = storm.leaf(name)
            self.expect("I31", leaf is s.Copying, f"{name} is {leaf.__name__} when all is calm")
        for name in storm.followers:
            self._settled(name)
        for secret in storm.secrets():
            told = [entry.message for entry in storm.journal if secret in entry.message]
            self.expect("I28", not told, f"a secret in the journal: {told[:1]}")

    def _settled(self, name: str) -> None:
        storm = self.storm
        running = storm.account(name).account
        for copy in running.book.all_open():
            entry = running.book.copies.get(copy.guards or LEADERS_OWN)
            waits = copy.stage is Stage.HELD and (copy.opens_at is not None or (entry is not None and entry.open))
            fine = copy.stage in (Stage.WORKING, Stage.ACCEPTED) or waits
            self.expect(
                "I33", fine, f"{name}: {copy.verb.value} {copy.symbol} is still {copy.stage.value}: {copy.reason}"
            )
        held = storm.positions(name)
        owned = {symbol: c.own for symbol, c in running.book.contracts.items() if c.own}
        foreign = {symbol: c.foreign for symbol, c in running.book.contracts.items() if c.foreign}
        total = {s_: owned.get(s_, 0) + foreign.get(s_, 0) for s_ in {*owned, *foreign}}
        self.expect("I14", {k: n for k, n in total.items() if n} == held, f"{name}: books {total}, broker {held}")
        rules = running.rules.copy
        assert rules is not None
        for symbol in sorted({*map(Symbol, held), *running.book.contracts}):
            target = exposure.total_target(running.book, symbol, rules)
            contract = running.book.contract(symbol)
            reach = _caught_up(running.book, symbol, rules)
            same = contract.own in (target, reach)
            told = contract.no_entry or contract.left or contract.foreign or running.no_openings
            told = told or self._shortage_told(name, symbol, rules)
            self.expect(
                "I32", same or bool(told), f"{name}: {symbol} {contract.own} where {target} is the target, in silence"
            )
            self.expect(
                "I32",
                contract.own in (exposure.goal(contract.own, target), exposure.goal(contract.own, reach)),
                f"{name}: {symbol} {contract.own} beyond {target}, and {reach}",
            )
        rows = storm.rows(name, "place")
        self._told(name, rows)

    def _told(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        copied = [row for row in rows if row["leader_order_id"] is not None]
        copied = [row for row in copied if row["order_id"] is not None or row["outcome"] != "skipped"]
        events = [(row["leader_order_id"], row["leader_fill_id"]) for row in copied]
        doubled = [one for one, count in Counter(events).items() if count > 1]
        self.expect("I01", not doubled, f"{name}: more than one copy of {doubled[:3]}")
        for row in rows:
            if row["order_id"] is None:
                self.expect("told", bool(row["reason"]), f"{name}: a non-copy without a reason: {row['id']}")

    def _shortage_told(self, name: str, symbol: Symbol, rules: CopyRules) -> bool:
        """Of the orders that he has filled since he was flat, has one been copied with less, and been told?"""
        storm = self.storm
        led = set[int]()
        for contract, orders in self._led.items():
            led |= orders if sizing.follower_symbol(storm.symbol_of(contract), rules) == symbol else set()
        rows = [row for row in storm.rows(name) if row["leader_order_id"] in led]
        return any(
            row["reason"]
            and (row["outcome"] != "filled" or row["verb"] == "cancel" or sizing.CAPPED in str(row["reason"]))
            for row in rows
        )


def _caught_up(book: Book, symbol: Symbol, rules: CopyRules) -> int:
    """The target when the leader's orders have filled that ours were filled before, or made larger by rounding."""
    assert book.theirs is not None, "copying begins with both views"
    net = dict(book.theirs.net)
    for order in book.theirs.alive:
        copy = book.copies.get(book.placed.get(order.id, LEADERS_OWN))
        if copy is not None and (copy.filled or copy.side.sign * book.contract(symbol).own > 0):
            coming = min(excess.to_come(order), excess.behind(copy, order, rules))
            net[order.symbol] = net.get(order.symbol, 0) + order.side.sign * coming
    return exposure.target_of(net, symbol, rules)


def _never_awake(book: Book, number: OrderId) -> bool:
    """The child of a bracket sleeps until its parent fills, and may end so: nothing is to be copied of it."""
    order = book.theirs.orders.get(number) if book.theirs is not None else None
    if order is None or book.theirs is None or order.filled:
        return False
    return not order.rest or book.theirs.asleep(order)
