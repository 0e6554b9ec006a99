"""From the configuration to running parts: rules for the core, logins and accounts for the daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import attrs
import trio

from daemon.activities import AccountActivities
from daemon.bulletins import Board, Severity
from daemon.config import Account as AccountConfig
from daemon.config import Config, Environment
from daemon.config import Login as LoginConfig
from daemon.credentials import application_of, credentials_of
from daemon.errands import AccountErrands
from daemon.journal import Journal
from daemon.ledger import Ledger
from daemon.logins.authorization import Authorization
from daemon.logins.gate import Gate
from daemon.logins.grants import OAuthGrant, PasswordGrant
from daemon.logins.home import Home
from daemon.logins.login import Login, LoginHooks
from daemon.logins.rate import Limits, Rate
from daemon.logins.session import SessionSettings
from daemon.logins.tokens import Tokens
from daemon.ports import Ports
from daemon.round import Rounds
from daemon.runner import Runner
from daemon.tradovate.answers import Said
from daemon.tradovate.oauth import OAuth
from daemon.tradovate.rest import Rest
from statecharts import connection
from statecharts.account import Account
from statecharts.events import BalanceSeen, Event, LoginEvent
from statecharts.rules import Rules
from statecharts.states import Stopped
from statecharts.values import AccountName

# What to do about a login's news; what is not here is no reason to do anything.
REMEDIES = {
    "token.refused": "correct the login's credential where it is wrong, then: copierctl authorize LOGIN",
    "token.expiring": "nothing to do yet: it is tried again until the token ends",
}


@attrs.frozen
class Addresses:
    """Where an environment is reached; the embedded one's are known once it listens. The last two: grant oauth."""

    rest: str
    websocket: str
    authorize: str = ""
    token: str = ""


@attrs.define(eq=False, repr=False)
class Running:
    """One account with what carries it."""

    runner: Runner
    login: Login
    activities: AccountActivities
    errands: AccountErrands
    config: AccountConfig
    leaving: trio.Event = attrs.field(factory=trio.Event)  # set: it goes
    stuck: trio.Event = attrs.field(factory=trio.Event)  # set: its present run is ended from outside

    @property
    def account(self) -> Account:
        return self.runner.account


def addresses_of(environment: Environment) -> Addresses:
    return Addresses(environment.rest, environment.websocket, environment.authorize or "", environment.token or "")


def names_at(config: Config, login: str) -> frozenset[str]:
    """The accounts of a login, by the broker's names."""
    return frozenset(account.name for account in config.accounts.values() if account.login == login)


def login_of(
    config: Config,
    name: str,
    addresses: Mapping[str, Addresses],
    ledger: Ledger,
    ports: Ports,
    board: Board,
    gate: Gate,
    session_up: Callable[[], None],
    reauthorized: Callable[[], None] = lambda: None,
    held: Callable[[], str] = lambda: "",
    asleep_until: Callable[[], datetime | None] = lambda: None,
    followers: Callable[[], int] = lambda: 0,
) -> Login:
    """A login with its token keeper. Nothing is sent yet.

    `held` says in words what its accounts hold, `followers` how many there are to get out.
    """
    settings = config.logins[name]
    where = addresses[settings.environment]
    journal = board.journal

    def tell(event: str, message: str, remedy: str | None = None) -> None:
        more = held() if event in ("token.expired", "token.refused") else ""
        detail = f"login {name}: {message}. {more}" if more else f"login {name}: {message}"
        # An attempt that fails is no warning: that the connection is broken has been one.
        remedy = (remedy or REMEDIES.get(event, "")).replace("LOGIN", name) or None
        # Nor is a renewal that fails while nobody is connected: that is what has been told.
        away = event == "token.expiring" and not login.connected
        severity: Severity = "warning" if remedy and not away else "info"
        board.tell(event, detail, severity=severity, login=name, reason=message, remedy=remedy)

    def fault(why: str) -> None:
        journal.say("broker.unreadable", f"login {name}: {why}", severity="warning", login=name)

    def crashed(bug: BaseException) -> None:
        journal.crash(f"login {name}: a bug ended its session; it is dialed anew", bug, login=name)

    limits = Limits(settings.requests_per_minute, settings.requests_per_hour)
    budget = gate.budget
    rate = Rate(name, limits, ledger, ports.wall, followers, lambda: budget.held_until is not None)
    grant = grant_of(config, name, where, ledger, ports, journal)
    grant.rest.spent = rate.spend
    tokens = Tokens(
        login=name,
        grant=grant,
        store=ledger,
        ports=ports,
        budget=budget,
        tell=tell,
        conceal=journal.keep_secret,
        home=home_of(config, name, where, ledger, ports, grant.rest),
        asleep_until=asleep_until,
        slowed=rate.shrink,
    )
    hooks = LoginHooks(tell, fault, session_up, crashed, reauthorized)
    silence = config.reconnect.silence_limit.total_seconds()
    login = Login(
        name=name,
        settings=SessionSettings(silence),
        tokens=tokens,
        gate=gate,
        rate=rate,
        ports=ports,
        hooks=hooks,
        owner=grant.rest.owner,
        accounts=names_at(config, name),
    )
    login.hang_up = grant.rest.close
    login.ask_the_time = partial(_the_time, grant.rest)
    if isinstance(grant, OAuthGrant):
        grant.oauth.spent = rate.spend
        login.authorization = Authorization(
            login=name,
            page=where.authorize,
            application=lambda: grant.application(),
            oauth=grant.oauth,
            owner=grant.rest.owner,
            tokens=tokens,
            accounts=login.accounts,
            wall=ports.wall,
            tell=tell,
            successor=login.awaits_successor,
            authorized=login.succeeded,
            crashed=lambda bug: journal.crash(f"login {name}: a bug ended its authorization", bug, login=name),
        )
    return login


