"""One examination from beginning to end: facts first, then the checks on them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import attrs
import trio

from daemon.config import Config, Environment, secrets
from daemon.config.values import Daemon
from daemon.doctor import offline, online
from daemon.doctor.causes import MACHINE, PERSON, SITE
from daemon.doctor.facts import File, Knock, Machine, Person, Silence, Site
from daemon.doctor.online import Desk, Say
from daemon.doctor.report import Report
from daemon.doctor.verdicts import Section, examined
from daemon.embedded import Embedded
from daemon.house_rules import caution
from daemon.journal import Journal
from daemon.logins.budget import Budget
from daemon.ports import Ports
from daemon.wiring import Addresses


@attrs.frozen
class Wish:
    """`login`: this one alone, None for all."""

    login: str | None = None
    offline: bool = False
    as_json: bool = False


def names_in(file: File) -> tuple[str, ...]:
    """The logins of the file, also those whose tables cannot be read."""
    found = file.tables.get("logins")
    return tuple(found) if isinstance(found, dict) else ()


async def examine(file: File, wish: Wish, ports: Ports, journal: Journal, say: Say) -> Report:
    config = file.config
    chosen = [name for name in names_in(file) if wish.login in (None, name)]
    if config is not None:
        _conceal(config, journal)
    settings = config.daemon if config is not None else Daemon()
    outward = not wish.offline and config is not None and any(_outside(config, name) for name in chosen)
    with offline.held(settings.state_directory, make=outward) as holding:
        door = await trio.to_thread.run_sync(offline.door, settings.control_socket)
        machine = Machine(ports.wall(), file, holding.state, door)
        people = [offline.person(name, file, machine.now, holding.ledger, door.status) for name in chosen]
        sites = _sites(config, people) if config is not None else []
        if not wish.offline and config is not None:
            borrowed = holding.state.held or door.status is not None
            desk = Desk(config, ports, journal, holding.ledger, borrowed, say)
            holds = holding.ledger is not None and Budget(ports.wall, holding.ledger).held_until is not None
            sites = [await _visited(site, ports, greet=not holds) for site in sites]
            away = {site.environment.environment for site in sites if site.away}
            people = await _heard(people, desk, away)
        if holding.writable and holding.ledger is not None:
            for person in people:
                offline.remember_device(holding.ledger, person)
    cautious = tuple(caution(config)) if config is not None else ()
    return Report(file.path, tuple(_sections(machine, sites, people, wish)), wish.offline, cautious)


def _outside(config: Config, login: str) -> bool:
    return login in config.logins and not config.environments[config.logins[login].environment].embedded


def _conceal(config: Config, journal: Journal) -> None:
    """Whatever may be found in a place for secrets is masked, wherever it turns up."""
    kinds: tuple[secrets.Kind, ...] = ("password", "sec", "client_secret")
    for login in config.logins.values():
        for kind in kinds:
            with contextlib.suppress(secrets.SecretUnreadable):
                found = secrets.find(login, kind)
                if found is not None:
                    journal.keep_secret(found.reveal())


def _sites(config: Config, people: list[Person]) -> list[Site]:
    used: dict[str, Environment] = {
        one.environment.environment: one.environment for one in people if one.environment and not one.embedded
    }
    return [Site(environment, config) for environment in used.values()]


async def _visited(site: Site, ports: Ports, *, greet: bool) -> Site:
    """`greet`: not while the process holds, when each request prolongs that."""
    where = online.addresses_of(site.environment)
    urls = online.hosts_of(where)
    knocks: dict[str, Knock] = {}

    async def knock(url: str) -> None:
        knocks[url] = await online.knocked(ports.network, url)

    async with trio.open_nursery() as nursery:
        for url in urls:
            nursery.start_soon(knock, url)
    said = await online.greeted(ports, where) if greet else None
    return attrs.evolve(site, knocks=tuple(knocks[url] for url in urls), said=said, asked_at=ports.wall())


async def _heard(people: list[Person], desk: Desk, away: set[str]) -> list[Person]:
    """Every login asked, one after the other: they share an address, and the broker counts by it.

    Where nobody answered, `away`, nobody is asked again: each question would wait for its end.
    """
    async with trio.open_nursery() as nursery:
        here: Addresses | None = None
        if not desk.borrowed and any(person.embedded for person in people):
            embedded = Embedded.of(desk.config, desk.ports)
            assert embedded is not None, "a login is on it"
            here = await nursery.start(embedded.run)
        heard = [await _asked(person, desk, here, away) for person in people]
        nursery.cancel_scope.cancel()
    return heard


async def _asked(person: Person, desk: Desk, here: Addresses | None, away: set[str]) -> Person:
    if person.environment is None or person.settings is None:
        return attrs.evolve(person, online=Silence("the login's table cannot be read"))
    if person.environment.environment in away:
        return attrs.evolve(person, online=Silence("its environment does not answer: see dns, reachability and tls"))
    own = offline.own_orders(desk.ledger, person.accounts)
    if not person.embedded:
        answers = await desk.asked(person, online.addresses_of(person.environment), own)
        known = offline.kept(desk.ledger, person.settings) if desk.ledger else person.kept
        return attrs.evolve(person, online=answers, kept=known)
    if here is None:
        return attrs.evolve(person, online=Silence("its simulated broker is inside the running copierd"))
    with contextlib.closing(offline.memory()) as ledger:
        return attrs.evolve(person, online=await attrs.evolve(desk, ledger=ledger).asked(person, here, own))


def _sections(machine: Machine, sites: list[Site], people: list[Person], wish: Wish) -> Iterator[Section]:
    ask = partial(examined, online=not wish.offline)
    yield ask("this machine", MACHINE, machine)
    for site in sites:
        yield ask(f"environment {site.environment.environment} ({site.environment.rest})", SITE, site)
    for person in people:
        where = f" on {person.environment.environment}" if person.environment else ""
        yield ask(f"login {person.name}{where}", PERSON, person, login=person.name)
