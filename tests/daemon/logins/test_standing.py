"""What a refusal means, for every way in which a token may be answered and every way in which its renewal may be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from daemon.logins import standing
from daemon.logins.grant import Doubted, GrantAnswer
from daemon.logins.standing import Standing
from daemon.tradovate.answers import BadCredentials, Granted, Limited, NotActive, Penalised, TokenExpired, Unreachable

RENEWED = Granted("tok-2", datetime(2026, 11, 18, 16, tzinfo=UTC), 7, "Active", None)
STATUSES = (400, 401, 403, 408, 423, 429, 500, 503)
TABLE: list[tuple[GrantAnswer, dict[int, Standing]]] = [
    # the renewal, and what it means by how the token was answered before; 0 is for all others
    (RENEWED, {0: Standing.LIVES}),
    (Limited(408, None), {0: Standing.GONE}),
    (TokenExpired("Expired Access Token"), {0: Standing.VOID, 408: Standing.GONE}),
    (BadCredentials("invalid_grant"), {0: Standing.VOID, 408: Standing.GONE}),
    (NotActive("Closed"), {0: Standing.VOID, 408: Standing.GONE}),
    (Limited(429, None), {0: Standing.GONE, **dict.fromkeys((423, 429, 500, 503), Standing.UNCLEAR)}),
    (Unreachable("HTTP 500", 500), {0: Standing.GONE, **dict.fromkeys((423, 429, 500, 503), Standing.UNCLEAR)}),
    (Unreachable("HTTP 307", 307), {0: Standing.UNCLEAR}),
    (Unreachable("ConnectError"), {0: Standing.UNCLEAR}),
    (Penalised("ticket", 15, captcha=False), {0: Standing.UNCLEAR}),
    (Doubted("invalid_token"), {0: Standing.UNCLEAR}),
]


@pytest.mark.parametrize(("renewal", "meanings"), TABLE)
@pytest.mark.parametrize("status", STATUSES)
def test_one_renewal_tells(renewal: GrantAnswer, meanings: dict[int, Standing], status: int) -> None:
    assert standing.after(status, renewal) is meanings.get(status, meanings[0])
