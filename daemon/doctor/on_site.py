"""The checks of an environment: its addresses, and whether somebody answers there."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from daemon.doctor.facts import Reach, Site
from daemon.doctor.verdicts import Check, Unknown, Verdict, Well, Wrong
from daemon.tradovate.answers import Said, Unreachable

SKEW: Final = timedelta(seconds=5)  # the Date header is exact to a second; more than that is the clock
_OURS: Final = ".tradovateapi.com"


def _where(site: Site) -> str:
    return f"[environments.{site.environment.environment}]"


def _hosts(site: Site) -> dict[str, str]:
    """Host names by key."""
    found = {key: getattr(site.environment, key) for key in ("rest", "websocket", "authorize", "token")}
    return {key: (urlsplit(url).hostname or "") for key, url in found.items() if url}


def _deprecated(site: Site) -> Verdict:
    found = {key: host for key, host in _hosts(site).items() if _is_old(host)}
    if not found:
        return Well()
    return Wrong(", ".join(f"{key} is on {host}" for key, host in found.items()), _where(site))


def _is_old(host: str) -> bool:
    return host.endswith("-api.tradovate.com") or (host.endswith(_OURS) and host.removesuffix(_OURS).endswith("-d"))


def _market_data(site: Site) -> Verdict:
    kinds = {"md": "market data", "md-demo": "market data", "md-api": "market data", "replay": "replay"}
    found = {key: (host, kinds.get(host.partition(".")[0])) for key, host in _hosts(site).items()}
    wrong = [f"{key} is on {host}, which is for {kind}" for key, (host, kind) in found.items() if kind]
    return Wrong("; ".join(wrong), _where(site)) if wrong else Well()


def _side(site: Site) -> Verdict:
    """Do the addresses agree with one another, and with `live`?"""
    sides = {key: side for key, host in _hosts(site).items() if key != "authorize" and (side := _side_of(host))}
    if len(set(sides.values())) > 1:
        what = "its addresses are of both: " + ", ".join(f"{key} of {side}" for key, side in sides.items())
        return Wrong(what, _where(site))
    if "live" in sides.values() and not site.environment.live:
        remedy = f"write live = true in {_where(site)}: without it every account there may trade unarmed"
        return Wrong("its addresses are the live ones, and live is false", _where(site), remedy)
    if "demo" in sides.values() and site.environment.live:
        remedy = f"write the live addresses, or live = false, in {_where(site)}"
        return Wrong("its addresses are the demo ones, and live is true", _where(site), remedy)
    return Well()


def _side_of(host: str) -> str | None:
    first = host.partition(".")[0].split("-")[0]
    return first if first in ("demo", "live") and ".tradovate" in host else None


def _knocks(site: Site, step: Reach) -> Verdict:
    order: tuple[Reach, ...] = ("name", "connection", "certificate")
    before = order[: order.index(step)]
    failed = [knock for knock in site.knocks if knock.failed == step]
    if failed:
        what = "; ".join(f"{knock.host}: {knock.why}" for knock in failed)
        return Wrong(what, _where(site))
    known = [knock.host for knock in site.knocks if knock.failed not in before]
    return Well(", ".join(known)) if known else Unknown("it was not come to: see the checks before")


def _names(site: Site) -> Verdict:
    return _knocks(site, "name")


def _connections(site: Site) -> Verdict:
    found = _knocks(site, "connection")
    if not isinstance(found, Well):
        return found
    match site.said:
        case Unreachable(reason=reason):
            return Wrong(f"REST is not answered ({reason})", site.environment.rest)
        case Said(status=307, location=location):
            remedy = f"this organisation has hosts of its own: give the environment the address {location}"
            return Wrong("REST sends us to another host", site.environment.rest, remedy)
        case Said(status=status) if status >= 500:
            return Wrong(f"REST answers HTTP {status}", site.environment.rest)
        case Said(status=404):
            remedy = "the address must end in /v1 and name the environment's own host"
            return Wrong("REST answers HTTP 404: there is no such address", site.environment.rest, remedy)
    return found


def _certificates(site: Site) -> Verdict:
    return _knocks(site, "certificate")


def _clock(site: Site) -> Verdict:
    if not isinstance(site.said, Said) or site.said.server_date is None or site.asked_at is None:
        return Unknown("the broker did not say what time it is")
    skew = site.asked_at - site.said.server_date
    if abs(skew) <= SKEW:
        return Well(f"{abs(skew).total_seconds():.0f} s")
    words = "ahead of" if skew > timedelta(0) else "behind"
    return Wrong(f"this machine's clock is {abs(skew).total_seconds():.0f} s {words} the broker's", "this machine")


SITE: Final = (
    Check(
        "deprecated-host",
        "addresses that the broker has given up (*-api.tradovate.com, and its developers' own)",
        "write https://demo.tradovateapi.com/v1 and wss://demo.tradovateapi.com/v1/websocket (or live.); "
        "or take the built-in environments demo and live",
        _deprecated,
    ),
    Check(
        "market-data-host",
        "orders that would go to the host for market data or replay",
        "write the host for users, demo.tradovateapi.com or live.tradovateapi.com; copierd needs no market data host",
        _market_data,
    ),
    Check(
        "environment",
        "addresses of demo and live in one environment, or live addresses without live = true",
        "write all of demo, or all of live: accounts and tokens of one mean nothing to the other",
        _side,
    ),
    Check(
        "dns",
        "a host whose name cannot be resolved",
        "look at this machine's resolver (resolvectl query HOST, /etc/resolv.conf), and at the name for typing errors",
        _names,
        online=True,
    ),
    Check(
        "reachability",
        "a host that cannot be connected to, or does not answer",
        "look at the firewall and the route (nc -vz HOST 443), and whether the broker has maintenance: "
        "weekdays 16:00-17:00 Chicago, Friday until 20:00, Saturday 22:00 to Sunday 6:30",
        _connections,
        online=True,
    ),
    Check(
        "tls",
        "a certificate that is not to be trusted, or a host that speaks no TLS",
        "look at this machine's clock and its certificates (apt install --reinstall ca-certificates), and for a proxy "
        "or a firewall that opens connections. Do not go on without: the token would be read",
        _certificates,
        online=True,
    ),
    Check(
        "clock",
        f"a clock that differs from the broker's by more than {SKEW.total_seconds():.0f} s",
        "let the machine keep time: timedatectl set-ntp true, or install chrony",
        _clock,
        online=True,
    ),
)
