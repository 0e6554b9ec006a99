"""What the operator has configured, as one frozen value inside the account. Changed only by `RulesChanged`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from decimal import Decimal
from typing import Literal

import attrs

from statecharts.market_hours import Markets, PlatformWindows
from statecharts.values import AccountName, CopyName, Root, Symbol

CatchUp = Literal["none", "reduce", "fresh"]
Mode = Literal["orders", "fills"]


@attrs.frozen
class ReconnectRules:
    """How long to wait between dials. See `connection.delay`."""

    first_delay: timedelta = timedelta(seconds=1)
    longest_delay: timedelta = timedelta(seconds=60)
    give_up_after: timedelta = timedelta(minutes=5)
    probe_every: timedelta = timedelta(minutes=2)
    in_position_delay: timedelta = timedelta(seconds=10)
    evicted_delay: timedelta = timedelta(seconds=60)
    retake: bool = False  # when another session of this user took ours: take it back instead of waiting
    windows: PlatformWindows | None = None  # None: this environment knows no maintenance


@attrs.frozen
class MapTo:
    """The product that a follower trades instead, and how many of it stand for one of the leader's."""

    to: Root
    factor: Decimal


@attrs.frozen
class Agreement:
    """What decides how much a follower trades for one contract of its leader, and in what. See agreements.py."""

    to: Symbol  # the follower's contract
    ratio: Decimal = Decimal(1)
    factor: Decimal = Decimal(1)
    min_one: bool = False
    max_order: int | None = None
    max_position: int | None = None


@attrs.frozen
class Runaway:
    """More placements than `orders` within `per` are a fault: the follower then only closes."""

    orders: int = 20
    per: timedelta = timedelta(seconds=5)


@attrs.frozen
class Template:
    """Protects an entry that comes without protection of its own: distances from it in ticks."""

    stop: int
    target: int | None = None


@attrs.frozen
class Drawdown:
    """How far equity may fall below its peak. Amount in the account's currency."""

    amount: Decimal
    end_of_day: bool = False  # the peak counts sessions' ends only, else every moment


@attrs.frozen
class Limits:
    """What ends a follower's session. Amounts in the account's currency, times are Chicago's; None: no limit."""

    daily_loss: Decimal | None = None
    daily_profit: Decimal | None = None
    drawdown: Drawdown | None = None
    no_open_after: time | None = None
    flat_by: time | None = None

    @property
    def of_money(self) -> bool:
        """Is one set that is of money?"""
        return self.daily_loss is not None or self.daily_profit is not None or self.drawdown is not None

    @property
    def none(self) -> bool:
        """Is none set at all?"""
        of_time = self.no_open_after is not None or self.flat_by is not None
        return not of_time and self.daily_loss is None and self.daily_profit is None and self.drawdown is None


@attrs.frozen
class CopyRules:
    """How one follower copies its leader. Sizes in contracts."""

    name: CopyName
    leader: AccountName
    ratio: Decimal = Decimal(1)
    min_one: bool = False
    max_order: int | None = None
    max_position: int | None = None
    map: Mapping[Root, MapTo] = attrs.field(factory=dict)
    allow: frozenset[Root] | None = None
    deny: frozenset[Root] = frozenset()
    shadow: bool = False  # decide and record everything, send nothing
    mode: Mode = "orders"
    catch_up: CatchUp = "reduce"
    fresh_age: timedelta = timedelta(seconds=10)
    fresh_ticks: int = 4
    quiet: timedelta = timedelta(seconds=3)
    settle: timedelta = timedelta(seconds=15)
    chase_after: timedelta = timedelta(seconds=5)
    bracket_wait: timedelta = timedelta(0)
    template: Template | None = None
    flatten_when_stop_refused: bool = True  # else it is told only
    flatten_when_leader_lost: bool = False  # else its followers hold
    leader_lost_after: timedelta = timedelta(minutes=5)
    runaway: Runaway = Runaway()
    limits: Limits = Limits()
    agreed: Mapping[Symbol, Agreement] = attrs.field(factory=dict)  # by the leader's contract; it wins over the above
    # What the above says for each contract of the leader's: no part of the value, and worked out once (sizing.py)
    configured: dict[Symbol, Agreement] = attrs.field(factory=dict, init=False, eq=False, repr=False)


@attrs.frozen
class Rules:
    """`copy` is how this account follows (None: it does not); `leads` whether others follow it.

    `markets` are the hours of its environment (None: always open); `products` the roots that its copies name as those
    that may be opened, its own as follower and its followers' as leader (None: they do not name them).
    """

    reconnect: ReconnectRules = ReconnectRules()
    copy: CopyRules | None = None
    leads: bool = False
    markets: Markets | None = None
    products: frozenset[Root] | None = None
    # What these rules are by the latest agreements (agreements.py): no part of the value, and every event asks for it.
    latest: list[tuple[Mapping[Symbol, Agreement], Rules]] = attrs.field(factory=list, init=False, eq=False, repr=False)
