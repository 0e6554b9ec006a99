"""How long from the leader's event to the first order of a follower, and to the last one, on the wire."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

from tests.bench import rig
from tests.bench.rig import Layout, StandIn

FLOOR = {"floor": "tests.bench.floor"}
FLOORS = {**FLOOR, "asyncio": "tests.bench.floor_asyncio"}
OURS = "copierd"
PAUSE, PAUSE_EACH = 0.1, 0.012  # seconds from one round to the next, and for each follower: until all is quiet again


@attrs.frozen
class Latency:
    """In milliseconds, with the processor time for each copy. `lost`: rounds in which an order did not come."""

    first: float
    first_p99: float
    last: float
    last_p99: float
    rounds: int
    lost: int
    cpu_per_copy: float = 0.0


def of(rounds: Sequence[list[int]], wanted: int, cpu_per_copy: float = 0.0) -> Latency:
    whole = [came for came in rounds if len(came) == wanted]
    first, last = sorted(min(c) / 1e6 for c in whole), sorted(max(c) / 1e6 for c in whole)
    return Latency(
        statistics.median(first),
        quantile(first, 0.99),
        statistics.median(last),
        quantile(last, 0.99),
        len(whole),
        len(rounds) - len(whole),
        cpu_per_copy,
    )


def quantile(ascending: list[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def measured(
    directory: Path,
    followers: int,
    together: bool,
    blocks: int,
    rounds: int,
    floors: Mapping[str, str] = FLOORS,
) -> dict[str, Latency]:
    """The daemon and each floor, alternating: `blocks` blocks of so many rounds each."""
    kind = "t" if together else "n"
    layouts = {name: Layout(f"{kind}{followers}{name[:1]}", followers, together) for name in (OURS, *floors)}
    found: dict[str, list[list[int]]] = {name: [] for name in layouts}
    with ExitStack() as stack:
        broker = stack.enter_context(rig.stand_in())
        ids = {name: broker.do("open", logins=layout.logins) for name, layout in layouts.items()}
        home = directory / layouts[OURS].name
        home.mkdir()
        config = rig.configuration(home, broker.port, layouts[OURS])
        daemon = stack.enter_context(rig.daemon(config, layouts[OURS]))
        processes = {OURS: daemon.process.pid}
        for name, module in floors.items():
            processes[name] = stack.enter_context(rig.floor(module, broker, layouts[name], ids[name]))
        daemon.wait_until_copying()
        for layout in layouts.values():  # what is done for the first time is another measurement
            traded(broker, layout, 4)
        spent = dict.fromkeys(layouts, 0.0)
        for _ in range(blocks):
            for name, layout in layouts.items():
                before = rig.cpu(processes[name])
                found[name] += traded(broker, layout, rounds)
                spent[name] += rig.cpu(processes[name]) - before
    copies = blocks * rounds * followers
    return {name: of(came, followers, 1000 * spent[name] / copies) for name, came in found.items()}


def traded(broker: StandIn, layout: Layout, rounds: int) -> list[list[int]]:
    login, account = layout.leader
    pause = PAUSE + PAUSE_EACH * layout.followers
    asked = {"login": login, "account": account, "followers": layout.followers, "rounds": rounds, "pause": pause}
    came: list[list[int]] = broker.do("trade", **asked)["rounds"]
    return came
