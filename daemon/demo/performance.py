"""The demo's process: a daemon, a story, a screen, and the reckoning after the daemon has ended."""

from __future__ import annotations

from pathlib import Path

import attrs
import trio

from daemon import control
from daemon.config import Config
from daemon.demo.reckoning import reckon
from daemon.demo.scene import Scene
from daemon.demo.screen import Screen
from daemon.demo.story import Story
from daemon.embedded import Embedded
from daemon.journal import Entry, Journal, Sink, readable
from daemon.ledger import Ledger
from daemon.ports import Ports
from daemon.simulator import Faults
from daemon.state_lock import StateLock
from daemon.supervisor import Supervisor

REFRESH_EVERY = 0.15  # seconds
UNHURRIED = 26.0  # seconds that the story takes at its own pace,
ITS_OWN_TIME = 7.0  # of which so many do not depend on the pace: reconnecting takes what it takes
FASTEST = 0.1
# A broker some milliseconds away, whose answers and fills do not come at once.
BROKER = Faults(answer_delay=(0.002, 0.02), fill_delay=(0.005, 0.05), cancel_delay=(0.002, 0.02))


@attrs.define
class Performance:
    """`seconds` is how long the session shall last, about; None: as long as it takes by itself."""

    config: Config
    state: Path
    screen: Screen
    seconds: float | None
    errors: int = 0  # lines of the journal that tell of a bug

    @property
    def pace(self) -> float:
        if self.seconds is None:
            return 1.0
        return max(FASTEST, (self.seconds - ITS_OWN_TIME) / (UNHURRIED - ITS_OWN_TIME))

    @property
    def ledger(self) -> Path:
        return self.state / "ledger.sqlite"

    def sink(self, to_file: Sink) -> Sink:
        """Every line goes to the file; the screen shows what a viewer can use."""

        def sink(entry: Entry) -> None:
            to_file(entry)
            self.errors += entry.severity == "error"
            self.screen.hear(entry)

        return sink


async def play(performance: Performance) -> bool:
    """Did every follower end where it should?"""
    with (performance.state / "copierd.log").open("w") as log, StateLock.taken(performance.state):
        journal = Journal(performance.sink(readable(log, colour=False)))
        journal.take_over_logging()
        ports = Ports.real()
        embedded = Embedded.of(performance.config, ports, script={})
        assert embedded is not None, "the demo's logins are on the simulator"
        embedded.symbols = ()  # the story moves the market
        embedded.server.faults = BROKER
        ledger = Ledger.open(performance.ledger)
        supervisor = Supervisor(performance.config, ports, journal, ledger, embedded=embedded)
        scene = Scene(supervisor, embedded.server)
        story = await _perform(performance, scene)
    accounts = reckon(scene, performance.ledger)
    faults = [*story.faults]
    if supervisor.crashes or performance.errors:
        faults.append(f"the daemon's journal tells of {max(supervisor.crashes, performance.errors)} errors of its own")
    performance.screen.conclude(scene, accounts, faults)
    return not faults and not any(one.faults for one in accounts)


async def _perform(performance: Performance, scene: Scene) -> Story:
    """From the daemon's start to its clean stop."""
    began = trio.current_time()
    screen, supervisor = performance.screen, scene.supervisor

    def say(words: str) -> None:
        screen.say(trio.current_time() - began, words)
        if supervisor.accounts:
            screen.refresh(scene)

    story = Story(scene, say, supervisor.ports.dice, performance.pace)
    say("A leader and three followers on a simulated broker: same (the same size), half (half the size, rounded")
    say("down), micro (10 MES for each ES). Two logins: lead and same on `ours`, half and micro on `prop`.")
    say(f"Ask the running daemon: curl --unix-socket {performance.state}/control.sock http://localhost/v1/status")
    with screen.shown():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run, control.serve)
            await supervisor.ready.wait()

            async def refresh() -> None:
                while True:
                    screen.refresh(scene)
                    await trio.sleep(REFRESH_EVERY)

            async with trio.open_nursery() as beside:
                beside.start_soon(refresh)
                await story.tell()
                await trio.sleep(REFRESH_EVERY)
                beside.cancel_scope.cancel()
            screen.refresh(scene)
            say("The session is over. The daemon stops, and the accounts are reckoned up.")
            supervisor.stopping.set()
    return story
