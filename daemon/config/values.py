"""copier.toml as values: what the operator wrote, with every default filled in.

Rule 1: a field here has the name of its key in copier.toml; `Config.copies` alone differs, its key is `copy`.
Rule 2: a section's own name is the field that the control socket calls it by: `login`, `account`, `environment`.
Rule 3: what can be wrong with one value is said in its type; what can be wrong between two is in sense.py.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import attrs

from daemon import places


class Demand(enum.Enum):
    """What a value must fulfil beyond its type. The message completes the sentence "must be ..."."""

    COUNT = "a whole number of at least 1"
    AMOUNT = "a number above 0"
    RATIO = "a number other than 0"
    PERIOD = "longer than 0"
    WEB = "an http:// or https:// address"
    REST = "an https:// address (http:// only on this machine)"
    SOCKET = "a wss:// address (ws:// only on this machine)"
    DEVICE = "at least 1 and at most 64 characters long, without control characters"
    WORDS = "text that is not empty, without control characters"
    ROOT = "a product such as ES, MES or 6E: capitals and digits, no month and no year"
    KEY = "the number of the API key, without quotes"
    PRIVATE = "the absolute path of a file that holds the secret"
    DOOR = "at most 107 bytes long: no Unix socket has a longer path"
    INTERVAL = "an interval of local times such as 08:30-16:00, at the latest until 24:00"


Count = Annotated[int, Demand.COUNT]
Amount = Annotated[Decimal, Demand.AMOUNT]
Ratio = Annotated[Decimal, Demand.RATIO]
Period = Annotated[dt.timedelta, Demand.PERIOD]
WebAddress = Annotated[str, Demand.WEB]
RestAddress = Annotated[str, Demand.REST]
SocketAddress = Annotated[str, Demand.SOCKET]
DeviceId = Annotated[str, Demand.DEVICE]
Words = Annotated[str, Demand.WORDS]
Interval = Annotated[str, Demand.INTERVAL]
KeyNumber = Annotated[int, Demand.KEY]
SecretFile = Annotated[Path, Demand.PRIVATE]
DoorPath = Annotated[Path, Demand.DOOR]
ProductRoot = Annotated[str, Demand.ROOT]

LogLevel = Literal["debug", "info", "warning", "error"]
Severity = Literal["info", "warning", "page"]
SIMULATOR = "simulator"


@attrs.frozen(kw_only=True)
class Daemon:
    state_directory: Path = attrs.field(factory=places.state_directory)
    control_socket: DoorPath = attrs.field(factory=places.control_socket)
    log_level: LogLevel = "info"


@attrs.frozen(kw_only=True)
class Reconnect:
    first_delay: Period = dt.timedelta(seconds=1)
    longest_delay: Period = dt.timedelta(seconds=60)
    give_up_after: Period = dt.timedelta(seconds=300)
    probe_every: Period = dt.timedelta(seconds=120)
    in_position_delay: Period = dt.timedelta(seconds=10)
    silence_limit: Period = dt.timedelta(seconds=10)


@attrs.frozen(kw_only=True)
class Environment:
    """One broker. `hours`: do the exchange's hours and the broker's maintenance windows apply there?"""

    environment: str = ""
    rest: RestAddress
    websocket: SocketAddress
    authorize: WebAddress | None = None
    token: RestAddress | None = None
    live: bool = False
    hours: bool = False

    @property
    def embedded(self) -> bool:
        """Does the daemon itself play this broker? Its addresses are then only known once it listens."""
        return self.environment == SIMULATOR

    @property
    def guarded(self) -> bool:
        """Does an account need armed = true here? On demo too: prop-firm accounts live there."""
        return self.live or self.environment == "demo"


@attrs.frozen(kw_only=True)
class Login:
    login: str = ""
    environment: str
    grant: Literal["password", "oauth"] = "password"
    username: Words | None = None
    app_id: Words = "copierd"
    app_version: Words = "1.0"
    cid: KeyNumber | None = None
    device_id: DeviceId | None = None
    client_id: Words | None = None
    redirect_uri: WebAddress | None = None
    password_file: SecretFile | None = None
    sec_file: SecretFile | None = None
    client_secret_file: SecretFile | None = None
    requests_per_minute: Count = 300
    requests_per_hour: Count = 5000
    on_evicted: Literal["yield", "retake"] = "yield"


@attrs.frozen(kw_only=True)
class Account:
    """`account` is the name in copier.toml, `name` the broker's. Whether it may trade: `Config.armed`."""

    account: str = ""
    login: str
    name: Words
    armed: bool = False


