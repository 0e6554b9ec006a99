"""Every cause that doctor is to know, and a state of machine, configuration or broker that provokes it.

Rule: the list is what was promised; a cause on it without a provocation fails, and so does a check that none provokes.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
import pytest
import trio

from daemon.doctor.report import Report
from daemon.simulator import Faults, LoginSpec
from daemon.state_lock import StateLock
from tests.daemon.doctor.clinic import ADDRESSES, ARMED, LIVE, SPEC, Clinic, text_of
from tests.scenarios.world import MemoryNetwork, now

CAUSES: Final = (
    "deviceId missing",
    "deviceId changed",
    "deviceId longer than 64",
    "deviceId not yet approved",
    "cid as text",
    "live key on demo",
    "demo key on live",
    "deprecated hosts",
    "market data host used for orders",
    "account name that the login cannot see",
    "accountId and accountSpec of different accounts",
    "order permission not Full Access",
    "market data subscription missing",
    "liquidation-only",
    "contract id instead of name",
    "clock skew",
    "DNS",
    "TLS",
    "reachability",
    "session limit",
    "token life",
    "state directory",
    "socket",
    "rate budget against follower count",
    "second copier on the account",
    "hours table age",
    # and those that come with them
    "credentials",
    "configuration",
    "addresses of both environments",
)


async def examined(clinic: Clinic) -> Report:
    return await clinic.examined()


async def examined_offline(clinic: Clinic) -> Report:
    return await clinic.examined(offline=True)


@attrs.frozen
class Provocation:
    """`what` and `remedy` are words of the finding; `faults` and `spec` the broker's state."""

    cause: str
    check: str
    what: str
    remedy: str
    text: str = attrs.field(factory=text_of)
    visit: Callable[[Clinic], Awaitable[Report]] = examined
    spec: LoginSpec = SPEC
    faults: Faults | None = None


def spec(**changes: Any) -> LoginSpec:
    return attrs.evolve(SPEC, **changes)


@attrs.define(eq=False)
class BadNetwork(MemoryNetwork):
    """Fails in the way of a resolver or of TLS; what is asked over HTTP is answered."""

    trouble: Callable[[trio.abc.Stream], trio.abc.Stream] | None = None

    async def connect(self, url: str) -> trio.abc.Stream:
        stream = await MemoryNetwork.connect(self, url)
        return stream if self.trouble is None else self.trouble(stream)


def through(trouble: Callable[[trio.abc.Stream], trio.abc.Stream]) -> Callable[[Clinic], Awaitable[Report]]:
    async def story(clinic: Clinic) -> Report:
        clinic.network = BadNetwork(clinic.server, clinic.network.nursery, trouble=trouble)
        return await clinic.examined()

    return story


def nameless(stream: trio.abc.Stream) -> trio.abc.Stream:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def in_the_clear(stream: trio.abc.Stream) -> trio.abc.Stream:
    """TLS to somebody who speaks HTTP alone, as a proxy does."""
    return trio.SSLStream(stream, ssl.create_default_context(), server_hostname="broker.invalid")


def distrusted(stream: trio.abc.Stream) -> trio.abc.Stream:
    refused = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refused.verify_message = "certificate has expired"
    raise trio.BrokenResourceError from refused


async def refusing(clinic: Clinic) -> Report:
    clinic.network.refusing = True
    return await clinic.examined()


async def late_clock(clinic: Clinic) -> Report:
    clinic.ahead = timedelta(seconds=-90)
    return await clinic.examined()


async def another_device(clinic: Clinic) -> Report:
    ledger = clinic.ledger()
    ledger.keep_device("apex", "device-one")
    ledger.close()
    return await clinic.examined(offline=True)


async def unapproved(clinic: Clinic) -> Report:
    clinic.change(devices=("approved",))
    await clinic.traded()
    return await clinic.examined()


async def renamed(clinic: Clinic) -> Report:
    await clinic.traded()
    clinic.write(text_of(f1='"F2"'))
    return await clinic.examined()


async def locked(clinic: Clinic) -> Report:
    clinic.broker.lock("F1", "LiquidationOnly")
    return await clinic.examined()


async def locked_for_good(clinic: Clinic) -> Report:
    clinic.broker.lock("F1", "TradingLocked")
    return await clinic.examined()


async def closed(clinic: Clinic) -> Report:
    clinic.broker.entities.update("account", clinic.broker.account_ids["F1"], active=False)
    return await clinic.examined()


