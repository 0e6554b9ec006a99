"""The checks of a login: its credentials, its session, its token, its budget (of its device: on_device.py)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from daemon.config.sense import FLATTEN_REQUESTS
from daemon.doctor.facts import Answers, Person, Silence
from daemon.doctor.on_device import DEVICE
from daemon.doctor.verdicts import UNREADABLE, Check, Unknown, Verdict, Well, Wrong
from daemon.logins.grant import CAPTCHA, SOLVE_IT
from daemon.tradovate.answers import Said
from daemon.tradovate.messages import text_of

RENEWED_BEFORE: Final = timedelta(minutes=5)  # a running daemon renews long before: less left means that it cannot
PUSHED_OUT: Final = (408, 429, 500)  # what the token of a closed session gets
LOOKS_A_MINUTE: Final = 6  # three small reads every half minute
EVENTS_A_MINUTE: Final = 5  # of the leader's orders: less than that is used up by one order that is moved
RAISE: Final = (
    "raise requests_per_minute and requests_per_hour as far as the broker allows, or move followers to another login"
)


def _refused(person: Person, key: str) -> Wrong | None:
    """What the loader refuses of this key, in its own words."""
    errors = person.errors(key)
    if not errors:
        return None
    what = "; ".join(f"{error.key}: {error.message}" for error in errors)
    return Wrong(what, f"line {errors[0].line} of {person.file.path}")


def _credentials(person: Person) -> Verdict:
    if person.settings is None:
        return UNREADABLE
    if person.embedded:
        return Well("the simulated broker asks for none")
    needed = {"password"} | ({"sec"} if person.settings.cid is not None else set()) if person.by_password else set()
    for kind, trouble in person.secrets.items():
        missing = trouble is not None and trouble.what.startswith("there is no")
        if trouble is not None and (kind in needed or not missing):
            return Wrong(trouble.what, f"the {kind} of login {person.name}", trouble.remedy)
    online = person.online
    if isinstance(online, Silence) and online.refused and _other_side(online.why) is None:
        return Wrong(online.why, person.where)
    if isinstance(online, Answers):
        return Well("the broker has accepted them")
    if person.kept.refused is not None:
        return Wrong(f"{person.kept.refused} (at the last attempt, and not tried since)", person.where)
    return Well("all are there")


def _cid(person: Person) -> Verdict:
    refused = _refused(person, "cid")
    if refused is not None:
        return refused
    if person.settings is None:
        return UNREADABLE
    if not person.by_password:
        return Well("not needed")
    if person.settings.cid is None and person.environment is not None and person.environment.guarded:
        remedy = "write the number of the API key as cid = 8123, and give its secret as sec"
        return Wrong("there is no cid, so the broker takes this for no API key at all", person.where, remedy)
    return Well(str(person.settings.cid or "none"))


def _other_side(text: str) -> str | None:
    """Which environment the broker's words send us to."""
    lower = text.lower()
    if "should be called on" not in lower:
        return None
    return next((side for side in ("live", "demo") if f"{side}.tradovate" in lower), None)


def _key_side(person: Person) -> Verdict:
    if person.settings is None or person.environment is None:
        return UNREADABLE
    here = "live" if person.live else "demo"
    name = person.environment.environment
    demo = [account.name for account in person.accounts if account.name.upper().startswith("DEMO")]
    if person.live and demo:
        what = f"{', '.join(demo)}, by the name on demo, would be looked for on {name}, which is live"
        return Wrong(what, person.where)
    online = person.online
    if isinstance(online, Silence) and (side := _other_side(online.why)) not in (None, here):
        return Wrong(f"the key is of {side}, and {name} is {here}: {online.why}", person.where)
    if isinstance(online, Answers):
        for endpoint, said in online.said.items():
            if isinstance(said, Said) and (side := _other_side(text_of(said.data))) not in (None, here):
                return Wrong(f"{endpoint}: the broker sends us to {side}, and {name} is {here}", person.where)
        accounts = online.said.get("account/list")
        if isinstance(accounts, Said) and accounts.status == 403:
            what = f"the token is good for nothing on {name} (HTTP 403): it is one of the other environment"
            return Wrong(what, person.where)
        return Well()
    return Well() if online is None else Unknown(online.why)


def _session(person: Person) -> Verdict:
    if person.twins:
        what = f"login {person.name} and {', '.join(person.twins)} are the same user: each opens a session of its own"
        return Wrong(what, person.where, "make them one login, and let the accounts share it")
    if person.status is not None and person.status.get("cause") == "evicted":
        return Wrong(f"another session pushed ours out: {person.status.get('reason')}", f"login {person.name}")
    if isinstance(person.online, Answers):
        for endpoint in ("user/list", "account/list"):
            said = person.online.said.get(endpoint)
            if isinstance(said, Said) and said.status in PUSHED_OUT:
                what = f"a token that has not ended is answered with HTTP {said.status}, as after a log-in elsewhere"
                what += " (or after too many requests: then wait an hour)" if said.status == 429 else ""
                return Wrong(what, f"login {person.name}")
        answered = [person.online.said.get(endpoint) for endpoint in ("user/list", "account/list")]
        if not all(isinstance(said, Said) and 200 <= said.status < 300 for said in answered):
            return Unknown("the broker did not answer so that it shows: see token and reachability")
        return Well("the token is accepted")
    return Well() if person.online is None else Unknown(person.online.why)


