"""What a firm may forbid, said before an account is armed there: `check`, `doctor` and the README say it.

Rule: nothing here hides a copier, and nothing ever will: the firm sees every order for what it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from daemon.config import Config

FORBIDDEN = "trade copiers, automation, trading from a VPS, and the same trades on several accounts"


def caution(config: Config) -> Iterator[str]:
    """For a configuration with a follower on live, or on demo, where prop firms keep their accounts; else nothing."""
    followers = [follower.account for copy in config.copies for follower in copy.followers]
    guarded = [name for name in followers if config.environment(name).guarded]
    if not guarded:
        return
    yield "Before you arm an account there for the first time:"
    yield f"  {', '.join(guarded)}: a broker or a prop firm may forbid {FORBIDDEN}."
    yield "  Ask the firm, in writing, for each of them. copierd marks its orders as automated and hides nothing."
