"""Does our session still stand at the broker? What a refusal means, once a renewal has been tried.

Another log-in of the same user ends the oldest session; its token is then answered with 408, 429 or 5xx, or refused
(Tradovate OpenAPI, accessTokenRequest). The same statuses mean other things too, so one renewal tells: the broker
renews only what still lives.

Rule 1: a session counts as taken by another only when its token is refused for good, or answered as gone; a broker in
        trouble, or one that limits us, is no reason to believe in a rival.
Rule 2: what cannot be told yet changes nothing: the token is kept, and asked again later.
"""

from __future__ import annotations

import enum

from daemon.logins.grant import Doubted, GrantAnswer
from daemon.tradovate.answers import BadCredentials, Granted, Limited, NotActive, Penalised, TokenExpired, Unreachable

SESSION_GONE = 408  # what the broker answers for a session that it has closed
LIMITS = (423, 429)
DEFINITE = (400, 401, 403, SESSION_GONE)  # said of a token in authorize: it is not accepted
SERVERS_OWN = 500  # from here on it is the server's trouble


class Standing(enum.Enum):
    """VOID: the token is refused as such. GONE: the session was closed for another one."""

    LIVES = "lives"
    VOID = "void"
    GONE = "gone"
    UNCLEAR = "unclear"


def after(status: int, renewal: GrantAnswer) -> Standing:
    """`status` is how the token was answered before, in authorize or in a request; `renewal` what came of renewing."""
    match renewal:
        case Granted():
            return Standing.LIVES
        case Limited(status=gone) if gone == SESSION_GONE:
            return Standing.GONE
        case TokenExpired() | BadCredentials() | NotActive():
            return Standing.GONE if status == SESSION_GONE else Standing.VOID
        case Limited():
            # A limit would not make authorize refuse the token as such.
            return Standing.GONE if status in DEFINITE else Standing.UNCLEAR
        case Unreachable(status=answered) if answered is not None and answered >= SERVERS_OWN:
            return Standing.GONE if status in DEFINITE else Standing.UNCLEAR
        case Unreachable() | Penalised() | Doubted():
            return Standing.UNCLEAR
