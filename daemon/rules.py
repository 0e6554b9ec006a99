"""copier.toml in the words of the core: what one account has to know of the configuration, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.config import Config, Follower
from statecharts.market_hours import TRADOVATE_WINDOWS
from statecharts.rules import CopyRules, Drawdown, Limits, MapTo, ReconnectRules, Rules, Runaway, Template
from statecharts.values import AccountName, CopyName, Root


def rules_of(config: Config, name: str) -> Rules:
    """What the core has to know of the configuration, for one account."""
    environment = config.environment(name)
    reconnect = ReconnectRules(
        first_delay=config.reconnect.first_delay,
        longest_delay=config.reconnect.longest_delay,
        give_up_after=config.reconnect.give_up_after,
        probe_every=config.reconnect.probe_every,
        in_position_delay=config.reconnect.in_position_delay,
        retake=config.logins[config.accounts[name].login].on_evicted == "retake",
        windows=TRADOVATE_WINDOWS if environment.hours else None,
    )
    return Rules(reconnect=reconnect, copy=_copy_rules(config, name), leads=bool(config.leads(name)))


def _copy_rules(config: Config, name: str) -> CopyRules | None:
    copy, follower = config.copy_of(name), config.follower(name)
    if copy is None or follower is None:
        return None
    return CopyRules(
        name=CopyName(copy.name),
        leader=AccountName(copy.leader),
        ratio=follower.ratio,
        min_one=follower.min_one,
        max_order=follower.max_order,
        max_position=follower.max_position,
        map={Root(root): MapTo(Root(to.to), to.factor) for root, to in follower.map.items()},
        allow=None if copy.allow is None else frozenset(Root(root) for root in copy.allow),
        deny=frozenset(Root(root) for root in copy.deny),
        shadow=config.shadow(name),
        mode=copy.mode,
        catch_up=copy.catch_up,
        fresh_age=copy.fresh_age,
        fresh_ticks=copy.fresh_ticks,
        quiet=copy.quiet,
        settle=copy.settle,
        chase_after=copy.chase_after,
        bracket_wait=copy.bracket_wait,
        template=None if follower.bracket is None else Template(follower.bracket.stop, follower.bracket.target),
        flatten_when_stop_refused=follower.on_stop_refused == "flatten",
        flatten_when_leader_lost=copy.on_leader_lost == "flatten",
        leader_lost_after=copy.leader_lost_after,
        runaway=Runaway(follower.runaway.orders, follower.runaway.per),
        limits=_limits(follower),
    )


def _limits(follower: Follower) -> Limits:
    drawdown = follower.trailing_drawdown
    return Limits(
        daily_loss=follower.daily_loss_limit,
        daily_profit=follower.daily_profit_limit,
        drawdown=None if drawdown is None else Drawdown(drawdown.amount, drawdown.basis == "end_of_day"),
        no_open_after=follower.no_open_after,
        flat_by=follower.flat_by,
    )


def followers_of(config: Config) -> Mapping[AccountName, tuple[AccountName, ...]]:
    return {
        AccountName(name): tuple(AccountName(f.account) for copy in config.leads(name) for f in copy.followers)
        for name in config.accounts
    }
