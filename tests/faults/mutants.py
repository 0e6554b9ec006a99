"""Deliberate bugs: each is a small patch of the real code, with the one world of tests.faults in which it is caught.

Rule 1: a guard that cannot fail is no guard. Each row names the invariant that its bug makes false, and the world in
        which it does; the same world without the bug breaks nothing.
Rule 2: a patch whose target has moved raises, and one that was never executed in its world has caught nothing.
Rule 3: layered defences hide bugs. A layer that would hide this one is off in its row, with the bug and without it.
        What is hidden for good, or seen from within one part alone, names the directed test that must fail by it.

python -m tests.faults.mutants --search NAME: looks for a world that catches it, among fifty. --directed NAME: runs the
directed test of a bug or a layer, with it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import attrs
import pytest

from tests.faults import bugs, layers
from tests.faults.climate import Climate
from tests.faults.layers import Patch, Ran
from tests.faults.world import Story, run_world

SEEDS = range(1, 51)


def _fair(seed: int, acts: Mapping[str, float] | None = None, own_login: bool = False, **faults: Any) -> Climate:
    """Quiet but for what is named, with a leader who trades a lot. `own_login`: one follower is apart from him."""
    return attrs.evolve(
        Climate.of(seed),
        faults=faults,
        acts=acts or {},
        kill_at_port=0.0,
        trading=4.0,
        own_login=own_login,
        login="",
        copy="",
        follower="",
        latency=(0.001, 0.03),
        pieces=0,
        closes_at=None,
    )


Weather = Callable[[int], Climate]


def _climate(acts: Mapping[str, float] | None = None, **more: Any) -> Weather:
    return partial(_fair, acts=acts, **more)


def _shut(seed: int) -> Climate:
    """No session is had at all, and the waits are short: a login that dials for each of its accounts shows."""
    shut = _fair(seed, {"cut_server": 6}, handshake_status=503)
    return attrs.evolve(shut, login='[reconnect]\nlongest_delay = "4s"')


@attrs.frozen(kw_only=True)
class Mutant:
    """A bug, the invariant that it makes false, and the world in which it does: seed, minutes of storm, climate.

    `off`: the layers that would hide it, off with the bug and without it.
    """

    bug: Patch
    caught_by: str
    seed: int
    minutes: float
    climate: Weather
    off: tuple[Patch, ...] = ()

    @property
    def name(self) -> str:
        return self.bug.__name__

    def world(self, seed: int, ran: Ran | None) -> Story:
        """The story with the bug, which tells `ran` of it; without it where that is None."""

        @contextmanager
        def patch() -> Iterator[None]:
            with ExitStack() as patches:
                for layer in self.off:
                    patches.enter_context(layer(Ran()))
                if ran is not None:
                    patches.enter_context(self.bug(ran))
                yield

        return run_world(seed, self.minutes, patch, self.climate(seed))


MUTANTS: tuple[Mutant, ...] = (
    Mutant(bug=bugs.send_before_ledger, caught_by="I02", seed=1, minutes=1, climate=_climate()),
    Mutant(bug=bugs.blind_resend, caught_by="I01", seed=1, minutes=1, climate=_climate(answer_lost=0.3)),
    Mutant(bug=bugs.new_client_id, caught_by="I02", seed=1, minutes=1, climate=_climate(answer_lost=0.3)),
    Mutant(bug=bugs.no_generation_check, caught_by="I34", seed=3, minutes=3, climate=_climate({"down": 1})),
    Mutant(
        bug=bugs.timers_survive,
        caught_by="I16",
        seed=1,
        minutes=1,
        climate=_climate({"cut_server": 3, "reconnect": 20}),
    ),
    Mutant(bug=bugs.resync_skipped, caught_by="I14", seed=1, minutes=1, climate=_climate({"cut_server": 6})),
    Mutant(
        bug=bugs.empty_is_flat,
        caught_by="I08",
        seed=1,
        minutes=3,
        climate=_climate({"cut_server": 2, "flatten": 4}, sync_empty=True),
    ),
    Mutant(
        bug=bugs.backoff_reset_on_open,
        caught_by="I19",
        seed=1,
        minutes=1.5,
        climate=_climate({"cut_server": 6}, own_login=True, sync_empty=True),
        off=(layers.budget_off,),
    ),
    Mutant(bug=bugs.jitter_per_account, caught_by="I19", seed=1, minutes=1.5, climate=_shut, off=(layers.budget_off,)),
    Mutant(
        bug=bugs.duplicates_not_filtered,
        caught_by="I06",
        seed=1,
        minutes=1,
        climate=_climate(duplicate_props=0.3, one_message_per_frame=True),
        off=(layers.monitor_off,),
    ),
    Mutant(bug=bugs.flatten_not_latched, caught_by="I07", seed=1, minutes=1, climate=_climate({"flatten": 2})),
    Mutant(
        bug=bugs.buffer_thrown_away,
        caught_by="I34",
        seed=2,
        minutes=3,
        climate=_climate({"cut_server": 1}, sync_delay=5.0),
        off=(layers.read_back_off,),
    ),
    Mutant(bug=layers.read_back_off, caught_by="I34", seed=1, minutes=2.5, climate=_climate(drop_props=0.1)),
    # A broker that is patient too: one that is not closes the dead socket for us.
    Mutant(
        bug=bugs.no_watchdog,
        caught_by="I18",
        seed=1,
        minutes=1,
        climate=_climate({"half_open": 6}, idle_limit=math.inf),
    ),
    Mutant(
        bug=bugs.sends_while_away,
        caught_by="I03",
        seed=4,
        minutes=1,
        climate=_climate({"reset": 12}, own_login=True),
        off=(layers.monitor_off,),
    ),
)


@attrs.frozen(kw_only=True)
class Directed:
    """A bug that no world shows, or a layer by itself, and the test that must fail by it."""

    bug: Patch
    test: str

    @property
    def name(self) -> str:
        return self.bug.__name__

    def caught(self) -> bool:
        """Runs that test with the bug, in this process. Has it been executed, and has the test failed?"""
        ran = Ran()
        with self.bug(ran):
            code = pytest.main(["-q", "-x", "--tb=line", "-p", "no:cacheprovider", self.test])
        print(f"executed {ran.times} times: {code!r}")
        return code is pytest.ExitCode.TESTS_FAILED and ran.times > 0


DIRECTED: tuple[Directed, ...] = (
    Directed(
        # A death between two writes is made up for by the comparison with the leader's view: no world tells them apart.
        bug=bugs.one_write_per_follower,
        test="tests/daemon/test_round.py"
        "::test_a_leader_s_event_and_its_idle_followers_turns_are_one_commit_before_any_effect",
    ),
    Directed(bug=layers.catch_up_off, test="tests/scenarios/test_catch_up.py::test_leader_order_with_no_copy"),
    Directed(
        bug=layers.monitor_off,
        test="tests/scenarios/test_invariants.py::test_a_wrong_decision_never_leaves_and_its_follower_closes_only",
    ),
    Directed(
        bug=layers.budget_off,
        test="tests/daemon/logins/test_budget.py::test_forty_dials_at_once_and_then_twelve_a_minute",
    ),
    Directed(
        bug=layers.read_back_off,
        test="tests/daemon/logins/test_read_back.py::test_what_no_event_has_told_ends_the_session_and_is_no_agreement",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutants", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--search", choices=[one.name for one in MUTANTS], help="look for a world that catches it")
    which.add_argument("--directed", choices=[one.name for one in DIRECTED], help="run its directed test with the bug")
    options = parser.parse_args(arguments)
    if options.directed is not None:
        return 0 if next(one for one in DIRECTED if one.name == options.directed).caught() else 1
    return _search(next(one for one in MUTANTS if one.name == options.search))


def _search(mutant: Mutant) -> int:
    for seed in SEEDS:
        ran = Ran()
        story = mutant.world(seed, ran)
        seen = story.violations[0] if story.violations else "no violation"
        print(f"seed {seed}: executed {ran.times} times, {story.hours * 60:.1f} min: {seen}", flush=True)
        if story.violations:
            without = mutant.world(seed, None).violations
            print(f"  without it: {without or 'no violation'}", flush=True)
            if not without:
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