@attrs.frozen(kw_only=True)
class ContractMap:
    """The product that a follower trades instead, and how many of it make one of the leader's."""

    to: ProductRoot
    factor: Amount


@attrs.frozen(kw_only=True)
class Runaway:
    orders: Count = 20
    per: Period = dt.timedelta(seconds=5)


@attrs.frozen(kw_only=True)
class TrailingDrawdown:
    amount: Amount
    basis: Literal["intraday", "end_of_day"] = "intraday"


@attrs.frozen(kw_only=True)
class Bracket:
    """Distances from the entry in ticks."""

    stop: Count
    target: Count | None = None


@attrs.frozen(kw_only=True)
class Follower:
    """Amounts are in the account's currency, times are America/Chicago, caps are contracts (None: no cap)."""

    account: str
    ratio: Ratio = Decimal(1)
    inverse: bool = False
    min_one: bool = False
    max_order: Count | None = None
    max_position: Count | None = None
    map: Mapping[ProductRoot, ContractMap] = attrs.field(factory=dict)
    shadow: bool = False
    on_stop_refused: Literal["flatten", "tell"] = "flatten"
    runaway: Runaway = Runaway()
    daily_loss_limit: Amount | None = None
    daily_profit_limit: Amount | None = None
    trailing_drawdown: TrailingDrawdown | None = None
    no_open_after: dt.time | None = None
    flat_by: dt.time | None = None
    bracket: Bracket | None = None


@attrs.frozen(kw_only=True)
class Copy:
    """`allow` None: every product. Neither `allow` nor `deny` ever blocks an exit."""

    name: str
    leader: str
    mode: Literal["orders", "fills"] = "orders"
    catch_up: Literal["none", "reduce", "fresh"] = "reduce"
    fresh_age: Period = dt.timedelta(seconds=10)
    fresh_ticks: int = 4
    settle: Period = dt.timedelta(seconds=15)
    chase_after: Period = dt.timedelta(seconds=5)
    quiet: dt.timedelta = dt.timedelta(seconds=3)
    bracket_wait: dt.timedelta = dt.timedelta(seconds=0)
    on_leader_lost: Literal["hold", "flatten"] = "hold"
    leader_lost_after: Period = dt.timedelta(seconds=300)
    allow: tuple[ProductRoot, ...] | None = None
    deny: tuple[ProductRoot, ...] = ()
    followers: tuple[Follower, ...]


@attrs.frozen(kw_only=True)
class MarketHours:
    """One local calendar day of some product groups, which wins over the built-in table. `open` empty: closed."""

    groups: tuple[str, ...]
    day: dt.date
    open: tuple[Interval, ...]
    label: str = ""


@attrs.frozen(kw_only=True)
class Notify:
    url: WebAddress = attrs.field(repr=False)  # the address of a webhook is often its password
    format: Literal["json", "slack", "discord", "ntfy"] = "json"
    min_severity: Severity = "warning"
    after: dt.timedelta = dt.timedelta(seconds=10)
    events: tuple[str, ...] = ()
    heartbeat: Period | None = None


BUILT_IN: Mapping[str, Environment] = {
    "demo": Environment(
        environment="demo",
        rest="https://demo.tradovateapi.com/v1",
        websocket="wss://demo.tradovateapi.com/v1/websocket",
        authorize="https://trader.tradovate.com/oauth",
        token="https://demo.tradovateapi.com/auth/oauthtoken",  # noqa: S106 - an address, no token
        hours=True,
    ),
    "live": Environment(
        environment="live",
        rest="https://live.tradovateapi.com/v1",
        websocket="wss://live.tradovateapi.com/v1/websocket",
        authorize="https://trader.tradovate.com/oauth",
        token="https://live.tradovateapi.com/auth/oauthtoken",  # noqa: S106 - an address, no token
        live=True,
        hours=True,
    ),
    SIMULATOR: Environment(
        environment=SIMULATOR,
        rest="http://127.0.0.1/v1",
        websocket="ws://127.0.0.1/v1/websocket",
        authorize="http://127.0.0.1/oauth",
        token="http://127.0.0.1/auth/oauthtoken",  # noqa: S106 - an address, no token
    ),
}
