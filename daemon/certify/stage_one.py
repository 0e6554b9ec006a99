"""Stage 1 of Tradovate's conformance program: authentication.

Rule 1: one wrong password, once: failed logins are counted, and about five an hour lead to a penalty.
Rule 2: a status that stands for the same refusal in another of the broker's documents is accepted, and named.
"""

from __future__ import annotations

import secrets

import attrs
import trio

from daemon.certify.criteria import Criterion, Failed, NotTested, Passed, Verdict, within
from daemon.certify.trial import UNPROVOKED, Trial
from daemon.certify.witness import RENEWAL, SESSION
from daemon.logins.standing import Standing
from daemon.logins.tokens import NoToken, Tokens
from daemon.tradovate.answers import Granted, Limited, TokenExpired, Unreachable
from daemon.tradovate.scalars import iso, moment
from statecharts.states import Cause

LOGIN_LIMIT, RENEWAL_LIMIT = 2000.0, 1000.0  # ms; of the list
REFUSED = 401  # how a token that has ended is answered
LATER = 1.5  # seconds before the renewal, so that a later end can be told from the same one
LIMITED_FOR = 2.0  # seconds of a limit that the simulator is asked for


async def token_given(trial: Trial) -> Verdict:
    refusal = ""
    try:
        trial.first = await trial.keeper.valid()
    except NoToken as no:
        refusal = no.reason
    seen = trial.witness.last(SESSION)
    if seen is None:
        return Failed("no answer", refusal)
    if 200 <= seen.status < 300 and seen.field("accessToken") and not seen.field("errorText"):
        return Passed(f"HTTP {seen.status}, a token")
    return Failed(seen.shape, refusal)


async def expiration_valid(trial: Trial) -> Verdict:
    seen = trial.witness.last(SESSION)
    text = seen.field("expirationTime") if seen else ""
    end = moment(text)
    if end is None:
        return Failed(text[:40] or "none", "the answer has no expirationTime that can be read")
    left = (end - trial.ports.wall()).total_seconds()
    if left <= 0 or trial.first is None:
        return Failed(iso(end), "the token has ended before it was given; or this machine's clock is wrong")
    return Passed(f"{iso(end)}, in {left:.0f} s")


async def login_in_time(trial: Trial) -> Verdict:
    seen = trial.witness.last(SESSION)
    return within(seen.ms, LOGIN_LIMIT, "login") if seen else Failed("no answer", "the login was not answered")


async def wrong_password_refused(trial: Trial) -> Verdict:
    wrong = attrs.evolve(trial.plan.credentials, password=secrets.token_urlsafe(16))
    trial.masks.add(wrong.password)
    keeper, before = trial.other_keeper(wrong), trial.witness.asked[SESSION]
    refusal = await _refusal(keeper)
    if refusal is not None and refusal.final:
        await _refusal(keeper)  # answered from memory, or it would be a retry
    asked = trial.witness.asked[SESSION] - before
    trial.wrong_logins += asked
    seen = trial.witness.last(SESSION)
    if refusal is None or seen is None:
        return Failed("a token", "a wrong password was accepted")
    if refusal.cause is Cause.PENALTY:
        return NotTested(f"the broker did not look at the password: {refusal.reason}")
    if not refusal.final:
        return Failed(seen.shape, f"this is no refusal of credentials: {refusal.reason}")
    if asked != 1:
        return Failed(f"{asked} requests", "refused credentials were tried again")
    return Passed(f"{seen.shape}; not tried again")


async def _refusal(keeper: Tokens) -> NoToken | None:
    try:
        await keeper.valid()
    except NoToken as refusal:
        return refusal
    return None


async def renewed_token_new(trial: Trial) -> Verdict:
    await trio.sleep(LATER)
    token = await trial.keeper.valid()
    answer = await trial.witness.rest.renew(token.text)
    seen = trial.witness.last(RENEWAL)
    if not isinstance(answer, Granted) or seen is None:
        return Failed(seen.shape if seen else "no answer", f"the renewal was not granted: {_words(answer)}")
    trial.renewed, trial.renewal_ms = answer, seen.ms
    await trial.keeper.adopt(answer)
    if answer.token == token.text:
        return Failed(f"HTTP {seen.status}, the same token", "the renewed token is the old one")
    return Passed(f"HTTP {seen.status}, another token")


async def renewed_end_later(trial: Trial) -> Verdict:
    assert trial.first is not None and trial.renewed is not None, "1.2.a has passed"
    later = (trial.renewed.expires_at - trial.first.expires_at).total_seconds()
    if later > 0:
        return Passed(f"{later:.1f} s later")
    return Failed(f"{-later:.1f} s earlier" if later else "the same end", "the renewed token does not end later")


async def renewal_in_time(trial: Trial) -> Verdict:
    return within(trial.renewal_ms, RENEWAL_LIMIT, "renewal")


async def bad_token_refused(trial: Trial) -> Verdict:
    answer = await trial.witness.rest.renew(trial.forged())
    seen = trial.witness.last(RENEWAL)
    if seen is None or isinstance(answer, Unreachable):
        return Failed(f"HTTP {seen.status}" if seen else "no answer", _words(answer))
    if seen.status != 401 or not isinstance(answer, TokenExpired):
        return Failed(f"HTTP {seen.status}", "a token that nobody has issued is to be answered with 401")
    return Passed("HTTP 401")


