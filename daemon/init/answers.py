"""What an answer must be, said at the terminal or by a flag. Each raises ValueError with what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from daemon.config import secrets
from daemon.config.demands import calculable, meet
from daemon.config.errors import Misfit
from daemon.config.secrets import LONGEST
from daemon.config.sense import NAME
from daemon.config.values import Demand

Followers = tuple[tuple[str, Decimal], ...]
Parse = Callable[[str], str]


def line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("it must be a word or a few, on one line")
    return text.strip()


def name(text: str) -> str:
    if NAME.fullmatch(text) is None:
        raise ValueError("use a to z, 0 to 9, _ and -, at most 32 of them, and begin with a letter or a digit")
    return text


environment = name  # built in or not


def another_name(taken: Sequence[str]) -> Parse:
    """Of a login beside those: two that share a variable in the environment would share their secrets."""

    def parse(text: str) -> str:
        twin = next((one for one in taken if secrets.stem(one) == secrets.stem(name(text))), None)
        if twin is not None:
            raise ValueError(f"it must be another than {twin}, of which there is one already")
        return text

    return parse


def yes(text: str) -> bool:
    if text.lower() not in ("y", "yes", "n", "no"):
        raise ValueError("it must be y or n")
    return text.lower().startswith("y")


def number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("it must be the number of the API key; its secret is asked for apart")
    return int(text)


def one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"it must be one of {', '.join(words)}")
        return text

    return parse


def meets(demand: Demand) -> Callable[[str], str]:
    """What the same key of copier.toml must fulfil."""

    def parse(text: str) -> str:
        try:
            return str(meet(demand, line(text)))
        except Misfit as wrong:
            raise ValueError(f"{wrong.message}. {wrong.remedy}") from wrong

    return parse


def secret(value: str) -> str:
    """As a file of it will be read again. Nothing that is raised has a part of it in it."""
    if not value:
        raise ValueError("is empty")
    try:
        length = len(value.encode())
    except UnicodeEncodeError:  # its own words have the letter in them
        raise ValueError("is not text in UTF-8") from None
    if len(value.splitlines()) > 1 or value != value.rstrip("\r\n") or length > LONGEST - 1:
        raise ValueError(f"is more than one line of at most {LONGEST - 1} bytes")
    return value


def account(known: tuple[str, ...] | None) -> Parse:
    """By its name, or by its number in the list that was shown. A name that is a number is the name."""

    def parse(text: str) -> str:
        text = line(text)
        if known is None or text in known:
            return text
        if text.isascii() and text.isdigit() and 1 <= int(text) <= len(known):
            return known[int(text) - 1]
        raise ValueError(f"the login has no account {text}; it has {', '.join(known) or 'none'}")

    return parse


def followers(
    leader: str, known: tuple[str, ...] | None, taken: frozenset[str] = frozenset()
) -> Callable[[str], Followers]:
    """NAME or NAME=RATIO, as many as there are; `all` is every other account of the login. `taken`: of other logins."""
    one = account(known)

    def parse(text: str) -> Followers:
        if text == "all":
            if known is None:
                raise ValueError("which all of them are is not known; name them")
            return tuple((other, Decimal(1)) for other in known if other not in (leader, *taken))
        found: dict[str, Decimal] = {}
        for word in re.split(r"[\s,]+", text.strip()):
            called, equals, size = word.partition("=")
            follower = one(called)
            if follower == leader:
                raise ValueError(f"{follower} leads, and cannot follow itself")
            if follower in taken:
                raise ValueError(f"{follower} is there already")
            if follower in found:
                raise ValueError(f"{follower} is named twice")
            found[follower] = ratio(size) if equals else Decimal(1)
        return tuple(found.items())

    return parse


def ratio(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not calculable(value) or value <= 0:
        raise ValueError(f"{text or 'nothing'} is no ratio: write a number above 0, such as 0.5")
    return value