async def pushed_out(clinic: Clinic) -> Report:
    await clinic.examined()
    clinic.server.evict("apex")
    return await clinic.examined()


async def voided(clinic: Clinic) -> Report:
    await clinic.examined()
    clinic.server.revoke_tokens("apex")
    return await clinic.examined()


async def state_is_a_file(clinic: Clinic) -> Report:
    clinic.state.write_text("not a directory")
    return await clinic.examined()


async def socket_is_a_file(clinic: Clinic) -> Report:
    (clinic.directory / "run").mkdir()
    (clinic.directory / "run" / "s").write_text("not a socket")
    return await clinic.examined(offline=True)


async def password_for_everybody(clinic: Clinic) -> Report:
    file = clinic.directory / "password"
    file.write_text("canary-password-in-a-file")
    file.chmod(0o644)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COPIERD_APEX_PASSWORD")
        clinic.write(text_of(login=f'cid = 8123\npassword_file = "{file}"'))
        return await clinic.examined(offline=True)


async def no_secret_of_the_key(clinic: Clinic) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COPIERD_APEX_SEC")
        return await clinic.examined(offline=True)


async def authorization_ended(clinic: Clinic) -> Report:
    ledger, before = clinic.ledger(), now() - timedelta(hours=1)
    ledger.keep_token("apex", "canary-access", before, 1, "canary-refresh", before)
    ledger.close()
    return await clinic.examined(offline=True)


async def socket_too_long(clinic: Clinic) -> Report:
    daemon = f'[daemon]\nstate_directory = "{clinic.state}"\ncontrol_socket = "/run/{"s" * 120}"\n'
    clinic.write(daemon + text_of())
    return await clinic.examined(offline=True)


async def nowhere_to_be_made(clinic: Clinic) -> Report:
    (clinic.directory / "file").write_text("")
    daemon = f'[daemon]\nstate_directory = "{clinic.directory / "file" / "state"}"\n'
    clinic.write(daemon + text_of())
    return await clinic.examined(offline=True)


async def ledger_cannot_be_read(clinic: Clinic) -> Report:
    """A daemon runs, of a version that keeps its ledger otherwise."""
    clinic.state.mkdir()
    with StateLock.taken(clinic.state):
        (clinic.state / "ledger.sqlite").touch()
        return await clinic.examined(offline=True)


async def old_table(clinic: Clinic) -> Report:
    clinic.ahead = datetime(2040, 1, 1, tzinfo=now().tzinfo) - now()
    return await clinic.examined(offline=True)


async def shared_account(clinic: Clinic) -> Report:
    """Another program, or the same one on another machine, has sent an order to our follower."""
    broker = clinic.broker
    marks = attrs.evolve(broker.marks(broker.account_ids["F1"], "other-1"), automated=True)
    broker.desk.place(attrs.evolve(broker.ticket("F1", "Buy", "ESZ6", 1), marks=marks))
    return await clinic.examined()


DEMO = 'rest = "https://demo.tradovateapi.com/v1"\nwebsocket = "wss://demo.tradovateapi.com/v1/websocket"\n'
DEMO_LIVE = 'rest = "https://demo.tradovateapi.com/v1"\nwebsocket = "wss://live.tradovateapi.com/v1/websocket"\n'
OLD = 'rest = "https://demo-api.tradovate.com/v1"\nwebsocket = "wss://demo.tradovateapi.com/v1/websocket"\n'
DATA = 'rest = "https://demo.tradovateapi.com/v1"\nwebsocket = "wss://md.tradovateapi.com/v1/websocket"\n'
REAL = 'rest = "https://live.tradovateapi.com/v1"\nwebsocket = "wss://live.tradovateapi.com/v1/websocket"\n'
TWINS = '[logins.fund]\nenvironment = "test"\nusername = "jane"\n'
OAUTH = 'grant = "oauth"\nclient_id = "8123"\nredirect_uri = "http://127.0.0.1:8642/callback"'
TOKEN = 'authorize = "http://127.0.0.1:1/oauth"\ntoken = "http://127.0.0.1:1/auth/oauthtoken"\n'
APPROVE = "link that Tradovate e-mails"
FULL = "Orders to Full Access"
OFF = examined_offline

