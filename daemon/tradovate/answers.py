"""What the broker's REST calls are asked with and answer, as values.

Rule: no password, secret or token is in the repr of any.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs


@attrs.frozen
class Credentials:
    """A password grant. `cid` and `sec` are the API key; `device_id` never changes (Tradovate OpenAPI)."""

    username: str
    password: str = attrs.field(repr=False)
    app_id: str
    app_version: str
    cid: int | None
    sec: str = attrs.field(repr=False)
    device_id: str


@attrs.frozen
class Granted:
    """A token and its end, as the broker tells it. `server_date` is the answer's Date header: the broker's clock.

    `hosts` are the broker's for this login, by kind (demo, live), where it has hosts of its own.
    """

    token: str = attrs.field(repr=False)
    expires_at: datetime
    user_id: int | None
    user_status: str
    server_date: datetime | None
    refresh: str = attrs.field(default="", repr=False)  # grant oauth alone
    refresh_expires_at: datetime | None = None
    hosts: Mapping[str, str] = attrs.field(factory=dict)
    password_expires_at: datetime | None = None  # the user's own at the broker; told with grant password


@attrs.frozen
class BadCredentials:
    """A definite no to a login: not to be repeated by itself."""

    text: str


@attrs.frozen
class TokenExpired:
    """A definite no to a renewal: a new login is needed."""

    text: str


@attrs.frozen
class Penalised:
    """Not handled. Without `captcha`, the same request may come again after `seconds` with the ticket."""

    ticket: str = attrs.field(repr=False)
    seconds: int
    captcha: bool


@attrs.frozen
class Limited:
    """423 or 429: too many requests. 408, 423 or 429 to a renewal may also mean that another login pushed us out."""

    status: int
    retry_after: float | None  # seconds


@attrs.frozen
class Unreachable:
    """The broker cannot be asked just now; `status` when there was an answer at all.

    `useless`: it has granted something that is no token with an end, and may have opened a session for it.
    """

    reason: str
    status: int | None = None
    useless: bool = False


@attrs.frozen
class NotActive:
    """The user exists and may not trade: Closed, Initiated, TemporaryLocked, UnconfirmedEmail."""

    status: str


@attrs.frozen
class Said:
    """The answer to a question, whatever it is. `data` is decoded JSON, else the text; `location` is a redirect's."""

    status: int
    data: object
    server_date: datetime | None = None
    location: str = ""


@attrs.frozen
class Owner:
    """Whose token it is, and which accounts it sees, by their names."""

    user_id: int
    name: str
    accounts: frozenset[str]


TokenAnswer = Granted | BadCredentials | TokenExpired | Penalised | Limited | Unreachable | NotActive
Asked = Said | Unreachable
