"""What becomes of an authorization, in words that a user understands, each with what to do about it.

Rule: the kinds are the problem types of the control socket; authorized and pending alone are none.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from daemon.logins.grant import CAPTCHA, SOLVE_IT, NoToken, WrongUser
from daemon.tradovate.answers import Owner
from daemon.tradovate.oauth import Declined


@attrs.frozen
class Outcome:
    """`title` as products of this kind name it; `status` is HTTP's."""

    kind: str
    title: str
    status: int
    detail: str
    remedy: str | None = None


def _again(login: str) -> str:
    return f"copierctl authorize {login}"


def authorized(login: str, who: str) -> Outcome:
    return Outcome("authorized", "Authorized", 200, f"login {login} is authorized{who and f' by {who}'}")


def renewed(login: str) -> Outcome:
    detail = f"login {login} is authorized: its credential is the one of before, and its token was renewed"
    return Outcome("authorized", "Authorized", 200, detail)


def access_denied(login: str) -> Outcome:
    detail = "Deny was pressed on the broker's page, so nothing was authorized"
    return Outcome("access-denied", "Access Denied", 403, detail, f"press Allow: {_again(login)}")


def session_expired(login: str) -> Outcome:
    detail = "the page was left open for too long, or its answer was used before"
    return Outcome("session-expired", "Session Expired", 410, detail, f"take a new address: {_again(login)}")


def superseded(login: str) -> Outcome:
    detail = f"a newer address has been asked for, which alone counts for login {login}"
    return Outcome("superseded", "Superseded", 409, detail, "use the newer address")


def foreign_answer(login: str) -> Outcome:
    detail = "this is not the address that the browser ended on, or it belongs to another authorization"
    remedy = f"copy the whole address from the browser's address bar, or take a new one: {_again(login)}"
    return Outcome("foreign-answer", "Foreign Answer", 400, detail, remedy)


def nothing_pending(login: str) -> Outcome:
    detail = f"no authorization of login {login} is under way"
    return Outcome("nothing-pending", "Nothing Pending", 409, detail, f"begin one: {_again(login)}")


def unreachable(login: str, reason: str) -> Outcome:
    detail = f"the broker could not be asked: {reason}"
    return Outcome("broker-unreachable", "Broker Unreachable", 503, detail, f"try again later: {_again(login)}")


def broken(login: str) -> Outcome:
    detail = f"a bug in copierd ended the authorization of login {login}; the journal has it"
    return Outcome("internal-error", "Internal Error", 500, detail, f"try again: {_again(login)}")


def captcha(login: str) -> Outcome:
    return Outcome("captcha", "Captcha Wanted", 409, CAPTCHA, SOLVE_IT.replace("LOGIN", login))


def declined(login: str, error: str, text: str) -> Outcome:
    """What the broker's page, or its token address, said instead of yes."""
    said = f"{error}: {text}" if text else error
    match error:
        case "access_denied":
            return access_denied(login)
        case "invalid_grant" | "expired_token":
            return session_expired(login)
        case "invalid_client":
            remedy = (
                "compare client_id, redirect_uri (byte for byte) and the client secret with those of the registered "
                f"application, then: {_again(login)}"
            )
            detail = f"the broker does not accept the application's credentials ({said})"
            return Outcome("invalid-credentials", "Invalid Credentials", 403, detail, remedy)
        case "unauthorized_client" | "invalid_request" | "unsupported_response_type" | "invalid_scope":
            remedy = (
                "compare client_id and redirect_uri with the registered application, and that its environment is this "
                f"login's, then: {_again(login)}"
            )
            detail = f"the broker does not know the application, or not in this form ({said})"
            return Outcome("application-not-found", "Application Not Found", 404, detail, remedy)
    return unreachable(login, said)


def refused(login: str, answer: Declined) -> Outcome:
    return declined(login, answer.error, answer.text)


def wrong_user(login: str, wrong: Objection) -> Outcome:
    as_whom = f"log out of the broker in the browser and log in as the user of login {login}, then: {_again(login)}"
    return Outcome("wrong-user", "Wrong User", 409, f"{wrong.what}; nothing was changed", wrong.mend or as_whom)


@attrs.frozen
class Objection:
    """Why this user is not the login's. `mend`: what else there is to do, where it is not to log in as another."""

    what: str
    mend: str | None = None


def objection(login: str, owner: Owner, known: int | None, accounts: Iterable[str]) -> Objection | None:
    """Repair, never replace: another user is refused, and so is one who does not own the configured accounts."""
    who = f"{owner.name} (user {owner.user_id})"
    if known is not None and owner.user_id != known:
        return Objection(f"{who} was authorized, and login {login} belongs to user {known}")
    missing = sorted(set(accounts) - owner.accounts)
    if not missing:
        return None
    mend = None
    if known is not None:  # the right user: then it is the file that is wrong, or the broker has closed the account
        seen = f"it sees {', '.join(sorted(owner.accounts)) or 'none'}"
        mend = f"correct the name of the account in copier.toml or take the account out ({seen}), then: {_again(login)}"
    return Objection(f"{who} does not own {', '.join(missing)}", mend)


def of_password(login: str, failure: NoToken) -> Outcome:
    """Grant password: what the one request came to."""
    if isinstance(failure, WrongUser):
        detail = failure.reason
        remedy = failure.advice or "correct its username, or give the other user a login of another name"
        return Outcome("wrong-user", "Wrong User", 409, f"{detail}; nothing was changed", remedy)
    if failure.advice is not None:
        return captcha(login)
    if not failure.final:
        return unreachable(login, failure.reason)
    remedy = f"correct the login's username, password and API key where they are configured, then: {_again(login)}"
    return Outcome("invalid-credentials", "Invalid Credentials", 403, failure.reason, remedy)
