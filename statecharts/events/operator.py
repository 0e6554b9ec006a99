"""What the operator asks for, and the configuration that he has written."""

from __future__ import annotations

import attrs

from statecharts.events.event import Event
from statecharts.rules import Rules
from statecharts.values import Symbol


@attrs.frozen(kw_only=True)
class DisconnectAsked(Event):
    pass


@attrs.frozen(kw_only=True)
class ReconnectAsked(Event):
    """Dial again, or read again where the session is alive."""


@attrs.frozen(kw_only=True)
class Reauthorized(Event):
    """A new credential is there: authorize, or a changed secret."""


@attrs.frozen(kw_only=True)
class PauseAsked(Event):
    pass


@attrs.frozen(kw_only=True)
class ResumeAsked(Event):
    pass


@attrs.frozen(kw_only=True)
class FlattenAsked(Event):
    """Get out of this contract, or of all of them (None), and stay out until resumed."""

    symbol: Symbol | None = None


@attrs.frozen(kw_only=True)
class ReleaseAsked(Event):
    """What is not ours in this contract is accepted as not ours: trade beside it."""

    symbol: Symbol


@attrs.frozen(kw_only=True)
class AdoptAsked(Event):
    """The whole position in this contract counts as ours."""

    symbol: Symbol


@attrs.frozen(kw_only=True)
class UnlockAsked(Event):
    """End the lock that a limit has set, before its session is over."""


@attrs.frozen(kw_only=True)
class RulesChanged(Event):
    """The configuration was read again."""

    rules: Rules


@attrs.frozen(kw_only=True)
class FollowsAnew(Event):
    """From now on it follows another leader, or nobody, or in another way; `elsewhere`: as another broker account."""

    elsewhere: bool = False