async def _the_time(rest: Rest) -> datetime | None:
    """The broker's, which any answer has, also a refusal; None when none came."""
    said = await rest.question("user/list", None)
    return said.server_date if isinstance(said, Said) else None


def followers_on(config: Config, login: str) -> int:
    """How many followers of a login may have something open at the broker: shadows have not."""
    return config.trading[login]


def siblings_of(config: Config, account: str) -> int:
    """How many followers of its login, this one included, copy the same orders."""
    copy, login = config.copy_of(account), config.accounts[account].login
    followers = copy.followers if copy is not None else ()
    return sum(config.accounts[one.account].login == login and not config.shadow(one.account) for one in followers)


def grant_of(
    config: Config, name: str, where: Addresses, ledger: Ledger, ports: Ports, journal: Journal
) -> PasswordGrant | OAuthGrant:
    """How the login comes by its tokens. The credential is read at each request."""
    settings = config.logins[name]
    client = ports.network.http()
    rest = Rest(client, where.rest)
    if settings.grant == "password":
        return PasswordGrant(rest, lambda: credentials_of(settings, ledger, journal), ledger)
    oauth = OAuth(client, where.token)
    return OAuthGrant(name, oauth, rest, lambda: application_of(settings, journal), ledger, ports.wall)


def home_of(config: Config, name: str, where: Addresses, ledger: Ledger, ports: Ports, rest: Rest) -> Home:
    """Where the login lives at the broker; its REST calls go there."""
    kind = "live" if config.environments[config.logins[name].environment].live else "demo"
    home = Home(name, where.rest, where.websocket, kind, ledger, ports.wall, moved=rest.move)
    rest.redirected = home.redirected
    return home


def read_again(login: Login, settings: LoginConfig, ledger: Ledger, journal: Journal) -> bool:
    """Takes over where the login's secrets are now, and its budget. Has its refused credential been mended?"""
    login.rate.limit(Limits(settings.requests_per_minute, settings.requests_per_hour))
    match login.tokens.grant:
        case PasswordGrant() as grant:
            grant.credentials = lambda: credentials_of(settings, ledger, journal)
        case OAuthGrant() as grant:
            grant.application = lambda: application_of(settings, journal)
    return login.credential_read_again()


def account_of(name: str, rules: Rules, ledger: Ledger, ports: Ports) -> Account:
    """The account as the last process left it, not yet started, under today's rules."""
    account_name = AccountName(name)
    saved = ledger.load(account_name)
    if saved is None:
        start = Stopped(since=ports.wall(), reason="not started yet")
        return Account(name=account_name, connection=start, rules=rules)
    return attrs.evolve(saved, connection=connection.forgiven(saved.connection), rules=rules)


def running_account(
    config: Config,
    name: str,
    login: Login,
    rounds: Rounds,
    ledger: Ledger,
    ports: Ports,
    board: Board,
    in_position: Callable[[], bool],
    circumstances: Callable[[str], tuple[str, str | None]],
    neighbours: Callable[[LoginEvent], None],
    siblings: Callable[[], int],
    rules: Rules,
) -> Running:
    """An account with everything that carries it. Its announcements of the last process wait in its inbox."""
    settings = config.accounts[name]
    account = account_of(name, rules, ledger, ports)

    def hear(event: Event) -> None:
        """Money is told of only where a limit looks at it: each fill changes it."""
        copy = runner.account.rules.copy
        if not isinstance(event, BalanceSeen) or (copy is not None and copy.limits.of_money):
            runner.post(event)

    activities = AccountActivities(
        name=settings.name,
        login=login,
        ports=ports,
        rules=lambda: runner.account.rules.reconnect,
        in_position=in_position,
        hear=hear,
    )
    errands = AccountErrands(
        account=account.name,
        broker_name=settings.name,
        session=activities.readable,
        post=lambda event: runner.post(event),
        ports=ports,
        board=board,
        login=login.name,
        state=lambda: runner.account.connection,
        circumstances=circumstances,
        siblings=siblings,
        neighbours=neighbours,
    )
    runner = Runner(account, rounds, activities, errands)
    rounds.runners[account.name] = runner
    for outbox_id, event in ledger.undelivered(account.name):
        runner.inbox.post(event, outbox_id=outbox_id)
    return Running(runner, login, activities, errands, settings)
