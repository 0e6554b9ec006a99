"""Which hosts are the broker's own: where a token may go along when a request is sent elsewhere.

Rule 1: a host of the same domain, by no less safe a scheme; nobody else, whoever has named it.
Rule 2: a domain is what is left of the configured host's name without its first part. Where that would be a suffix that
        strangers share (co.uk), or the host is a number, only the same host is the broker's.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urljoin, urlsplit, urlunsplit

_SHARED = 3  # characters: the second part of a name under a country (co.uk, com.au) is no longer than that
_COUNTRY = 2


def same_house(ours: str, theirs: str) -> bool:
    """May what we say to `ours` be said to `theirs`? Both are addresses."""
    try:
        here, there = urlsplit(ours), urlsplit(theirs)
        ports_are_numbers = (here.port, there.port) is not None
    except ValueError:
        return False
    if here.scheme != there.scheme or not here.hostname or not there.hostname or not ports_are_numbers:
        return False
    if here.hostname == there.hostname:
        return True
    domain = _domain(here.hostname)
    return domain is not None and there.hostname.endswith(f".{domain}")


def redirect_of(url: str, location: str) -> str:
    """Where a redirect from `url` leads; "" when what it names is no address."""
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def on_host(url: str, host: str) -> str:
    """The same address on another host; `host` may have a port."""
    return urlunsplit(urlsplit(url)._replace(netloc=host))


def host_of(named: str) -> str | None:
    """The host, with its port, of an address or of a bare name; None when it is neither."""
    try:
        parts = urlsplit(named if "://" in named else f"//{named}")
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return None
    return parts.netloc.rpartition("@")[2] or None


def _domain(host: str) -> str | None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return None
    parts = host.split(".")[1:]
    if len(parts) < 2 or (len(parts) == 2 and len(parts[1]) == _COUNTRY and len(parts[0]) <= _SHARED):
        return None
    return ".".join(parts)