async def token_shared(trial: Trial) -> Verdict:
    token = await trial.keeper.valid()
    read = await trial.witness.read("user/list", token.text)
    if isinstance(read, Unreachable):
        return Failed("REST: no answer", read.reason)
    line = await trial.authorized()
    try:
        answer = await line.ask("user/list")
    finally:
        await line.hang_up()
    figure = f"REST {read.status}, WebSocket s {answer.status}"
    if (read.status, answer.status) != (200, 200):
        return Failed(figure, "the same token is not good for both")
    if read.data != answer.data:
        return Failed(figure, "the same token is another user on either")
    return Passed(figure)


async def bad_password_format(trial: Trial) -> Verdict:
    seen = trial.witness.last(SESSION)
    return _format(seen.shape if seen else "no answer")


async def bad_token_format(trial: Trial) -> Verdict:
    seen = trial.witness.last(RENEWAL)
    return _format(seen.shape if seen else "no answer")


def _format(shape: str) -> Verdict:
    if " without " in shape:
        return Failed(shape, "the refusal does not say what it refuses")
    return Passed(shape)


async def limit_recognized(trial: Trial) -> Verdict:
    if trial.stagehand is None:
        return NotTested(UNPROVOKED)
    token = await trial.keeper.valid()
    trial.stagehand.limit(LIMITED_FOR)
    answer = await trial.witness.rest.renew(token.text)
    seen = trial.witness.last(RENEWAL)
    await trio.sleep(LIMITED_FOR + 0.5)
    figure = f"HTTP {seen.status}" if seen else "no answer"
    if isinstance(answer, Limited) and answer.status == 429:
        return Passed(figure)
    return Failed(figure, "one request too many is to be answered with 429")


async def one_session(trial: Trial) -> Verdict:
    asked = trial.witness.asked[SESSION] - trial.wrong_logins
    await trial.keeper.valid()
    again = trial.witness.asked[SESSION] - trial.wrong_logins - asked
    figure = f"{asked + again} for {len(trial.lines)} sockets and {sum(trial.witness.asked.values())} REST requests"
    if asked + again != 1:
        return Failed(figure, "the token ended within this run, so that a further session had to be asked for")
    return Passed(figure)


async def session_only_when_needed(trial: Trial) -> Verdict:
    if trial.stagehand is None:
        return NotTested("a real token ends after an hour or more; copierd certify shows it on environment simulator")
    token, asked = await trial.keeper.valid(), trial.witness.asked[SESSION]
    trial.stagehand.expire()
    found = await trial.keeper.standing(REFUSED, token)  # by one renewal
    seen = trial.witness.last(RENEWAL)
    if found is not Standing.VOID or seen is None:
        return Failed(f"renewal HTTP {seen.status if seen else '-'}", "a token that has ended was renewed")
    fresh = await trial.keeper.valid()
    read = await trial.witness.read("user/list", fresh.text)
    figure = f"renewal {seen.shape}, then {trial.witness.asked[SESSION] - asked} request for a session"
    if isinstance(read, Unreachable) or read.status != 200:
        return Failed(figure, "the token of the new session is not accepted")
    return Passed(figure)


def _words(answer: object) -> str:
    return str(getattr(answer, "reason", "") or getattr(answer, "text", "") or type(answer).__name__)


TOKEN = (
    Criterion("1.1.a", "A login with valid credentials gives a token", token_given),
    Criterion("1.1.b", "Its expiration is there and valid", expiration_valid, ("1.1.a",)),
    Criterion("1.1.c", "The login is answered in time", login_in_time, ("1.1.a",), LOGIN_LIMIT),
    Criterion("1.1.d", "Invalid credentials are refused, and not tried again", wrong_password_refused, ("1.1.a",)),
    Criterion("1.4.a", "Error format: invalid credentials", bad_password_format, ("1.1.d",)),
    Criterion("1.2.a", "Renewal before the expiration gives a new and different token", renewed_token_new, ("1.1.b",)),
    Criterion("1.2.b", "The renewed token expires later", renewed_end_later, ("1.2.a",)),
    Criterion("1.2.c", "The renewal is answered in time", renewal_in_time, ("1.2.a",), RENEWAL_LIMIT),
    Criterion("1.2.d", "An invalid token is refused with 401", bad_token_refused, ("1.1.a",)),
    Criterion("1.4.b", "Error format: token expired", bad_token_format, ("1.2.d",)),
    Criterion("1.3.a", "One token is shared by REST and WebSocket", token_shared, ("1.1.b",)),
)
# What can only be said, or done, when everything else has been
AFTERWARDS = (
    Criterion("1.4.c", "Error format: rate limit exceeded (429)", limit_recognized, ("1.1.b",)),
    Criterion("1.3.b", "No further session is requested while a token is valid", one_session, ("1.1.b",)),
    Criterion(
        "1.3.c",
        "A further session is requested once, when the token has ended and cannot be renewed",
        session_only_when_needed,
        ("1.1.b",),
    ),
)
