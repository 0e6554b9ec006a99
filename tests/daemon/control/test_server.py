"""Lifetimes: the socket comes before READY and goes with the daemon; no client holds up a stop or ends the daemon."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from daemon import control
from daemon.control.server import LOOK_AGAIN
from tests.daemon.control.house import House, house, still

ROOT = Path(__file__).parents[3]
STATUS = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_it_is_started_only_when_it_answers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    path = supervisor.config.daemon.control_socket

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(control.serve, supervisor)
            stream = await trio.open_unix_socket(str(path))
            await stream.aclose()
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert not path.exists()


def test_a_second_daemon_on_the_same_socket_is_refused(tmp_path: Path) -> None:
    supervisor = still(tmp_path)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(control.serve, supervisor)
            with pytest.RaisesGroup(pytest.RaisesExc(control.SocketUnusable), flatten_subgroups=True):
                async with trio.open_nursery() as second:
                    await second.start(control.serve, supervisor)
            assert supervisor.config.daemon.control_socket.exists()
            nursery.cancel_scope.cancel()

    trio.run(main)


async def _idle(stream: trio.SocketStream) -> None:
    """Connected, and silent."""


async def _half_a_request(stream: trio.SocketStream) -> None:
    await stream.send_all(STATUS[:-3])


async def _kept_alive(stream: trio.SocketStream) -> None:
    await stream.send_all(STATUS)
    assert await stream.receive_some(100)


async def _never_reading(stream: trio.SocketStream) -> None:
    """Asks on and on, until what it does not read has filled every buffer."""
    with trio.move_on_after(1):
        while True:
            await stream.send_all(STATUS * 100)


@pytest.mark.parametrize("client", [_idle, _half_a_request, _kept_alive, _never_reading])
def test_no_client_holds_up_a_stop(tmp_path: Path, client: Callable[[trio.SocketStream], Awaitable[None]]) -> None:
    supervisor = still(tmp_path)

    async def main() -> float:
        async with trio.open_nursery() as nursery:
            await nursery.start(control.serve, supervisor)
            stream = await trio.open_unix_socket(str(supervisor.config.daemon.control_socket))
            await client(stream)
            await trio.sleep(0.05)
            before = trio.current_time()
            nursery.cancel_scope.cancel()
        await stream.aclose()
        return trio.current_time() - before

    assert trio.run(main) < 1.0


NONSENSE = [
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    b"POST /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAA\x83kAAQ\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x08\x80\x00\x00\x00",
    b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_ends_its_connection_and_nothing_else(tmp_path: Path, nonsense: bytes) -> None:
    async def told(house: House) -> None:
        with trio.move_on_after(1):
            await house.say(nonsense)
        assert (await house.get("/v1/status")).status_code == 200

    _run(tmp_path, told)


@pytest.mark.parametrize(
    ("nonsense", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 66_000, 431),
        (b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ],
    ids=["no-host", "long-head", "encoding", "http-2"],
)
def test_what_is_no_request_of_http_1_1_is_a_problem_too(tmp_path: Path, nonsense: bytes, status: int) -> None:
    async def told(house: House) -> None:
        with trio.fail_after(10):
            head, _, body = (await house.say(nonsense)).decode().partition("\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status} ") and "content-type: application/problem+json" in head.lower()
        said = json.JSONDecoder().raw_decode(body)[0]
        assert said["status"] == status and said["title"] and said["detail"]

    _run(tmp_path, told)


def test_an_offer_of_http_2_is_answered_in_http_1_1(tmp_path: Path) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"

    async def told(house: House) -> None:
        with trio.fail_after(10):
            answer = await house.say(STATUS.removesuffix(b"\r\n") + offer)
        assert answer.startswith(b"HTTP/1.1 200 ") and b'"accounts"' in answer

    _run(tmp_path, told)


def test_clients_that_break_off_at_any_byte_do_no_harm(tmp_path: Path) -> None:
    request = b"POST /v1/accounts/f1/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello" + STATUS

    async def told(house: House) -> None:
        for end in range(0, len(request), 2):
            async with trio.open_nursery() as nursery:
                for politely in (True, False):
                    nursery.start_soon(partial(_break_off, house, request[:end], politely=politely))
        assert (await house.get("/v1/status")).status_code == 200
        assert not [entry for entry in house.journal if entry.kind == "daemon.bug"]

    _run(tmp_path, told)


async def _break_off(house: House, part: bytes, *, politely: bool) -> None:
    async with await trio.open_unix_socket(str(house.socket)) as stream:
        await stream.send_all(part)
        if politely:
            await stream.send_eof()


def test_a_bug_in_an_answer_is_told_and_ends_nothing(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        house.supervisor.last_stop = object()  # type: ignore[assignment]  # which no JSON can hold
        answer = await house.get("/v1/status")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "TypeError" in next(entry.message for entry in house.journal if entry.kind == "daemon.bug")
        assert (await house.get("/v1/copies")).status_code == 200

    _run(tmp_path, told)


def test_curl_is_enough(tmp_path: Path) -> None:
    async def told(house: House) -> None:
        command = ["curl", "--silent", "--unix-socket", str(house.socket), "http://localhost/v1/status"]
        try:
            done = await trio.run_process(command, capture_stdout=True)
        except FileNotFoundError:
            return  # there is no curl on this machine
        assert [account["account"] for account in json.loads(done.stdout)["accounts"]] == ["lead", "f1", "f2"]

    _run(tmp_path, told)


def test_a_clean_stop_takes_the_socket_along(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as told:
            path = told.socket
            told.supervisor.stopping.set()
            await told.until(lambda: not path.exists())

    trio.run(main)


def test_the_client_s_side_needs_no_web_framework() -> None:
    program = "import sys, daemon.ctl; sys.exit(any(m in sys.modules for m in ('starlette', 'h11', 'sqlite3')))"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_the_daemon_does_not_load_what_it_may_never_need() -> None:
    """Each of them is a megabyte of a service that always runs. Without click, which only development has, no rich."""
    unneeded = ("rich", "prometheus_client", "multiprocessing", "daemon.demo", "daemon.doctor", "daemon.simulator")
    loaded = "import daemon.cli, daemon.process, daemon.control.server"
    program = f"import sys; sys.modules['click'] = None; {loaded}; print([m for m in {unneeded} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def _run(tmp_path: Path, story: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        async with house(tmp_path, refusing=True) as told:
            await story(told)

    trio.run(main)


def test_a_socket_that_has_gone_from_its_place_is_made_anew(tmp_path: Path) -> None:
    """As /run/user/1000 goes when its user logs out: nobody could flatten any more, and a second daemon is refused."""
    supervisor = still(tmp_path)
    path = tmp_path / "run" / "control.sock"
    supervisor.config = attrs.evolve(
        supervisor.config, daemon=attrs.evolve(supervisor.config.daemon, control_socket=path)
    )

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(control.serve, supervisor)
            before = await trio.open_unix_socket(str(path))
            shutil.rmtree(path.parent)
            path.parent.write_text("in its way")
            await trio.sleep(2 * LOOK_AGAIN)
            path.parent.unlink()
            await trio.sleep(2 * LOOK_AGAIN)
            for stream in (before, await trio.open_unix_socket(str(path))):
                async with stream:
                    await stream.send_all(STATUS)
                    assert (await stream.receive_some(12)).startswith(b"HTTP/1.1 200")
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0.1))
