"""Every cause that doctor is to know, and a state of machine, configuration or broker that provokes it.

Rule: the list is what was promised; a cause on it without a provocation fails, and so does a check that none provokes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

from daemon.doctor.report import Report
from daemon.simulator import Faults, LoginSpec
from tests.daemon.doctor.clinic import ADDRESSES, ARMED, LIVE, SPEC, Clinic, text_of
from tests.daemon.doctor.states import (
    another_device,
    authorization_ended,
    captcha,
    captcha_of_before,
    closed,
    distrusted,
    examined,
    examined_offline,
    in_the_clear,
    late_clock,
    ledger_cannot_be_read,
    locked,
    locked_for_good,
    nameless,
    no_secret_of_the_key,
    nowhere_to_be_made,
    old_table,
    password_for_everybody,
    pushed_out,
    refusing,
    renamed,
    shared_account,
    socket_is_a_file,
    socket_too_long,
    spent,
    state_is_a_file,
    through,
    unapproved,
    voided,
)

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
    "captcha",
)


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
    Provocation("reachability", "reachability", "Connection refused", "firewall", visit=refusing),
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
    Provocation(
        "captcha", "captcha", "a human must log in", "solve it there, then: copierctl authorize", visit=captcha
    ),
    Provocation("captcha", "captcha", "nothing is asked before", "log in to Tradovate", visit=captcha_of_before),
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
        "rate budget against follower count", "rate-budget", "0 requests are left", "fills up again", visit=spent
    ),
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