PROVOCATIONS: Final = (
    Provocation("deviceId missing", "device-missing", "none is configured", APPROVE, text_of(environment=LIVE), OFF),
    Provocation("deviceId missing", "device-missing", "which is none", "uuidgen", text_of(login='device_id = ""'), OFF),
    Provocation(
        "deviceId changed",
        "device-changed",
        "it is device-two and was device-one",
        'device_id = "device-one"',
        text_of(environment=LIVE, login='device_id = "device-two"'),
        another_device,
    ),
    Provocation(
        "deviceId longer than 64",
        "device-length",
        "has 65 characters",
        "at most 64 characters",
        text_of(login=f'device_id = "{"d" * 65}"'),
    ),
    Provocation(
        "deviceId not yet approved",
        "device-approval",
        "the last order of f1 was refused with Access is denied",
        "Tradovate's e-mail about a new device",
        ARMED,
        unapproved,
        faults=Faults(live=True),
    ),
    Provocation("cid as text", "cid", "'8123' is a number in quotes", "cid = 8123", text_of(login='cid = "8123"'), OFF),
    Provocation(
        "cid as text",
        "cid",
        "there is no cid",
        "cid = 8123",
        text_of(login="").replace('"test"', '"demo"'),
        OFF,
    ),
    Provocation("live key on demo", "key-environment", "the key is of live", "make a key", spec=spec(key_of="live")),
    Provocation(
        "demo key on live",
        "key-environment",
        "the key is of demo",
        "make a key",
        text_of(environment=LIVE),
        spec=spec(key_of="demo"),
        faults=Faults(live=True),
    ),
    Provocation(
        "demo key on live",
        "key-environment",
        "DEMO123, by the name on demo",
        "prop-firm accounts are on demo",
        text_of(environment=LIVE, f1='"DEMO123"'),
        OFF,
    ),
    Provocation(
        "deprecated hosts",
        "deprecated-host",
        "rest is on demo-api.tradovate.com",
        "https://demo.tradovateapi.com/v1",
        text_of(environment=OLD),
        OFF,
    ),
    Provocation(
        "market data host used for orders",
        "market-data-host",
        "websocket is on md.tradovateapi.com",
        "copierd needs no market data host",
        text_of(environment=DATA),
        OFF,
    ),
    Provocation(
        "account name that the login cannot see",
        "account-name",
        "F9 (accounts.f1): not seen by login apex. It sees F1, F2, LEAD",
        "write one of these as name: F1, F2, LEAD",
        text_of(f1='"F9"'),
    ),
    Provocation(
        "account name that the login cannot see",
        "account-name",
        "jane (accounts.f1)",
        "not that of the user",
        text_of(f1='"jane"'),
    ),
    Provocation(
        "accountId and accountSpec of different accounts",
        "account-pair",
        "and its state here is of",
        "an entry of its own",
        visit=renamed,
    ),
    Provocation(
        "accountId and accountSpec of different accounts",
        "account-pair",
        "900111 is not text in quotes",
        "in quotes",
        text_of(f1="900111"),
        OFF,
    ),
    Provocation("order permission not Full Access", "order-permission", "both denied", FULL, spec=spec(orders="read")),
    Provocation(
        "order permission not Full Access",
        "order-permission",
        "even reading orders is denied",
        FULL,
        spec=spec(orders="denied"),
    ),
    Provocation(
        "order permission not Full Access",
        "order-permission",
        "the last order of f1 was refused",
        FULL,
        ARMED,
        unapproved,
        faults=Faults(live=True),
    ),
    Provocation(
        "market data subscription missing",
        "market-data",
        "all have ended",
        "subscribe to market data",
        ARMED,
        spec=spec(market_data=False),
        faults=Faults(live=True),
    ),
    Provocation(
        "liquidation-only",
        "liquidation-only",
        "F1 may only close positions (LiquidateOnlyModeImmediately)",
        "ask the broker or the prop firm",
        visit=locked,
    ),
    Provocation("liquidation-only", "liquidation-only", "F1 is locked", "ask the broker", visit=locked_for_good),
    Provocation("liquidation-only", "liquidation-only", "F1 is not active", "ask the broker", visit=closed),
    Provocation(
        "contract id instead of name",
        "contract-name",
        '"2553027" is the number of a contract',
        "products by their roots",
        text_of(copy='allow = ["2553027"]'),
        OFF,
    ),
    Provocation(
        "contract id instead of name",
        "contract-name",
        "2553027 is not text in quotes",
        "products by their roots",
        text_of(copy="allow = [2553027]"),
        OFF,
    ),
    Provocation(
        "contract id instead of name",
        "contract-name",
        'the product is "MES"',
        "months change",
        text_of(follower='map = { ES = { to = "MESZ6", factor = 10 } }'),
        OFF,
    ),
    Provocation("clock skew", "clock", "90 s behind the broker's", "timedatectl set-ntp true", visit=late_clock),
    Provocation("DNS", "dns", "Name or service not known", "resolvectl", visit=through(nameless)),
    Provocation("TLS", "tls", "certificate has expired", "ca-certificates", visit=through(distrusted)),
    Provocation("TLS", "tls", "127.0.0.1:1: ", "a proxy or a firewall", visit=through(in_the_clear)),
    Provocation(
        "reachability",
        "reachability",
        "another host",
        "https://own.example.org/v1/user/list",
        faults=Faults(redirect="https://own.example.org"),
    ),
    Provocation(
        "reachability",
        "reachability",
        "no such address",
        "must end in /v1",
        text_of(environment=ADDRESSES.replace('/v1"', '"', 1)),
    ),
    Provocation("reachability", "reachability", "nobody listens", "firewall", visit=refusing),
    Provocation("reachability", "reachability", "HTTP 503", "maintenance", faults=Faults(down=True)),
    Provocation("session limit", "session-limit", "HTTP 408, as after a log-in", "log out", visit=pushed_out),
    Provocation(
        "session limit",
        "session-limit",
        "too many requests",
        "log out",
        visit=pushed_out,
        faults=Faults(evicted_status=429),
    ),
    Provocation("session limit", "session-limit", "are the same user", "one login", text_of(extra=TWINS), OFF),
    Provocation("token life", "token", "does not accept it", "copierctl authorize apex", visit=voided),
    Provocation(
        "token life",
        "token",
        "has not been authorized in a browser",
        "copierctl authorize apex",
        text_of(environment=ADDRESSES + TOKEN, login=OAUTH),
        OFF,
    ),
    Provocation(
        "token life",
        "token",
        "its authorization ended 2026-11-18 14:00:00 UTC",
        "copierctl authorize apex",
        text_of(environment=ADDRESSES + TOKEN, login=OAUTH),
        authorization_ended,
    ),
    Provocation(
        "token life",
        "token",
        "has not been authorized in a browser",
        "copierctl authorize apex",
        text_of(environment=ADDRESSES + TOKEN, login=OAUTH),
    ),
    Provocation("state directory", "state-directory", "cannot be made in", "state_directory", visit=nowhere_to_be_made),
    Provocation(
        "state directory",
        "state-directory",
        "the running daemon's ledger cannot be read",
        "as the user that copierd runs as",
        visit=ledger_cannot_be_read,
    ),
    Provocation("state directory", "state-directory", "cannot be used", "state_directory", visit=state_is_a_file),
    Provocation("socket", "control-socket", "bytes long", "at most 107 bytes", visit=socket_too_long),
    Provocation("socket", "control-socket", "is no socket", "another control_socket", visit=socket_is_a_file),
    Provocation(
        "rate budget against follower count",
        "rate-budget",
        "1 follower is on it: 1 orders of the leader's a minute",
        "raise requests_per_minute",
        text_of(login="requests_per_minute = 10"),
        OFF,
    ),
    Provocation(
        "rate budget against follower count",
        "rate-budget",
        "leaves none of 2",
        "raise requests_per_minute",
        text_of(login="requests_per_minute = 2"),
        OFF,
    ),
    Provocation(
        "second copier on the account",
        "second-copier",
        "automated orders that are not ours: F1: 1",
        "two copiers double every order",
        visit=shared_account,
    ),
    Provocation("hours table age", "hours-table", "ended on", "install a newer", visit=old_table),
    Provocation("credentials", "credentials", "the broker refused the login", "Five failed", spec=spec(password="x")),
    Provocation("credentials", "credentials", "others than its owner", "chmod 600", visit=password_for_everybody),
    Provocation("credentials", "credentials", "no sec", "COPIERD_APEX_SEC", visit=no_secret_of_the_key),
    Provocation("configuration", "configuration", "unknown key", "copierd check", text_of(login="colour = 1"), OFF),
    Provocation(
        "addresses of both environments",
        "environment",
        "rest of demo, websocket of live",
        "write all of demo, or all of live",
        text_of(environment=DEMO_LIVE),
        OFF,
    ),
    Provocation(
        "addresses of both environments",
        "environment",
        "the demo ones, and live is true",
        "live = false",
        text_of(environment=DEMO + "live = true"),
        OFF,
    ),
    Provocation(
        "addresses of both environments",
        "environment",
        "the live ones, and live is false",
        "live = true",
        text_of(environment=REAL),
        OFF,
    ),
)
