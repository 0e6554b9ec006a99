"""The credential of a login, read anew at each request, so that a changed one is found without a restart.

Rule: what is secret is given to the journal's masks before it is handed on.
"""

from __future__ import annotations

import uuid

from daemon.config import Login, secrets
from daemon.journal import Journal
from daemon.ledger import Ledger
from daemon.logins.grant import NoToken
from daemon.tradovate.answers import Credentials
from daemon.tradovate.oauth import Application
from statecharts.states import Cause

REDIRECT_URI = "http://127.0.0.1:8642/callback"  # of the environment simulator, where none need be configured


def application_of(settings: Login, journal: Journal) -> Application:
    """Reads the secret anew each time; not every application has one. Raises NoToken when it cannot be read."""
    try:
        secret = secrets.find(settings, "client_secret")
    except secrets.SecretUnreadable as error:
        raise NoToken(str(error), Cause.CREDENTIALS, final=True) from error
    if secret is not None:
        journal.keep_secret(secret.reveal())
    return Application(
        settings.client_id or settings.login,  # the embedded broker knows every application
        secret.reveal() if secret else "",
        settings.redirect_uri or REDIRECT_URI,
    )


def credentials_of(settings: Login, ledger: Ledger, journal: Journal) -> Credentials:
    """Reads the secrets anew each time. Raises NoToken when there are none."""
    name = settings.login
    try:
        password = secrets.find(settings, "password")
        sec = secrets.find(settings, "sec")
    except secrets.SecretUnreadable as error:
        raise NoToken(str(error), Cause.CREDENTIALS, final=True) from error
    embedded = settings.environment == "simulator"
    if password is None and not embedded:
        remedy = f"set the credential {name}.password, or {secrets.variable(name, 'password')}, or password_file"
        raise NoToken(f"there is no password for login {name}: {remedy}", Cause.CREDENTIALS, final=True)
    for secret in (password, sec):
        if secret is not None:
            journal.keep_secret(secret.reveal())
    return Credentials(
        username=settings.username or name,
        password=password.reveal() if password else "any",  # the embedded broker asks for none in particular
        app_id=settings.app_id,
        app_version=settings.app_version,
        cid=settings.cid or 0,
        sec=sec.reveal() if sec else "",
        device_id=settings.device_id or device_id(name, ledger),
    )


def device_id(login: str, ledger: Ledger) -> str:
    """Made once and kept: Tradovate wants it unique for this machine and permanent."""
    known = ledger.device(login)
    if known is None:
        known = str(uuid.uuid4())
        ledger.keep_device(login, known)
    return known
