"""copier.toml in the words of the core: what one account has to know of the configuration, as one frozen value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from daemon.config import Config, Copy, Follower
from statecharts.market_hours import TRADOVATE_WINDOWS, Markets
from statecharts.rules import CopyRules, Drawdown, Limits, MapTo, ReconnectRules, Rules, Runaway, Template
from statecharts.values import AccountName, CopyName, Root


def rules_of(config: Config, name: str) -> Rules:
    """What the core has to know of the configuration, for one account. It goes by no hours yet."""
    reconnect = ReconnectRules(
        first_delay=config.reconnect.first_delay,
        longest_delay=config.reconnect.longest_delay,
        give_up_after=config.reconnect.give_up_after,
        probe_every=config.reconnect.probe_every,
        in_position_delay=config.reconnect.in_position_delay,
        retake=config.logins[config.accounts[name].login].on_evicted == "retake",
    )
    return Rules(
        reconnect=reconnect,
        copy=_copy_rules(config, name),
        leads=bool(config.leads(name)),
        products=_products(config, name),
    )


def with_hours(rules: Rules, markets: Markets | None, apply: bool) -> Rules:
    """These rules with the hours of an environment. `apply`: it has hours, and they are to be gone by."""
    reconnect = attrs.evolve(rules.reconnect, windows=TRADOVATE_WINDOWS if apply else None)
    return attrs.evolve(rules, markets=markets if apply else None, reconnect=reconnect)


def _products(config: Config, name: str) -> frozenset[Root] | None:
    """The roots that the account's copies name, the leader's as well as those that they are mapped to."""
    named: set[str] = set()
    for copy, follower in _copies(config, name):
        if copy.allow is None:
            return None
        named |= {*copy.allow, *(follower.map[root].to for root in set(copy.allow) & set(follower.map))}
    return frozenset(Root(root) for root in named)


def _copies(config: Config, name: str) -> Iterator[tuple[Copy, Follower]]:
    """Where the account follows, and where it is followed."""
    for copy in config.copies:
        yield from ((copy, one) for one in copy.followers if name in (copy.leader, one.account))


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
