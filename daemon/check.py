"""`copierd check`: who copies whom with what, and what may really send an order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from daemon import places
from daemon.config import Config, ConfigErrors, Copy, Environment, Follower, Login, load, secrets
from daemon.config.demands import loopback
from daemon.exits import Exit
from daemon.hours_table import markets_of
from daemon.house_rules import caution
from daemon.peeking import kept_device

RENEWALS_AN_HOUR = 15  # of one address, all counted (Tradovate's partner pages)
LOGINS_AN_ADDRESS = 18  # a token of 90 minutes is renewed every 60 to 75


def run_check(path: Path, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """0, or 78 with every error on `err`."""
    try:
        config = load(path)
        markets_of(config, path)
    except ConfigErrors as errors:
        print(errors, file=err or sys.stderr)
        return Exit.CONFIG
    print("\n".join(report(path, config)), file=out or sys.stdout)
    return Exit.OK


def report(path: Path, config: Config, environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """`environ`: of whoever will read the secrets, where that is another process."""
    yield f"{path} is valid."
    for copy in config.copies:
        yield ""
        yield from _copy(config, copy)
    yield ""
    yield "Logins"
    for login in config.logins.values():
        yield from _login(config, login, path, environ)
    idle = sorted(name for name in config.accounts if not config.leads(name) and config.copy_of(name) is None)
    if idle:
        yield ""
        yield f"Neither lead nor follow: {', '.join(idle)}"
    yield ""
    yield from _summary(config)
    words = list(caution(config))
    if words:
        yield ""
        yield from words
    crowd = _crowd(config)
    if crowd:
        yield ""
        yield crowd


def _copy(config: Config, copy: Copy) -> Iterator[str]:
    yield f"Copy {copy.name}: {_account(config, copy.leader)} leads, mode {copy.mode}, catch_up {copy.catch_up}"
    if copy.allow is not None:
        yield f"  opens only {', '.join(copy.allow)}"
    if copy.deny:
        yield f"  never opens {', '.join(copy.deny)}"
    for follower in copy.followers:
        account = _account(config, follower.account)
        yield f"  -> {account}: {_size(follower)}; {_caps(follower)}; {_sends(config, follower)}"
        limits = _limits(follower)
        if limits:
            yield f"       {limits}"
        if follower.inverse and copy.mode == "orders" and follower.bracket is None:
            yield "       WITHOUT A STOP where the leader has no target, which its stop is made of; a bracket gives one"


def _account(config: Config, account: str) -> str:
    return f"{account} ({config.accounts[account].name} on {config.environment(account).environment})"


def _size(follower: Follower) -> str:
    if follower.ratio == 1:
        size = "same size"
    else:
        size = f"size x {abs(follower.ratio):f}"
    if follower.inverse:
        size += ", inverse"
    if follower.min_one:
        size += ", at least 1"
    maps = [f"{root} -> {to.to} x {to.factor:f}" for root, to in follower.map.items()]
    return ", ".join([size, *maps])


def _caps(follower: Follower) -> str:
    if follower.max_order is None and follower.max_position is None:
        return "no cap"
    order = "no cap per order" if follower.max_order is None else f"at most {follower.max_order} per order"
    position = "no cap per product" if follower.max_position is None else f"at most {follower.max_position} per product"
    return f"{order}, {position}"


def _sends(config: Config, follower: Follower) -> str:
    environment = config.environment(follower.account)
    if not config.armed(follower.account):
        return "shadows: not armed (armed = true in its account lets it trade)"
    if follower.shadow:
        return "shadows: shadow = true"
    return "ARMED" if environment.guarded else f"trades on {environment.environment}"


def _limits(follower: Follower) -> str:
    parts = []
    if follower.daily_loss_limit is not None:
        parts.append(f"daily loss limit {follower.daily_loss_limit:f}")
    if follower.daily_profit_limit is not None:
        parts.append(f"daily profit limit {follower.daily_profit_limit:f}")
    if follower.trailing_drawdown is not None:
        parts.append(f"trailing drawdown {follower.trailing_drawdown.amount:f} {follower.trailing_drawdown.basis}")
    if follower.no_open_after is not None:
        parts.append(f"no openings after {follower.no_open_after:%H:%M} Chicago")
    if follower.flat_by is not None:
        parts.append(f"flat by {follower.flat_by:%H:%M} Chicago")
    if follower.bracket is not None:
        target = f", target {follower.bracket.target}" if follower.bracket.target else ""
        parts.append(f"bracket: stop {follower.bracket.stop}{target} ticks")
    return "; ".join(parts)


def _login(config: Config, login: Login, path: Path, environ: Mapping[str, str] | None) -> Iterator[str]:
    environment = config.environments[login.environment]
    count = sum(account.login == login.login for account in config.accounts.values())
    where = "simulator, inside the daemon" if environment.embedded else f"{login.environment}, {environment.rest}"
    yield f"  {login.login}: {where}; {count} account{'' if count == 1 else 's'}"
    if not environment.embedded:
        yield f"       grant {login.grant}, device id {login.device_id or _device(config, login, path)}"
        yield from _secrets(login, path, environ)


def _device(config: Config, login: Login, path: Path) -> str:
    """The one that the broker has been told, and that it may want to be approved."""
    directory = config.daemon.state_directory
    if _is_the_service_s(path) and directory == places.state_directory({}):  # systemd names it to the service alone
        directory = places.SERVICE_STATE.with_name(places.instance(path, places.SERVICE_STATE.name))
    kept = kept_device(directory / "ledger.sqlite", login.login)
    return f"{kept}, kept in {directory}" if kept else "made at the first start and kept in the state directory"


def _secrets(login: Login, path: Path, environ: Mapping[str, str] | None) -> Iterator[str]:
    """Where each is found from here, or by the service, which has an environment and credentials of its own."""
    kinds: tuple[secrets.Kind, ...] = ("password", "sec") if login.grant == "password" else ("client_secret",)
    for kind in kinds:
        credential = _of_the_service(path, f"{login.login}.{kind}")
        found = secrets.whereabouts(login, kind, environ)
        if credential is not None:
            yield f"       {kind} from {credential}, which systemd gives to the service"
        elif found is not None:
            yield f"       {kind} {found}"
        elif kind == "password":
            yield (
                f"       {kind} NOT FOUND from here: the daemon looks for the credential {login.login}.{kind}, "
                f"{secrets.variable(login.login, kind)}, then {kind}_file"
            )


def _of_the_service(path: Path, name: str) -> Path | None:
    """The file that its unit loads as this credential, for a configuration that its unit reads. Only root sees it."""
    credential = places.SERVICE / "secrets" / name
    try:
        there = _is_the_service_s(path) and credential.is_file()
    except PermissionError:
        there = False
    return credential if there else None


def _is_the_service_s(path: Path) -> bool:
    return path.resolve().parent == places.SERVICE.resolve()


def _crowd(config: Config) -> str | None:
    """More logins than one address can keep renewed: the broker counts renewals by address, not by login."""
    used = {account.login for account in config.accounts.values()}
    environments = {name: config.environments[config.logins[name].environment] for name in used}
    here = [name for name, environment in environments.items() if not _on_this_machine(environment)]
    if len(here) <= LOGINS_AN_ADDRESS:
        return None
    return (
        f"TOO MANY LOGINS: {len(here)} share this machine's address, and it may renew {RENEWALS_AN_HOUR} tokens an "
        f"hour, which is enough for about {LOGINS_AN_ADDRESS}. Beyond that renewals are refused, tokens end, and new "
        "ones open sessions. Put some of them on another address with a copierd of its own, or share logins"
    )


def _on_this_machine(environment: Environment) -> bool:
    return environment.embedded or loopback(urlsplit(environment.rest).hostname)


def _summary(config: Config) -> Iterator[str]:
    followers = [follower.account for copy in config.copies for follower in copy.followers]
    shadows = [name for name in followers if config.shadow(name)]
    armed = [name for name in followers if not config.shadow(name) and config.environment(name).guarded]
    simulated = [name for name in followers if name not in shadows and name not in armed]
    yield f"Armed: {', '.join(armed) or 'none'}"
    yield f"Only shadow: {', '.join(shadows) or 'none'}"
    if simulated:
        yield f"Trade where no money is: {', '.join(simulated)}"
