"""One event and what follows from it at once: one commit, then the effects; each account's bug is its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import cast

import attrs
import pytest
import trio

from daemon.ledger import Ledger, LedgerError, Posted, Taken
from daemon.round import Rounds, _Round
from daemon.runner import Activities, Begin, Inbox, Item, Runner
from statecharts import events as e
from statecharts import states as s
from statecharts.account import Account
from statecharts.effects import Effect, PlaceOrder, Priority, Request
from statecharts.rules import CopyRules, Rules
from statecharts.values import (
    AccountName,
    BrokerAccountId,
    CopyId,
    CopyName,
    Order,
    OrderId,
    OrderType,
    Side,
    Status,
    Symbol,
    Terms,
    VersionId,
)
from statecharts.view import Snapshot

NOON = datetime(2026, 11, 18, 18, tzinfo=UTC)
ORDER = Order(
    id=OrderId(11),
    symbol=Symbol("ESZ6"),
    side=Side.BUY,
    status=Status.WORKING,
    at=NOON,
    terms=Terms(quantity=1, order_type=OrderType.LIMIT, price=Decimal(5000)),
    version=VersionId(12),
)
LEAD, F1, F2, F3 = (AccountName(name) for name in ("lead", "f1", "f2", "f3"))


@attrs.define(eq=False)
class Record:
    """The order in which things were done, over all accounts."""

    lines: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class Hands:
    name: str
    record: Record
    bug: Exception | None = None

    def perform(self, effect: Effect) -> Begin | None:
        if self.bug is not None:
            raise self.bug
        self.record.lines.append(f"{self.name} {type(effect).__name__}")
        return partial(self._wait, effect) if isinstance(effect, Request) else None

    def _wait(self, effect: Effect) -> None:
        if self.name == F3:
            raise ArithmeticError("f3 cannot wait for anything")
        self.record.lines.append(f"{self.name} waits")

    async def run(self, task_status: object = None) -> None:
        raise NotImplementedError("nothing runs here")


@attrs.define
class WatchedLedger(Ledger):
    """Notes its commits. `broken`: it cannot be written to."""

    record: Record = attrs.field(factory=Record)
    broken: bool = False

    def commit(self, turns: object, posted: object = ()) -> list[int]:
        if self.broken:
            raise LedgerError("the disk is gone", self.path, "mend it")
        self.record.lines.append("commit")
        return super().commit(cast("list[Taken]", turns), cast("list[Posted]", posted))


@attrs.define(eq=False)
class House:
    rounds: Rounds
    ledger: WatchedLedger
    record: Record
    told: list[Taken]

    def runner(self, name: AccountName) -> Runner:
        return self.rounds.runners[name]

    def hands(self, name: AccountName) -> Hands:
        return cast("Hands", self.runner(name).errands)

    def take(self, name: AccountName, event: e.Event, outbox_id: int | None = None) -> None:
        self.rounds.take(self.runner(name), Item(event, outbox_id=outbox_id))


def _rules(name: AccountName) -> Rules:
    if name == LEAD:
        return Rules(leads=True)
    return Rules(copy=CopyRules(name=CopyName("main"), leader=LEAD))


def _snapshot() -> Snapshot:
    return Snapshot(BrokerAccountId(1), NOON, {}, {})


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    record, told = Record(), list[Taken]()
    ledger = cast("WatchedLedger", WatchedLedger.open(tmp_path / "ledger.sqlite"))
    ledger.record = record
    rounds = Rounds(ledger, lambda: NOON, told.append, {LEAD: (F1, F2, F3)})
    for name in (LEAD, F1, F2, F3):
        account = Account(name=name, connection=s.Resyncing(since=NOON), rules=_rules(name))
        inbox = Inbox(idle=True)
        nothing = cast("Activities", None)
        rounds.runners[name] = Runner(account, rounds, nothing, Hands(name, record), inbox)
    yield House(rounds, ledger, record, told)
    ledger.close()


def _announce(house: House) -> None:
    """The leader has been read: it announces its whole view."""
    house.take(LEAD, e.SnapshotTaken(at=NOON, snapshot=_snapshot()))


def test_a_leader_s_event_and_its_idle_followers_turns_are_one_commit_before_any_effect(house: House) -> None:
    _announce(house)
    assert house.record.lines[0] == "commit"
    assert house.record.lines.count("commit") == 1
    assert [taken.after.name for taken in house.told] == [LEAD, F1, F2, F3]
    assert all(house.runner(name).account.book.theirs is not None for name in (F1, F2, F3))


def test_a_busy_follower_finds_the_announcement_in_the_outbox_until_it_has_taken_it(house: House) -> None:
    house.runner(F2).inbox.idle = False
    _announce(house)
    ((number, event),) = house.ledger.undelivered(F2)
    assert isinstance(event, e.LeaderViewTaken)
    assert house.ledger.undelivered(F1) == []
    assert house.runner(F2).account.book.theirs is None
    house.take(F2, event, outbox_id=number)
    assert house.ledger.undelivered(F2) == []
    assert house.runner(F2).account.book.theirs is not None


def test_a_ledger_that_cannot_be_written_to_leaves_everything_as_it_was(house: House) -> None:
    house.ledger.broken = True
    before = {name: house.runner(name).account for name in (LEAD, F1)}
    with pytest.raises(LedgerError):
        _announce(house)
    assert {name: house.runner(name).account for name in (LEAD, F1)} == before
    assert not house.record.lines
    assert not house.told


def test_a_follower_whose_turn_raises_fails_alone_and_hears_its_leader_once_more(house: House) -> None:
    runner = house.runner(F2)
    for name in (F1, F2, F3):
        house.take(name, e.SnapshotTaken(at=NOON, snapshot=_snapshot()))
        house.runner(name).inbox.idle = True
    _announce(house)
    # A ratio that is no number: whatever sizes an order with it raises.
    copy = CopyRules(name=CopyName("main"), leader=LEAD, ratio=Decimal("NaN"))
    runner.account = attrs.evolve(runner.account, rules=Rules(copy=copy))
    house.take(LEAD, e.OrderSeen(at=NOON, order=ORDER))
    (failed,) = [taken for taken in house.told if taken.failed]
    assert failed.after.name == F2
    assert failed.after.close_only is not None
    assert len(house.runner(F1).account.book.copies) == len(house.runner(F3).account.book.copies) == 1
    assert house.runner(F1).account.failures == house.runner(LEAD).account.failures == 0
    ((_, event),) = house.ledger.undelivered(F2)
    assert isinstance(event, e.LeaderViewTaken)


def _of_ratios(house: House, **ratios: int) -> None:
    """These followers copy, each with its ratio, and the leader trades."""
    for name, ratio in ratios.items():
        runner = house.runner(AccountName(name))
        copy = CopyRules(name=CopyName("main"), leader=LEAD, ratio=Decimal(ratio))
        runner.account = attrs.evolve(runner.account, rules=Rules(copy=copy))
        house.take(runner.name, e.SnapshotTaken(at=NOON, snapshot=_snapshot()))
        runner.inbox.idle = True
    _announce(house)
    house.record.lines.clear()
    house.take(LEAD, e.OrderSeen(at=NOON, order=ORDER))


def test_who_can_lose_most_is_sent_for_first(house: House) -> None:
    _of_ratios(house, f1=1, f2=3, f3=2)
    assert [line for line in house.record.lines if line.endswith("PlaceOrder")] == [
        "f2 PlaceOrder",
        "f3 PlaceOrder",
        "f1 PlaceOrder",
    ]


def test_an_exit_is_sent_before_an_entry_however_large(house: House) -> None:
    round_ = _Round(house.rounds)
    for name, priority, quantity in ((F1, Priority.ENTRY, 9), (F2, Priority.EXIT, 1), (F3, Priority.CANCEL, 2)):
        account = house.runner(name).account
        effect = PlaceOrder(
            copy=CopyId(f"{name}-1"),
            client_id=f"{name}-1",
            account=BrokerAccountId(1),
            priority=priority,
            symbol=ORDER.symbol,
            side=Side.SELL,
            terms=Terms(quantity=quantity, order_type=OrderType.MARKET),
        )
        round_.add(house.runner(name), Taken(account, account, e.Event(at=NOON), (effect,)))
    house.rounds._carry_out(round_)
    assert house.record.lines == ["commit", "f2 PlaceOrder", "f3 PlaceOrder", "f1 PlaceOrder"]


def test_nobody_waits_for_an_answer_before_the_writer_has_had_its_turn(house: House) -> None:
    async def write() -> None:
        house.record.lines.append("written")

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            _of_ratios(house, f1=1, f2=3, f3=2)
            nursery.start_soon(write)
            await house.rounds.follow()
        assert house.record.lines[-3:] == ["written", "f2 waits", "f1 waits"]
        with pytest.raises(ArithmeticError):  # its own task hears of it, and nobody else's
            await house.runner(F3).inbox.take()
        await house.rounds.follow()
        assert house.record.lines[-1] == "f1 waits", "each once"

    trio.run(story)


def test_a_failed_turn_is_consumed_and_its_state_is_entered_anew(house: House) -> None:
    runner = house.runner(F1)
    state = s.BackingOff(since=NOON)
    runner.account = attrs.evolve(runner.account, connection=state)
    house.take(F1, e.RulesChanged(at=NOON, rules=cast("Rules", None)))
    assert runner.account.failures == 1
    assert runner.account.connection == state
    assert runner.account.connection is not state
    (turn,) = house.ledger.turns(F1)
    assert turn.failed is not None
    assert "AttributeError" in turn.failed


def test_an_effect_that_cannot_be_begun_harms_no_other_account(house: House) -> None:
    house.hands(F1).bug = ArithmeticError("f1 cannot begin anything")
    house.runner(F1).account = attrs.evolve(house.runner(F1).account, connection=s.Copying(since=NOON))
    house.take(F1, e.SessionLost(at=NOON, reason="cut"))
    house.take(F2, e.DisconnectAsked(at=NOON))
    assert "f2 Tell" in house.record.lines
    assert house.runner(F1).inbox._bug is house.hands(F1).bug


def test_a_crash_dials_anew_and_keeps_what_is_known_of_the_leader(house: House) -> None:
    _announce(house)
    theirs = house.runner(F1).account.book.theirs
    house.rounds.fail(house.runner(F1), ArithmeticError("in a task of f1"))
    account = house.runner(F1).account
    assert isinstance(account.connection, s.Dialing)
    assert account.book.theirs == theirs
    assert theirs is not None
    assert theirs.current
    assert account.failures == 1
    assert "ArithmeticError" in (account.close_only or "")


def _unwritable(house: House, name: AccountName) -> None:
    """From now on what this account decides for an order holds something that no ledger can keep."""
    for one in (F1, F2, F3):
        house.take(one, e.SnapshotTaken(at=NOON, snapshot=_snapshot()))
        house.runner(one).inbox.idle = True
    _announce(house)
    runner = house.runner(name)
    copy = CopyRules(name=cast("CopyName", object()), leader=LEAD)
    runner.account = attrs.evolve(runner.account, rules=Rules(copy=copy))
    house.record.lines.clear()
    house.told.clear()


def test_a_follower_s_turn_that_cannot_be_written_down_fails_alone_and_the_round_is_one_commit(house: House) -> None:
    _unwritable(house, F2)
    house.take(LEAD, e.OrderSeen(at=NOON, order=ORDER))
    (failed,) = [taken for taken in house.told if taken.failed]
    assert (failed.after.name, failed.after.failures) == (F2, 1)
    assert "TypeError" in (failed.failed or "")
    assert house.runner(F2).account.book.copies == {}
    assert "f2 PlaceOrder" not in house.record.lines
    assert {"f1 PlaceOrder", "f3 PlaceOrder"} <= set(house.record.lines)
    assert house.record.lines.index("f1 PlaceOrder") > max(
        n for n, line in enumerate(house.record.lines) if line == "commit"
    )
    assert [turn.failed is not None for turn in house.ledger.turns(F2)][-1]
    ((_, event),) = house.ledger.undelivered(F2)
    assert isinstance(event, e.LeaderViewTaken)


def test_an_announcement_that_waited_is_consumed_by_a_turn_that_cannot_be_written_down(house: House) -> None:
    _unwritable(house, F2)
    house.runner(F2).inbox.idle = False
    house.take(LEAD, e.OrderSeen(at=NOON, order=ORDER))
    ((number, event),) = house.ledger.undelivered(F2)
    house.take(F2, event, outbox_id=number)
    assert number not in [one for one, _ in house.ledger.undelivered(F2)]
    assert house.runner(F2).account.failures == 1


def test_a_leader_s_turn_that_cannot_be_written_down_has_told_nobody_anything(house: House) -> None:
    _announce(house)
    bad = attrs.evolve(ORDER, reject_reason=cast("str", object()))
    before = {name: house.runner(name).account for name in (F1, F2, F3)}
    house.take(LEAD, e.OrderSeen(at=NOON, order=bad))
    assert house.runner(LEAD).account.failures == 1
    assert isinstance(house.runner(LEAD).account.connection, s.Resyncing)
    for name, account in before.items():
        assert house.runner(name).account.book.theirs == account.book.theirs or not _current(house, name)
        assert house.runner(name).account.book.copies == {}


def _current(house: House, name: AccountName) -> bool:
    theirs = house.runner(name).account.book.theirs
    return theirs is not None and theirs.current


def test_what_cannot_be_written_even_as_a_failure_is_raised(house: House) -> None:
    runner = house.runner(F1)
    runner.account = attrs.evolve(runner.account, close_only=cast("str", object()), paused=True)
    runner.account = attrs.evolve(runner.account, wake_at=cast("datetime", object()))
    with pytest.raises((TypeError, AttributeError, ValueError)):
        house.take(F1, e.ResumeAsked(at=NOON))
    assert list(house.ledger.turns(F1)) == []
