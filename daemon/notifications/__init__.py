"""Notifications: what the operator is told elsewhere, by one task group for each configured address.

Rule 1: nothing here delays a copy. The board puts bulletins into a box and goes on; all waiting is done here.
Rule 2: in order per address. A letter that is not taken is tried again until an hour has passed, and the others wait.
Rule 3: nothing outlives the process: after a restart nobody is told of what was.
Rule 4: an address is often its own password: the journal names its host alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from urllib.parse import urlsplit

import attrs
import httpx
import trio

from daemon import __version__
from daemon.bulletins import Board, Box, Severity
from daemon.config import Notify
from daemon.config.secrets import Secret, SecretUnreadable, find_notify
from daemon.journal import Journal
from daemon.notifications import formats
from daemon.notifications.formats import Letter
from daemon.notifications.outbox import Outbox, Waiting
from daemon.notifications.sieve import Sieve
from daemon.ports import Ports

TRIED_FOR = 3600.0  # seconds, from when it was told
ANSWER_LIMIT = 10.0  # seconds for one try, from dialing to the answer's first line
FIRST_PAUSE = 1.0  # seconds between two tries; doubled, up to
LONGEST_PAUSE = 60.0
LONGEST_ASKED_PAUSE = 300.0  # seconds: no Retry-After makes the others wait for longer
FLUSH_LIMIT = 2.0  # seconds at a clean stop, of the 10 that a stop may take
NEVER_TAKEN = (
    400,
    410,
    413,
    422,
)  # the letter itself is refused: to send it again would hold up the others for nothing
_LONGEST_NAME = 16  # a path that is longer is taken for a password; a shorter one may be a word of any other line


@attrs.frozen
class Trouble:
    """Why a letter was not taken. `wait` is what the receiver asked for, in seconds; `final`: do not try again."""

    words: str
    wait: float = 0.0
    final: bool = False


@attrs.define(eq=False, repr=False)
class Address:
    """One [[notify]]. `well`: is every account Connected, or in a window that was expected?"""

    settings: Notify
    box: Box
    sieve: Sieve
    journal: Journal
    ports: Ports
    secret: Secret | None
    well: Callable[[], bool]
    outbox: Outbox = attrs.field(factory=Outbox)
    _dropped: int = 0  # since a letter was last taken
    _failing: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.settings.url).hostname or "?"

    async def run(self) -> None:
        """Until the box has been closed and everything in it is delivered."""
        async with self.ports.network.http() as client, trio.open_nursery() as nursery:
            nursery.start_soon(self._sort)
            if self.settings.heartbeat is not None:
                nursery.start_soon(self._beat, client, self.settings.heartbeat.total_seconds())
            while (waiting := await self.outbox.next()) is not None:
                await self._deliver(client, waiting)
            nursery.cancel_scope.cancel()

    async def _sort(self) -> None:
        """From the box through the sieve into the outbox. Never waits for the network."""
        while True:
            with trio.move_on_at(self.sieve.next_due):
                await self.box.news()
            for bulletin in self.box.take():
                for told in self.sieve.hear(bulletin, trio.current_time()):
                    self._queue(told.event, told.severity, formats.letter(told, self.settings.format))
            for told in self.sieve.due(trio.current_time()):
                self._queue(told.event, told.severity, formats.letter(told, self.settings.format))
            if self.box.closed:
                self.outbox.close()
                return

    def _queue(self, event: str, severity: Severity, letter: Letter) -> None:
        lost = self.outbox.put(Waiting(event, severity, letter, trio.current_time()))
        if lost is not None:
            self._drop(lost, f"{self.outbox.room} others wait already")

    async def _deliver(self, client: httpx.AsyncClient, waiting: Waiting) -> None:
        """Tries until it is taken, or cannot be. The limits are on trio's clock."""
        pause = FIRST_PAUSE
        while True:
            trouble = await self._post(client, waiting.letter)
            if trouble is None:
                self._recovered()
                return
            if trouble.final or trio.current_time() - waiting.queued_at >= TRIED_FOR:
                self._drop(waiting, trouble.words)
                return
            if not self._failing:
                self._failing = True
                words = f"{self.host} does not take notifications ({trouble.words}); each is tried again for an hour"
                self.journal.say("notification.failed", words, severity="warning", reason=trouble.words)
            await trio.sleep(max(self.ports.dice.uniform(pause / 2, pause), trouble.wait))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _post(self, client: httpx.AsyncClient, letter: Letter) -> Trouble | None:
        """One try. Signed anew each time, so that a receiver may refuse what is old."""
        headers = {"User-Agent": f"copierd/{__version__}", **letter.headers}
        if self.secret is not None and self.settings.format == "json":
            headers[formats.SIGNATURE] = formats.signature(self.secret, letter.body, self.ports.wall())
        try:
            with trio.fail_after(ANSWER_LIMIT):
                # The answer's body is not read: it may be long, and says nothing that the status does not.
                async with client.stream(
                    "POST", self.settings.url, content=letter.body, headers=headers, timeout=ANSWER_LIMIT
                ) as response:
                    return _trouble(response)
        except (httpx.TimeoutException, trio.TooSlowError):
            return Trouble(f"no answer within {ANSWER_LIMIT:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Trouble(str(error) or type(error).__name__)

    async def _beat(self, client: httpx.AsyncClient, every: float) -> None:
        """The dead man's switch: whoever waits for the ping notices when it stays away. Not tried again."""
        at = trio.current_time()
        while True:
            if self.well():
                await self._post(client, formats.heartbeat(self.ports.wall(), self.settings.format))
            at = max(at + every, trio.current_time())
            await trio.sleep_until(at)

    def _drop(self, lost: Waiting, why: str) -> None:
        self._dropped += 1
        words = f"a notification to {self.host} was dropped ({lost.event}): {why}"
        self.journal.say("notification.dropped", words, severity="warning", reason=why)

    def _recovered(self) -> None:
        if self._failing or self._dropped:
            lost = f"; {self._dropped} were dropped" if self._dropped else ""
            self.journal.say("notification.taken", f"{self.host} takes notifications again{lost}")
        self._failing, self._dropped = False, 0


@attrs.define(eq=False, repr=False)
class Notifications:
    """All addresses. Made before anything is told, run inside the daemon's nursery."""

    addresses: list[Address]
    journal: Journal
    _ended: trio.Event = attrs.field(factory=trio.Event)

    @classmethod
    def of(
        cls,
        configured: Iterable[Notify],
        board: Board,
        ports: Ports,
        well: Callable[[], bool],
        held: Callable[[Collection[str]], str],
    ) -> Notifications:
        """Listens from now on. Says which addresses get unsigned JSON."""
        journal = board.journal
        configured = list(configured)
        secret = _secret(journal) if any(one.format == "json" for one in configured) else None
        addresses = [
            Address(one, board.subscribe(), Sieve(one, held), journal, ports, secret, well) for one in configured
        ]
        for address in addresses:
            _keep_secret(address.settings.url, journal)
            if address.settings.format == "json" and secret is None:
                words = f"notifications to {address.host} are not signed: set the credential notify.secret"
                journal.say("notification.unsigned", f"{words}, or COPIERD_NOTIFY_SECRET", severity="warning")
        return cls(addresses, journal)

    async def run(self) -> None:
        """Runs until it is cancelled or flushed."""
        async with trio.open_nursery() as nursery:
            for address in self.addresses:
                nursery.start_soon(self._guarded, address)
        self._ended.set()

    async def flush(self) -> None:
        """Nothing more will be told; what was is delivered, if that takes no longer than the limit."""
        for address in self.addresses:
            address.box.close()
        with trio.move_on_after(FLUSH_LIMIT):
            await self._ended.wait()

    async def _guarded(self, address: Address) -> None:
        try:
            await address.run()
        except Exception as bug:  # noqa: BLE001 - a bug here ends the notifications to one address, loudly, and no copying
            self.journal.crash(f"a bug ended the notifications to {address.host}", bug)


def _trouble(response: httpx.Response) -> Trouble | None:
    status = response.status_code
    if 200 <= status < 300:
        return None
    asked = response.headers.get("Retry-After", "")
    wait = min(float(asked), LONGEST_ASKED_PAUSE) if asked.isascii() and asked.isdigit() else 0.0
    return Trouble(f"status {status}", wait, final=status in NEVER_TAKEN)


def _secret(journal: Journal) -> Secret | None:
    try:
        secret = find_notify()
    except SecretUnreadable as error:
        journal.say("notification.unsigned", str(error), severity="error")
        return None
    if secret is not None:
        journal.keep_secret(secret.reveal())
    return secret


def _keep_secret(url: str, journal: Journal) -> None:
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    journal.keep_secret(url)
    for part in (path.lstrip("/"), parts.password or "", parts.fragment):
        if len(part) >= _LONGEST_NAME:
            journal.keep_secret(part)
