"""Authorizing through the control socket, and what copierctl says of it. The broker is reached in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import httpx
import pytest
import trio

from daemon import ctl
from statecharts import states as s
from tests.daemon.control.house import House, house

COMPLETE = "/v1/logins/apex/authorize/complete"
AUTHORIZE = "/v1/logins/apex/authorize"


def tell(tmp_path: Path, story: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        async with house(tmp_path) as told:
            await story(told)

    trio.run(main)


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content: dict[str, str] = answer.json()
    assert content["type"] == kind
    return content


async def copierctl(told: House, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()

    def run() -> int:
        with redirect_stdout(out), redirect_stderr(err):
            return ctl.main(["--socket", str(told.socket), *arguments])

    status = await trio.to_thread.run_sync(run)
    return status, out.getvalue(), err.getvalue()


def test_a_login_that_is_not_there(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        assert (
            "there are: apex" in problem(await told.post("/v1/logins/nobody/authorize"), 404, "unknown-login")["detail"]
        )
        assert (await told.post(f"{AUTHORIZE}?x=1")).status_code == 422

    tell(tmp_path, story)


def test_grant_password_makes_exactly_one_request_and_says_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(told: House) -> None:
        await told.copying()
        asked = told.server.token_requests["jane"]
        answer = (await told.post(AUTHORIZE)).json()
        assert (answer["outcome"], answer["authorize_url"]) == ("authorized", None)
        assert answer["token_expires_at"].endswith("Z")
        assert (told.server.token_requests["jane"], told.server.renewals["jane"]) == (asked, 1)
        words = "Authorized: login apex is authorized: its credential is the one of before, and its token was renewed\n"
        assert await copierctl(told, "authorize", "apex") == (0, words, "")
        status, out, _ = await copierctl(told, "--json", "authorize", "apex")
        assert (status, json.loads(out)["outcome"]) == (0, "authorized")

        monkeypatch.setenv("COPIERD_APEX_PASSWORD", "not-the-password")
        refusal = problem(await told.post(AUTHORIZE), 403, "invalid-credentials")
        assert "copierctl authorize apex" in refusal["remedy"]
        assert told.server.token_requests["jane"] == asked + 1
        status, out, err = await copierctl(told, "authorize", "apex")
        assert (status, out) == (1, "")
        assert err.startswith("copierctl: the broker refused the login: ")
        assert "not-the-password" not in err + refusal["detail"]
        assert isinstance(told.supervisor.accounts["f1"].account.connection, s.Copying)

    tell(tmp_path, story)


def test_grant_password_has_nothing_to_complete(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        problem(await told.get(AUTHORIZE), 409, "nothing-pending")
        async with told.client() as client:
            for body in ("", "[]", "{}", '{"url": 1}', "{" * 1000):
                problem(await client.post(COMPLETE, content=body), 422, "no-url")
            assert (await client.post(COMPLETE, content="x" * 20_000)).status_code == 413
            answer = await client.post(COMPLETE, json={"url": "http://127.0.0.1:8642/callback?code=1"})
            assert "no browser is needed" in problem(answer, 409, "nothing-pending")["detail"]
        status, _, err = await copierctl(told, "authorize", "apex", "--complete", "http://127.0.0.1/")
        assert status == 1 and "no browser is needed" in err
        assert (await copierctl(told, "authorize", "nobody"))[0] == 1

    tell(tmp_path, story)


def test_a_login_is_dialed_anew_for_all_of_its_accounts(tmp_path: Path) -> None:
    async def story(told: House) -> None:
        await told.copying()
        login = told.supervisor.logins["apex"]
        sockets = login.sockets
        assert (await told.post("/v1/accounts/f1/disconnect")).status_code == 202
        answer = await told.post("/v1/logins/apex/reconnect")
        assert answer.status_code == 202
        assert {account["account"] for account in answer.json()["accounts"]} == {
            name for name, one in told.supervisor.accounts.items() if one.login is login
        }
        await told.copying()
        assert login.sockets == sockets + 1
        assert told.server.token_requests["jane"] == 1
        status, out, err = await copierctl(told, "reconnect", "--login", "apex")
        assert (status, err) == (0, "") and out.startswith("login apex is dialed anew for ")
        status, out, _ = await copierctl(told, "--json", "reconnect", "--login", "apex")
        assert (status, json.loads(out)["login"]) == (0, "apex")
        problem(await told.post("/v1/logins/nobody/reconnect"), 404, "unknown-login")
        await told.copying()

    tell(tmp_path, story)


@pytest.mark.parametrize("arguments", [["reconnect"], ["reconnect", "f1", "--login", "apex"]])
def test_to_reconnect_takes_an_account_or_a_login(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as usage:
        ctl.main(arguments)
    assert usage.value.code == 64
