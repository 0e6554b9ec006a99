"""What an answer to a request for a token comes to: a token that is kept and used, or why there is none.

Rule 1: what the broker asks to wait is kept before anybody hears of it (see restraint.py).
Rule 2: a token that has ended before it begins is of no use, and is never put in the place of one that has not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

from daemon.logins.grant import Doubted, GrantAnswer, NoToken, Teller, Token
from daemon.logins.home import Home
from daemon.logins.purse import Purse
from daemon.logins.renewal import Renewal
from daemon.logins.restraint import HOLD_AFTER_REFUSALS, Hold, Restraint
from daemon.logins.standing import SESSION_GONE
from daemon.ports import Ports
from daemon.tradovate.answers import BadCredentials, Granted, Limited, NotActive, Penalised, TokenExpired, Unreachable
from statecharts.states import Cause


@attrs.define(eq=False, repr=False)
class Reception:
    """`slowed` is told when the broker limits or penalises, `hear_the_time` the broker's time, `use` the new token."""

    purse: Purse
    restraint: Restraint
    renewal: Renewal
    home: Home | None
    ports: Ports
    tell: Teller
    slowed: Callable[[], None]
    hear_the_time: Callable[[datetime], None]
    use: Callable[[Token], None]

    def take(self, answer: GrantAnswer) -> Token:
        match answer:
            case Granted():
                return self.granted(answer)
            case BadCredentials(text=text):
                raise self.refuse(f"the broker refused the login: {_without_stop(text)}")
            case NotActive(status=status):
                raise self.refuse(
                    f"the broker says that this user is {status}; that is settled with Tradovate, not here"
                )
            case Doubted(text=text):
                doubt = self.restraint.doubt(f"refresh refused ({text})", self.purse.refresh_expires_at)
                self.renewal.at = self.restraint.doubted_until
                raise doubt
            case TokenExpired(text=text):
                raise NoToken(f"the broker says that the token has ended: {_without_stop(text)}", Cause.CREDENTIALS)
            case Penalised(ticket=ticket, seconds=seconds, captcha=captcha):
                self.slowed()
                penalty = self.restraint.penalise(seconds, ticket, captcha)
                if captcha:
                    self.tell("token.refused", penalty.reason, penalty.advice)
                raise penalty
            case Limited(status=status) if status == SESSION_GONE:
                raise NoToken(f"HTTP {status}", Cause.BROKER)
            case Limited(status=status, retry_after=retry_after):
                self.slowed()
                raise self.restraint.limited(status, retry_after)
            case Unreachable(reason=reason, status=status):
                raise NoToken(reason, Cause.NETWORK if status is None else Cause.BROKER)

    def refuse(self, reason: str) -> NoToken:
        self.renewal.stop()
        return self.restraint.refuse(reason)

    def granted(self, answer: Granted) -> Token:
        token = self.purse.read(answer)
        if answer.server_date is not None:
            self.hear_the_time(answer.server_date)
        if self.home is not None:
            self.home.named(answer.hosts)
        worth = token.expires_at > self.ports.wall()
        self.purse.keep(token if worth or self.purse.current is None else self.purse.current, answer)
        self.restraint.granted()
        if not worth:
            until = self.ports.wall() + HOLD_AFTER_REFUSALS
            self.restraint.wait_until(Hold(until, "the broker's tokens end before they begin"))
            raise NoToken("the broker's token has already ended: check this machine's clock", Cause.BROKER)
        self.use(token)
        return token


def _without_stop(text: str) -> str:
    """The broker's sentence as the last part of one of ours, which ends by itself."""
    return text.rstrip(". ")
