"""The authorization-code grant: the page, codes that are good once, and refresh tokens that rotate."""

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import attrs
import pytest
import trio

from daemon.simulator import Faults
from daemon.simulator.oauth import Application
from tests.simulator.client import House, get, play, post

REDIRECT = "http://127.0.0.1:8642/callback"
VERIFIER = "a-verifier-of-43-characters-at-the-very-least"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": "8123",
    "redirect_uri": REDIRECT,
    "state": "st&1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def shown(house: House, **asked: str) -> tuple[int, str]:
    status, headers, body = await house.server.rest("GET", f"/oauth?{urlencode({**ASKED, **asked})}", {}, b"")
    assert headers["content-type"] == "text/html; charset=utf-8"
    return status, body.decode()


async def answered(house: House, page: str, answer: str = "allow", user: str = "jane") -> tuple[int, str, str]:
    """Status, HTML and where the browser goes."""
    found = re.search(r'name="page" value="([^"]+)"', page)
    assert found is not None
    form = urlencode({"page": found[1], "user": user, "answer": answer}).encode()
    status, headers, body = await house.server.rest("POST", "/oauth/answer", FORM, form)
    return status, body.decode(), headers.get("location", "")


async def code_of(house: House, user: str = "jane", **asked: str) -> str:
    status, _, location = await answered(house, (await shown(house, **asked))[1], user=user)
    assert status == 302
    parts = urlsplit(location)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == REDIRECT
    found = parse_qs(parts.query)
    assert found["state"] == ["st&1"]
    return found["code"][0]


async def token(
    house: House, path: str = "/v1/auth/oauthtoken", as_json: bool = False, **fields: str
) -> dict[str, Any]:
    sent = {"client_id": "8123", "redirect_uri": REDIRECT, **fields}
    headers = {} if as_json else FORM
    content = json.dumps(sent) if as_json else urlencode(sent)
    status, _, body = await house.server.rest("POST", path, headers, content.encode())
    assert status == 200  # also for an error
    answer = json.loads(body)
    assert isinstance(answer, dict)
    return answer


