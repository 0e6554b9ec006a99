"""Why a session ended, in the operator's words, each with its cause.

Rule: a loss that is known for what it is has a name here; what is not known is the wire's.
"""

from __future__ import annotations

import attrs

from daemon.logins.grant import NoToken
from daemon.logins.standing import LIMITS, SERVERS_OWN, Standing
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


def refused(found: Standing, status: int, words: str) -> NoToken:
    """A token that authorize has refused, and what a renewal has shown of its session."""
    said = f"the broker refused the token ({status}: {words})"
    match found:
        case Standing.LIVES | Standing.UNCLEAR if status in LIMITS:
            return NoToken(f"the broker limits requests ({status}: {words})", Cause.PENALTY)
        case Standing.LIVES if status >= SERVERS_OWN:
            return NoToken(f"the broker is in trouble ({status}: {words})", Cause.BROKER)
        case Standing.LIVES:
            return NoToken(f"{said}; it was renewed", Cause.CREDENTIALS)
        case Standing.VOID:
            return NoToken(said, Cause.CREDENTIALS)
        case Standing.GONE:
            return NoToken(f"another login took the session ({status}: {words})", Cause.EVICTED)
        case Standing.UNCLEAR:
            cause = Cause.BROKER if status >= SERVERS_OWN else Cause.NETWORK
            return NoToken(f"{said}, and did not renew it either", cause)


def useless(status: int, words: str) -> Loss:
    """A session on which nothing is served, for a reason that could not be told."""
    cause = Cause.PENALTY if status in LIMITS else Cause.BROKER
    return Loss(f"the broker serves nothing on this connection ({words})", cause)


def cause_of(lost: SocketLost) -> Cause:
    """A refused upgrade is the broker's doing; everything else may be the wire's."""
    if lost.status is None:
        return Cause.NETWORK
    return Cause.PENALTY if lost.status in (423, 429) else Cause.BROKER


def first_reason(group: BaseExceptionGroup[SocketLost]) -> str:
    error = group.exceptions[0]
    return first_reason(error) if isinstance(error, BaseExceptionGroup) else error.reason
