"""`copierd certify`: stages 1 and 2 of Tradovate's conformance program, as a run against any environment.

Rule 1: it says what it will do and what that costs before anything is sent.
Rule 2: standard output has the report and nothing else; whatever is said on the way goes to standard error.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import trio

from daemon.certify.course import announcement, run
from daemon.certify.criteria import Criterion
from daemon.certify.permission import NotAllowed, check, taken
from daemon.certify.report import Report
from daemon.certify.stagehand import Simulated
from daemon.certify.trial import Plan
from daemon.config import Config, ConfigErrors, load
from daemon.credentials import credentials_of
from daemon.embedded import Embedded
from daemon.exits import Exit
from daemon.journal import Journal, Masks
from daemon.ledger import Ledger, LedgerError
from daemon.ledger.schema import MEMORY
from daemon.logins.tokens import NoToken
from daemon.ports import Ports
from daemon.tradovate.answers import Credentials
from daemon.wiring import Addresses

IDLE_LIMIT = 6.0  # seconds: the embedded broker closes silent connections earlier than a real one, to keep a run short


@attrs.frozen
class Wish:
    """What the operator asked for. `out` is a file (.md, .json), or the name of both without its ending."""

    login: str
    evict: bool = False
    thorough: bool = False
    seconds: float = 20.0
    as_json: bool = False
    out: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """By form."""
        if self.out is None:
            return {}
        if self.out.suffix in (".md", ".json"):
            return {self.out.suffix[1:]: self.out}
        return {form: self.out.with_name(f"{self.out.name}.{form}") for form in ("md", "json")}


def run_certify(path: Path, wish: Wish) -> int:
    """0 when nothing failed, 1 when something did or the run was refused; 64, 73 and 78 as everywhere."""
    try:
        config = load(path)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return Exit.CONFIG
    if wish.login not in config.logins:
        known = ", ".join(config.logins) or "none"
        return _refused(f"{path} has no login {wish.login}; it has: {known}", Exit.USAGE)
    try:
        with _allowed(config, wish) as credentials:
            for file in wish.files.values():
                file.touch()
            report = _measured(config, wish, credentials)
    except (NotAllowed, LedgerError) as error:
        return _refused(str(error))
    except NoToken as error:
        return _refused(error.reason)
    except OSError as error:
        return _refused(f"{error.filename} cannot be written: {error.strerror}", Exit.CANNOT_CREATE)
    if report is None:
        return _refused("interrupted, so there is no verdict")
    _hand_out(report, wish)
    return Exit.OK if report.passed else Exit.FAILED


def _refused(why: str, status: Exit = Exit.FAILED) -> Exit:
    print(f"copierd certify: {why}", file=sys.stderr)
    return status


@contextlib.contextmanager
def _allowed(config: Config, wish: Wish) -> Iterator[Credentials]:
    """The login's credentials, while nobody else may begin to use them. Raises NotAllowed, NoToken, LedgerError."""
    settings = config.logins[wish.login]
    environment = config.environments[settings.environment]
    check(settings, environment, wish.evict)
    journal = Journal.open(config.daemon.log_level)
    with contextlib.ExitStack() as stack:
        if environment.embedded:  # nobody else can be there
            ledger = Ledger.open(MEMORY)
            stack.callback(ledger.close)
        else:
            ledger = stack.enter_context(taken(config, wish.login, wish.evict))
        credentials = credentials_of(settings, ledger, journal)
        if environment.embedded:
            credentials = attrs.evolve(credentials, password=secrets.token_urlsafe(16))
        yield credentials


def _measured(config: Config, wish: Wish, credentials: Credentials) -> Report | None:
    """None when it was interrupted."""
    report: Report | None = None
    try:
        report = trio.run(_run, config, wish, credentials)
    except* KeyboardInterrupt:
        pass  # the caller says so
    return report


async def _run(config: Config, wish: Wish, credentials: Credentials) -> Report:
    ports = Ports.real()
    environment = config.environments[config.logins[wish.login].environment]
    plan = Plan(
        login=wish.login,
        environment=environment.environment,
        addresses=Addresses(environment.rest, environment.websocket),
        credentials=credentials,
        seconds=wish.seconds,
        thorough=wish.thorough,
    )
    async with trio.open_nursery() as nursery:
        stagehand = None
        if environment.embedded:
            embedded = Embedded.of(config, ports)
            assert embedded is not None, "the login is on it"
            embedded.server.change_password(wish.login, credentials.password)
            embedded.server.faults = attrs.evolve(embedded.server.faults, idle_limit=IDLE_LIMIT)
            plan = attrs.evolve(plan, addresses=await nursery.start(embedded.run))
            stagehand = Simulated(embedded, wish.login)
        print("\n".join(announcement(plan, stagehand is not None)), file=sys.stderr)
        report = await run(plan, ports, Masks(), stagehand, _say)
        nursery.cancel_scope.cancel()
    return report


def _say(criterion: Criterion) -> None:
    print(f"  {criterion.id}  {criterion.words}", file=sys.stderr, flush=True)


def _hand_out(report: Report, wish: Wish) -> None:
    forms = {"md": report.markdown, "json": report.json}
    for form, file in wish.files.items():
        file.write_text(forms[form]())
    if wish.out is not None:
        print(report.verdict)
    else:
        print(forms["json" if wish.as_json else "md"](), end="")
