"""The authorization-code grant: applications, codes, refresh tokens, and the page where a user says yes or no.

Conventions: errors are HTTP 200 with `error` and `error_description`; a code is good once; a refresh token is replaced
at each use, and one that is used again makes its successor void too, as two refreshes in parallel do. (Tradovate
OpenAPI, RFC 6749, RFC 7636.)

Rule 1: this file is as strict as the broker might be, so that a client that is not does not pass.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from urllib.parse import urlencode, urlsplit

import attrs

from daemon.simulator import pages
from daemon.simulator.entities import Entity
from daemon.simulator.faults import Faults
from daemon.simulator.logins import Login
from daemon.simulator.pages import Page
from daemon.simulator.tokens import Token, Tokens, TokenSession

AUTHORIZE = "/oauth"
ANSWER = "/oauth/answer"


@attrs.frozen
class Application:
    """A registered application. None: anything is right."""

    client_id: str
    secret: str | None = None
    redirect_uri: str | None = None


@attrs.frozen
class Asked:
    """A consent page that was shown."""

    client_id: str
    redirect_uri: str
    state: str | None
    challenge: str | None
    shown_at: datetime


@attrs.frozen
class Code:
    asked: Asked
    login: Login
    given_at: datetime


@attrs.define
class Refresh:
    """A refresh token, void once it has been replaced by its `successor`."""

    text: str
    client_id: str
    session: TokenSession
    ends: datetime
    successor: "Refresh | None" = None
    void: bool = False


class OAuth:
    """`applications` None: every client_id is known. `login_named` finds or makes the user who consents."""

    def __init__(
        self,
        tokens: Tokens,
        now: Callable[[], datetime],
        dice: Random,
        conditions: Callable[[], Faults],
        login_named: Callable[[str], Login | None],
        usernames: Callable[[], list[str]],
        evicted: Callable[[list[TokenSession]], None],
    ) -> None:
        self.applications: dict[str, Application] | None = None
        self.exchanges = 0
        self.refreshes = 0
        self.refusals = 0  # the next refreshes are answered with invalid_token although nothing is wrong
        self._tokens = tokens
        self._now = now
        self._dice = dice
        self._conditions = conditions
        self._login_named = login_named
        self._usernames = usernames
        self._evicted = evicted
        self._pages: dict[str, Asked] = {}
        self._codes: dict[str, Code] = {}
        self._refresh: dict[str, Refresh] = {}

    # ---- in the browser

    def page(self, path: str, query: Mapping[str, str], form: Mapping[str, str]) -> Page | None:
        """What a browser gets; None where there is no page."""
        if path == AUTHORIZE:
            return self._consent(query)
        return self._answer(form) if path == ANSWER else None

    def _consent(self, query: Mapping[str, str]) -> Page:
        client_id, redirect_uri = query.get("client_id", ""), query.get("redirect_uri", "")
        known = Application(client_id) if self.applications is None else self.applications.get(client_id)
        if known is None:
            return pages.notice(400, "Application Not Found", "Wrong client_id.")
        if not urlsplit(redirect_uri).scheme or known.redirect_uri not in (None, redirect_uri):
            return pages.notice(400, "Application Not Found", "redirect_uri does not match the registered one.")
        state = query.get("state")
        if query.get("response_type") != "code" or query.get("code_challenge_method", "S256") != "S256":
            return _redirect(redirect_uri, {"error": "invalid_request"}, state)
        number = self._text("page")
        self._pages[number] = Asked(client_id, redirect_uri, state, query.get("code_challenge"), self._now())
        return pages.consent(client_id, ANSWER, number, self._usernames())

    def _answer(self, form: Mapping[str, str]) -> Page:
        asked = self._pages.pop(form.get("page", ""), None)
        if asked is None or self._older(asked.shown_at, self._conditions().consent_life):
            return pages.notice(400, "Session Expired", "This page was left open for too long. Begin again.")
        if form.get("answer") != "allow":
            return _redirect(asked.redirect_uri, {"error": "access_denied"}, asked.state)
        login = self._login_named(form.get("user", ""))
        if login is None:
            return pages.notice(400, "Invalid Credentials", "There is no such user.")
        code = self._text("code")
        self._codes[code] = Code(asked, login, self._now())
        return _redirect(asked.redirect_uri, {"code": code}, asked.state)

    # ---- the token's address

    def token(self, fields: Mapping[str, object]) -> Entity:
        """The body of the answer to auth/oauthtoken."""
        given = {name: value for name, value in fields.items() if isinstance(value, str)}
        client_id = given.get("client_id", "")
        known = Application(client_id) if self.applications is None else self.applications.get(client_id)
        if known is None or known.secret not in (None, given.get("client_secret")):
            return _no("invalid_client", "client_id, redirect_uri and client_secret do not match existing setup")
        if given.get("grant_type") == "authorization_code":
            return self._exchange(given)
        if given.get("grant_type") == "refresh_token":
            return self._renew(given)
        return _no("unsupported_grant_type", "authorization_code or refresh_token")

    def _exchange(self, given: Mapping[str, str]) -> Entity:
        self.exchanges += 1
        code = self._codes.pop(given.get("code", ""), None)
        if code is None or self._older(code.given_at, self._conditions().code_life):
            return _no("invalid_grant", "The code is unknown, used or expired")
        if (code.asked.client_id, code.asked.redirect_uri) != (given.get("client_id"), given.get("redirect_uri")):
            return _no("invalid_client", "client_id, redirect_uri and client_secret do not match existing setup")
        if code.asked.challenge is not None and not _proves(given.get("code_verifier", ""), code.asked.challenge):
            return _no("invalid_grant", "code_verifier does not match code_challenge")
        token, gone = self._tokens.open(code.login, None)
        self._evicted(gone)
        return self._pair(token, code.asked.client_id)

    def _renew(self, given: Mapping[str, str]) -> Entity:
        self.refreshes += 1
        refresh = self._refresh.get(given.get("refresh_token", ""))
        if self.refusals > 0:
            self.refusals -= 1
            return _no("invalid_token", "The token is invalid")
        if refresh is not None and refresh.successor is not None:
            refresh.successor.void = True
        if (
            refresh is None
            or refresh.void
            or refresh.client_id != given.get("client_id")
            or refresh.ends <= self._now()
        ):
            return _no("invalid_token", "The token is invalid")
        session = refresh.session
        if session.evicted or session.expires <= self._now():
            token, gone = self._tokens.open(session.login, None)
            self._evicted(gone)
        else:
            token = self._tokens.issue(session)
        pair = self._pair(token, refresh.client_id)
        refresh.successor = self._refresh.get(str(pair.get("refresh_token")))
        refresh.void = True
        return pair

    def _pair(self, token: Token, client_id: str) -> Entity:
        life = int((token.expires - self._now()).total_seconds())
        pair: Entity = {"access_token": token.text, "token_type": "bearer", "expires_in": life}
        if self._conditions().no_refresh_token:
            return pair
        seconds = self._conditions().refresh_life
        refresh = Refresh(self._text("rt"), client_id, token.session, self._now() + timedelta(seconds=seconds))
        self._refresh[refresh.text] = refresh
        return {**pair, "refresh_token": refresh.text, "refresh_token_expires_in": int(seconds)}

    def revoke(self, login: Login) -> None:
        """The user has a new password, or has taken the permission back: every refresh token is void."""
        for refresh in self._refresh.values():
            refresh.void = refresh.void or refresh.session.login is login

    def _older(self, than: datetime, seconds: float) -> bool:
        return self._now() - than > timedelta(seconds=seconds)

    def _text(self, kind: str) -> str:
        return f"{kind}-{self._dice.getrandbits(128):032x}"


def _proves(verifier: str, challenge: str) -> bool:
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(digest, challenge)


def _no(error: str, words: str) -> Entity:
    return {"error": error, "error_description": words}


def _redirect(uri: str, answer: Mapping[str, str], state: str | None) -> Page:
    query = {**answer, **({} if state is None else {"state": state})}
    return Page(302, "", f"{uri}{'&' if '?' in uri else '?'}{urlencode(query)}")
