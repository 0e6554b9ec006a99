"""Why a session ended, in the operator's words, each with its cause.

Rule: a loss that is known for what it is has a name here; what is not known is the wire's.
"""

from __future__ import annotations

import attrs

from daemon.tradovate.socket import SocketLost
from statecharts.states import Cause


@attrs.frozen
class Loss:
    """Why a session ended. `final`: the credential was refused, and nothing is tried again by itself.

    `advice`: what a human can do, where it is more than to wait.
    """

    reason: str
    cause: Cause = Cause.NETWORK
    final: bool = False
    advice: str | None = None


MOVED = Loss("this login lives on another host of the broker's (421), which is dialed next", Cause.BROKER)
UNNAMED_HOST = Loss(
    "the broker says that this login lives on another host (HTTP 421), and does not name it",
    Cause.BROKER,
    advice="ask Tradovate for the host, and name it in an environment of its own ([environments.NAME])",
)
SUCCEEDED = Loss("our own new session took its place", Cause.OPERATOR)

_SHUTDOWN = {
    "ConnectionQuotaReached": ("another login took the session (ConnectionQuotaReached)", Cause.EVICTED),
    "IPQuotaReached": ("the broker counts too many sockets from this address (IPQuotaReached)", Cause.PENALTY),
    "Maintenance": ("the broker closes for maintenance", Cause.BROKER),
}


def shutdown(code: str, awaits_successor: bool) -> Loss:
    """The broker's notice of shutdown. `awaits_successor`: we are asking for another session ourselves."""
    reason, cause = _SHUTDOWN.get(code, (f"the broker shuts this connection down ({code})", Cause.BROKER))
    return SUCCEEDED if cause is Cause.EVICTED and awaits_successor else Loss(reason, cause)


def cause_of(lost: SocketLost) -> Cause:
    """A refused upgrade is the broker's doing; everything else may be the wire's."""
    if lost.status is None:
        return Cause.NETWORK
    return Cause.PENALTY if lost.status in (423, 429) else Cause.BROKER


def first_reason(group: BaseExceptionGroup[SocketLost]) -> str:
    error = group.exceptions[0]
    return first_reason(error) if isinstance(error, BaseExceptionGroup) else error.reason
