"""`copierd replay`: the recorded turns once more, through today's code and configuration.

Rule 1: each turn is decided from the state in which it was recorded, so one difference does not bring about the next.
Rule 2: what counts is what is done and remembered; the words in which it is told may change between versions.
Rule 3: the ledger is read, never written, also while a daemon writes it. Nothing is sent to anybody.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import attrs

from daemon import decisions
from daemon.config import Config, ConfigErrors, load
from daemon.exits import Exit
from daemon.hours_table import markets_of
from daemon.ledger import Ledger, LedgerError, Recorded, codec
from daemon.ledger.duplicate import duplicated
from daemon.rules import rules_of, with_hours
from statecharts import account as core
from statecharts import connection
from statecharts import events as e
from statecharts.account import Account
from statecharts.market_hours import Markets
from statecharts.rules import Rules
from statecharts.values import AccountName

Json = dict[str, Any]


@attrs.frozen
class Different:
    """One turn that would be decided otherwise today. `then` and `now` are lines for people."""

    turn: Recorded
    then: tuple[str, ...]
    now: tuple[str, ...]

    def as_json(self) -> Json:
        return {
            "turn": self.turn.id,
            "at": codec.instant_text(self.turn.at),
            "account": self.turn.account,
            "event": type(self.turn.event).__name__,
            "about": decisions.about(self.turn.event),
            "then": list(self.then),
            "now": list(self.now),
        }


@attrs.define
class Outcome:
    """What a replay has found. `left_out` counts turns that cannot be decided again, by the reason."""

    turns: int = 0
    accounts: set[AccountName] = attrs.field(factory=set)
    different: int = 0
    only_words: int = 0
    left_out: Counter[str] = attrs.field(factory=Counter)


def run_replay(ledger: Path, config: Path, as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """0 the same, 1 different, 66 a ledger that cannot be read, 78 a configuration with errors."""
    out, err = out or sys.stdout, err or sys.stderr
    try:
        read = load(config)
        markets = markets_of(read, config)
        with duplicated(ledger) as copy:
            outcome = Outcome()
            for one in replayed(copy, read, outcome, markets):
                print(json.dumps(one.as_json()) if as_json else "\n".join(_shown(one)), file=out, flush=True)
    except ConfigErrors as errors:
        print(errors, file=err)
        return Exit.CONFIG
    except LedgerError as error:
        print(f"copierd: {error}", file=err)
        return Exit.NO_INPUT
    if not outcome.turns:
        words = "there is no turn in it. A copy of a ledger in use needs the file beside it as well (-wal)"
        print(f"copierd: {ledger}: {words}", file=err)
        return Exit.NO_INPUT
    print(json.dumps(_summary(outcome)) if as_json else "\n".join(_told(outcome)), file=out)
    return Exit.FAILED if outcome.different else Exit.OK


def replayed(ledger: Ledger, config: Config, outcome: Outcome, markets: Markets | None = None) -> Iterator[Different]:
    """The turns that would be decided otherwise, in the order of the ledger. Counts all of them in `outcome`."""
    known: dict[AccountName, Account] = {}
    for turn in ledger.turns():
        name = AccountName(turn.account)
        before = known.get(name) or ledger.first(name)
        if before is None:
            remedy = "This is a bug in copierd; send the output of: copierctl report"
            raise LedgerError(f"turn {turn.id} is of {name}, whose first state is missing", ledger.path, remedy)
        try:
            known[name] = after = codec.applied(before, turn.changes)
        except codec.Unreadable as error:
            remedy = "Install the version of copierd that wrote it"
            raise LedgerError(f"turn {turn.id} of {name}: {error}", ledger.path, remedy) from error
        outcome.turns += 1
        outcome.accounts.add(name)
        if name not in config.accounts:
            outcome.left_out[f"of {name}, which is not in the configuration"] += 1
        elif type(turn.event) is e.Event:
            outcome.left_out["of a crash, which no event led to"] += 1
        else:
            rules = with_hours(rules_of(config, name), markets, config.environment(name).hours)
            found = _compared(turn, before, after, rules)
            if found is not None and found.then == found.now:
                outcome.only_words += 1
            elif found is not None:
                outcome.different += 1
                yield found


def _compared(turn: Recorded, before: Account, after: Account, rules: Rules) -> Different | None:
    """None when today's decision is the same to the letter; `then` and `now` are equal when only words differ."""
    event = turn.event
    if isinstance(event, e.RulesChanged):
        event = attrs.evolve(event, rules=rules)  # what was configured then is not recorded
    if isinstance(event, e.Started):  # a new process begins with every account stopped
        before = attrs.evolve(before, connection=connection.forgiven(before.connection))
    try:
        decided = core.step(attrs.evolve(before, rules=rules), event)
    except Exception as bug:  # noqa: BLE001 - a bug in a decision is what a replay may have been asked to find
        failed = (f"FAILED: {type(bug).__name__}: {bug}"[: decisions.LONGEST],)
        return None if turn.failed else Different(turn, tuple(map(decisions.effect, turn.effects)), failed)
    if turn.failed:
        line = turn.failed.strip().splitlines()[-1]
        failed = (f"FAILED: {line}"[: decisions.LONGEST],)
        return Different(turn, failed, tuple(map(decisions.effect, decided.effects)))
    then = attrs.evolve(after, rules=Rules())
    now = attrs.evolve(decided.account, rules=Rules())
    if turn.effects == decided.effects and then == now:
        return None
    done = decisions.apart(map(decisions.effect, turn.effects), map(decisions.effect, decided.effects))
    kept = decisions.remembered(then, now)
    return Different(turn, (*done[0], *kept[0]), (*done[1], *kept[1]))


# In words


def _shown(one: Different) -> Iterator[str]:
    turn = one.turn
    event = f"{type(turn.event).__name__} {decisions.about(turn.event)}".rstrip()
    yield f"turn {turn.id}  {turn.at:%Y-%m-%d %H:%M:%S.%f} UTC  {turn.account}  {event}"
    for side, lines in (("then", one.then), ("now", one.now)):
        for line in lines or ("nothing of it",):
            yield f"  {side + ':':<5} {line}"


def _told(outcome: Outcome) -> Iterator[str]:
    turns = f"{outcome.turns} turns of {len(outcome.accounts)} accounts"
    yield f"{turns}: {outcome.different} would be decided otherwise today"
    if outcome.only_words:
        yield f"{outcome.only_words} more would only be told in other words"
    for why, count in sorted(outcome.left_out.items()):
        yield f"left out: {count} {why}"
    if outcome.different:
        yield "each was decided from the state that the ledger has before it: what would have followed is not counted"


def _summary(outcome: Outcome) -> Json:
    return {
        "turns": outcome.turns,
        "accounts": sorted(outcome.accounts),
        "different": outcome.different,
        "only_words": outcome.only_words,
        "left_out": dict(outcome.left_out),
    }
