"""Names of copier.toml that are made out of the broker's: lower case, and nothing that a name may not hold."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST = 32


def plain(text: str) -> str:
    """Empty when nothing of it is left."""
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")[:_LONGEST]


def login_name(username: str) -> str:
    """jane.doe@example.com -> jane-doe"""
    return plain(username.partition("@")[0]) or "login"


def account_names(leader: str, followers: Sequence[str]) -> dict[str, str]:
    """The name of each of the broker's accounts in the file: `lead`, and for the followers one like the broker's."""
    named = {leader: "lead"}
    for follower in followers:
        stem = name = plain(follower) or "follower"
        number = 1
        while name in named.values():
            number += 1
            name = f"{stem[: _LONGEST - 4]}-{number}"
        named[follower] = name
    return named
