"""A user with a browser, at the look-alike's consent page, without a browser."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

from daemon.logins.authorization import Authorization, Unfit
from daemon.logins.outcomes import Outcome
from tests.scenarios.world import World

FORM = {"content-type": "application/x-www-form-urlencoded"}
# Nobody listens at an https address: the answer is pasted, and no test in virtual time waits for a real socket.
REDIRECT = "https://127.0.0.1:8642/callback"
SECRET = "canary-client-secret-77aa"

OAUTH = f"""
[environments.test]
rest = "http://127.0.0.1:1/v1"
websocket = "ws://127.0.0.1:1/v1/websocket"
authorize = "http://127.0.0.1:1/oauth"
token = "http://127.0.0.1:1/auth/oauthtoken"
[logins.fund]
environment = "test"
grant = "oauth"
client_id = "8123"
redirect_uri = "{REDIRECT}"
[accounts.lead]
login = "fund"
name = "LEAD"
[accounts.f1]
login = "fund"
name = "F1"
[[copy]]
name = "main"
leader = "lead"
[[copy.followers]]
account = "f1"
"""


def authorization(world: World) -> Authorization:
    found = world.login("fund").authorization
    assert found is not None, "grant oauth"
    return found


async def answered(world: World, address: str, answer: str = "allow", user: str = "fund") -> str:
    """Opens the address, presses a button, and answers with the address that the browser ends on; "" for a page."""
    parts = urlsplit(address)
    status, _, page = await world.server.rest("GET", f"{parts.path}?{parts.query}", {}, b"")
    found = re.search(r'name="page" value="([^"]+)"', page.decode())
    if status != 200 or found is None:
        return ""
    return await pressed(world, found[1], answer, user)


async def pressed(world: World, page: str, answer: str = "allow", user: str = "fund") -> str:
    form = urlencode({"page": page, "user": user, "answer": answer}).encode()
    _, headers, _ = await world.server.rest("POST", "/oauth/answer", FORM, form)
    return headers.get("location", "")


async def pasted(world: World, url: str) -> Outcome:
    """What `copierctl authorize fund --complete URL` comes to, refusals included."""
    try:
        return await authorization(world).complete(url)
    except Unfit as unfit:
        return unfit.outcome


async def authorized(world: World, answer: str = "allow", user: str = "fund") -> Outcome:
    """The whole way, by pasting."""
    pending = await authorization(world).begin()
    return await pasted(world, await answered(world, pending.address, answer, user))