async def exchanged(house: House, code: str, **more: Any) -> dict[str, Any]:
    return await token(house, **{"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, **more})


async def refreshed(house: House, refresh: str, **more: Any) -> dict[str, Any]:
    return await token(house, grant_type="refresh_token", refresh_token=refresh, **more)


@pytest.mark.parametrize("path", ["/v1/auth/oauthtoken", "/auth/oauthToken"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_code_becomes_a_token_of_the_user_who_allowed_it(path: str, as_json: bool) -> None:
    async def story(house: House) -> None:
        pair = await exchanged(house, await code_of(house, "joe"), path=path, as_json=as_json)
        assert (pair["token_type"], pair["expires_in"], pair["refresh_token_expires_in"]) == ("bearer", 5400, 93600)
        status, users = await get(house.server, "user/list", pair["access_token"])
        assert (status, users[0]["name"]) == (200, "joe")
        status, renewed = await get(house.server, "auth/renewaccesstoken", pair["access_token"])
        assert (status, renewed["userId"]) == (200, users[0]["id"])

    play(story)


def test_a_code_is_good_once_and_for_a_minute() -> None:
    async def story(house: House) -> None:
        code = await code_of(house)
        assert "access_token" in await exchanged(house, code)
        assert (await exchanged(house, code))["error"] == "invalid_grant"
        code = await code_of(house)
        await trio.sleep(61)
        assert (await exchanged(house, code))["error"] == "invalid_grant"
        assert (await exchanged(house, "made-up"))["error"] == "invalid_grant"

    play(story)


def test_a_code_belongs_to_its_verifier_its_application_and_its_redirect() -> None:
    async def story(house: House) -> None:
        assert (await exchanged(house, await code_of(house), code_verifier="x" * 43))["error"] == "invalid_grant"
        assert (await exchanged(house, await code_of(house), client_id="9"))["error"] == "invalid_client"
        assert (await exchanged(house, await code_of(house), redirect_uri=REDIRECT + "/"))["error"] == "invalid_client"
        code = (await answered(house, (await shown(house, code_challenge=""))[1]))[2]
        assert "access_token" in await exchanged(house, dict(parse_qsl(urlsplit(code).query))["code"], code_verifier="")

    play(story)


def test_what_the_browser_sees() -> None:
    async def story(house: House) -> None:
        house.server.oauth.applications = {"8123": Application("8123", "hush", REDIRECT)}
        status, page = await shown(house)
        assert status == 200 and 'value="jane"' in page and 'value="joe"' in page
        assert (await answered(house, page, user="nobody"))[1].count("Invalid Credentials") == 2
        status, _, location = await answered(house, (await shown(house))[1], answer="deny")
        assert (status, location) == (302, f"{REDIRECT}?error=access_denied&state=st%261")
        for wrong in ({"client_id": "9"}, {"redirect_uri": REDIRECT + "2"}, {"redirect_uri": ""}):
            status, page = await shown(house, **wrong)
            assert status == 400 and "Application Not Found" in page
        status, _, _ = await house.server.rest(
            "GET", f"/oauth?{urlencode({**ASKED, 'response_type': 'token'})}", {}, b""
        )
        assert status == 302
        page = (await shown(house, state="<script>", client_id="8123"))[1]
        assert "<script>" not in page
        assert (await exchanged(house, await code_of(house)))["error"] == "invalid_client"  # without the secret
        assert "access_token" in await exchanged(house, await code_of(house), client_secret="hush")

    play(story)


def test_a_page_that_was_left_open_and_one_that_was_answered_are_expired() -> None:
    async def story(house: House) -> None:
        page = (await shown(house))[1]
        await trio.sleep(31)
        status, html, _ = await answered(house, page)
        assert status == 400 and "Session Expired" in html
        page = (await shown(house))[1]
        await answered(house, page)
        assert "Session Expired" in (await answered(house, page))[1]

    play(story, Faults(consent_life=30))


def test_a_refresh_token_rotates_and_its_reuse_makes_both_void() -> None:
    async def story(house: House) -> None:
        first = await exchanged(house, await code_of(house))
        second = await refreshed(house, first["refresh_token"])
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"]
        third = await refreshed(house, second["refresh_token"])
        assert (await refreshed(house, second["refresh_token"]))["error"] == "invalid_token"
        assert (await refreshed(house, third["refresh_token"]))["error"] == "invalid_token"
        assert house.server.oauth.refreshes == 4
        assert len(house.server.tokens.living(house.broker.logins["apex"])) == 1  # refreshing opens no session

    play(story)


def test_a_refresh_after_the_session_s_end_opens_another() -> None:
    async def story(house: House) -> None:
        pair = await exchanged(house, await code_of(house))
        await trio.sleep(25 * 3600)
        pair = await refreshed(house, pair["refresh_token"])
        assert (await get(house.server, "account/list", pair["access_token"]))[0] == 200
        house.server.evict("apex")
        pair = await refreshed(house, pair["refresh_token"])
        assert (await get(house.server, "account/list", pair["access_token"]))[0] == 200
        await trio.sleep(26 * 3600)
        assert (await refreshed(house, pair["refresh_token"]))["error"] == "invalid_token"

    play(story)


def test_refusals_on_purpose_leave_the_token_good() -> None:
    async def story(house: House) -> None:
        pair = await exchanged(house, await code_of(house))
        house.server.refuse_refresh(2)
        for _ in range(2):
            assert (await refreshed(house, pair["refresh_token"]))["error"] == "invalid_token"
        assert (await refreshed(house, pair["refresh_token"], client_id="9"))["error"] == "invalid_token"
        pair = await refreshed(house, pair["refresh_token"])
        house.server.change_password("apex", "new")
        assert (await refreshed(house, pair["refresh_token"]))["error"] == "invalid_token"
        assert (await token(house, grant_type="password"))["error"] == "unsupported_grant_type"

    play(story)


def test_the_older_generation_gives_no_refresh_token() -> None:
    async def story(house: House) -> None:
        pair = await exchanged(house, await code_of(house))
        assert set(pair) == {"access_token", "token_type", "expires_in"}
        assert pair["expires_in"] == 90
        assert (await post(house.server, "auth/renewaccesstoken", {}, pair["access_token"]))[0] == 200

    play(story, attrs.evolve(Faults(), no_refresh_token=True, token_life=90.0))
