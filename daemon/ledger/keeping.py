"""What is kept beside the turns: of each login its token, its user and its device, and single facts by their keys.

Rule: a token is in its own column only, and in no text that is shown.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import attrs

from daemon.ledger import codec
from daemon.ledger.file import File

_KEEP: Final = """
INSERT INTO logins (login, token, token_expires_at, user_id, refresh_token, refresh_expires_at)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (login) DO UPDATE SET
    token = excluded.token, token_expires_at = excluded.token_expires_at, user_id = excluded.user_id,
    refresh_token = excluded.refresh_token, refresh_expires_at = excluded.refresh_expires_at
"""


@attrs.define
class Keeping(File):
    """Each is one statement of its own: it is there as soon as the method returns."""

    def keep_token(
        self,
        login: str,
        token: str,
        expires_at: datetime,
        user_id: int | None,
        refresh: str | None = None,
        refresh_expires_at: datetime | None = None,
    ) -> None:
        """One statement, so that an access token and its refresh token are both there or both not."""
        ends = None if refresh_expires_at is None else codec.instant_text(refresh_expires_at)
        self._write(_KEEP, (login, token, codec.instant_text(expires_at), user_id, refresh, ends))

    def token(self, login: str) -> tuple[str, datetime, int | None] | None:
        """The kept token, when it expires, and whose it is."""
        found = self._one("SELECT token, token_expires_at, user_id FROM logins WHERE login = ?", (login,))
        if found is None or found[0] is None:
            return None
        token, expires_at, user_id = found
        return token, codec.instant_of(expires_at), user_id

    def refresh_token(self, login: str) -> tuple[str, datetime | None] | None:
        """What a later token is asked for with, and its end as far as the broker has said it."""
        found = self._one("SELECT refresh_token, refresh_expires_at FROM logins WHERE login = ?", (login,))
        if found is None or found[0] is None:
            return None
        return found[0], None if found[1] is None else codec.instant_of(found[1])

    def user(self, login: str) -> int | None:
        """Whose login it has been so far, also when its token is gone."""
        found = self._one("SELECT user_id FROM logins WHERE login = ?", (login,))
        return found[0] if found else None

    def forget_token(self, login: str) -> None:
        """The access token alone: the refresh token is how another is had."""
        self._write("UPDATE logins SET token = NULL, token_expires_at = NULL WHERE login = ?", (login,))

    def keep_device(self, login: str, device_id: str) -> None:
        """The broker approves a login's device once, by e-mail: it must not change with every start."""
        self._write(
            """INSERT INTO logins (login, device_id) VALUES (?, ?)
            ON CONFLICT (login) DO UPDATE SET device_id = excluded.device_id""",
            (login, device_id),
        )

    def device(self, login: str) -> str | None:
        found = self._one("SELECT device_id FROM logins WHERE login = ?", (login,))
        return found[0] if found else None

    def keep_fact(self, key: str, value: str) -> None:
        self._write(
            "INSERT INTO facts (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def fact(self, key: str) -> str | None:
        found = self._one("SELECT value FROM facts WHERE key = ?", (key,))
        return found[0] if found else None