def _captcha(person: Person) -> Verdict:
    hold = person.kept.hold
    if hold is not None and hold.captcha and hold.until > person.now:
        return Wrong(f"{hold.reason}; nothing is asked before {_shown(hold.until)}", f"login {person.name}")
    if isinstance(person.online, Silence) and CAPTCHA in person.online.why:
        return Wrong(CAPTCHA, f"login {person.name}")
    return Well()


def _token(person: Person) -> Verdict:
    if person.settings is None:
        return UNREADABLE
    kept, oauth = person.kept, person.settings.grant == "oauth"
    again = f"copierctl authorize {person.name}"
    ends = _instant(person.status.get("token_expires_at")) if person.status else kept.token_expires_at
    left = None if ends is None else ends - person.now
    ended = kept.refresh_expires_at is not None and kept.refresh_expires_at <= person.now
    if oauth and not person.embedded and ended:
        return Wrong(f"its authorization ended {_shown(kept.refresh_expires_at)}", person.where, again)
    if oauth and not person.embedded and not kept.has_refresh and (left is None or left <= timedelta(0)):
        return Wrong("it has not been authorized in a browser, or must be again", person.where, again)
    if isinstance(person.online, Answers):
        accounts = person.online.said.get("account/list")
        if isinstance(accounts, Said) and accounts.status == 401:
            what = f"the broker does not accept it although it has not ended ({text_of(accounts.data) or 'no words'})"
            return Wrong(what, f"login {person.name}")
        if person.online.asked_for_token:
            return Well("one has been asked for just now")
    if person.status is not None and (left is None or left < RENEWED_BEFORE):
        state = person.status.get("state")
        what = "has no token" if left is None else f"has let its token come to {max(0, left // timedelta(seconds=1))} s"
        return Wrong(f"the running copierd {what} ({state}: {person.status.get('reason')})", f"login {person.name}")
    if left is None or left <= timedelta(0):
        return Well("none is valid; one is asked for when it is needed")
    return Well(f"valid until {_shown(ends)}")


def _instant(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _shown(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "at no known time"


def _budget(person: Person) -> Verdict:
    refused = _refused(person, "requests_per_minute") or _refused(person, "requests_per_hour")
    if refused is not None:
        return refused
    if person.settings is None:
        return UNREADABLE
    count = person.followers
    if not count:
        return Well("no follower is on it")
    reserve = count * FLATTEN_REQUESTS + LOOKS_A_MINUTE
    minute = max(0, (person.settings.requests_per_minute - reserve) // count)
    hour = max(0, (person.settings.requests_per_hour - 60 * LOOKS_A_MINUTE - count * FLATTEN_REQUESTS) // count)
    sharing = "1 follower is on it" if count == 1 else f"{count} followers share it"
    words = f"{sharing}: {minute} orders of the leader's a minute and {hour} an hour can be copied"
    if minute < EVENTS_A_MINUTE or hour < 60 * EVENTS_A_MINUTE // 5:
        return Wrong(words, person.where)
    left, needed = person.requests_left, count * FLATTEN_REQUESTS
    if left is None:
        return Well(words)
    if left <= needed:
        what = f"{left} requests are left just now, and {needed} are kept to get everybody out: nothing opens"
        return Wrong(f"{what}. {sharing}", person.where, f"nothing if it is rare, for it fills up again. Else {RAISE}")
    return Well(f"{words}; {left} requests are left just now")


LOGIN: Final = (
    Check(
        "credentials",
        "a password or key that is missing, unreadable or refused",
        "correct username, password, cid and sec where they are configured, and that the key is of this environment; "
        "then: copierctl authorize LOGIN. Five failed attempts an hour lock this address out",
        _credentials,
    ),
    Check("cid", "cid as a text, or no cid", "write the number without quotes: cid = 8123", _cid),
    *DEVICE,
    Check(
        "key-environment",
        "a key of live on demo, or of demo on live",
        "name the environment that the key and the accounts are of (prop-firm accounts are on demo), or make a key "
        "there",
        _key_side,
    ),
    Check(
        "session-limit",
        "more sessions of this user than the broker allows",
        "log out of Tradovate where nobody needs it, give copierd a user of its own, or buy a further connection; "
        "then: copierctl reconnect --login LOGIN",
        _session,
    ),
    Check("captcha", "a captcha that the broker wants solved before it gives a token", SOLVE_IT, _captcha),
    Check(
        "token",
        "a token that ends and is not renewed, or is not accepted",
        "see credentials and session-limit, and journalctl -u copierd for token.expiring; then: "
        "copierctl authorize LOGIN",
        _token,
    ),
    Check(
        "rate-budget",
        "more followers than the login's budget of requests can serve",
        RAISE,
        _budget,
    ),
)
