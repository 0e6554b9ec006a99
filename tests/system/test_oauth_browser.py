"""A user authorizes a login in a real browser: daemon, copierctl and the broker's consent page are all real processes
or sockets; only the broker is the look-alike."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
import trio
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import WebDriverWait

from daemon import control
from daemon.config import loads
from daemon.journal import Entry, Journal
from daemon.ledger import Ledger
from daemon.ports import Ports
from daemon.simulator import Broker, Faults, LoginSpec, Server, serve_tcp
from daemon.supervisor import Supervisor
from statecharts import states as s

WITHIN = 30.0  # seconds: what is waited for takes a second on an idle machine
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="needs chromium and chromedriver (Debian: chromium, chromium-driver)"
)


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def browser(profile: Path) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


@attrs.define(eq=False)
class Stage:
    """A daemon with its control socket in a thread of its own, and the broker beside it."""

    directory: Path
    redirect_port: int = attrs.field(factory=free_port)
    patience: timedelta = timedelta(minutes=10)
    faults: Faults = attrs.field(factory=Faults)
    entries: list[Entry] = attrs.field(factory=list)
    supervisor: Supervisor | None = None
    _token: trio.lowlevel.TrioToken | None = None
    _ready: threading.Event = attrs.field(factory=threading.Event)

    @property
    def socket(self) -> Path:
        return self.directory / "control.sock"

    @property
    def redirect(self) -> str:
        return f"http://127.0.0.1:{self.redirect_port}/callback"

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=trio.run, args=(self._main,))
        thread.start()
        try:
            assert self._ready.wait(WITHIN), "the daemon did not start"
            yield
        finally:
            assert self._token is not None and self.supervisor is not None
            self._token.run_sync_soon(self.supervisor.stopping.set)
            thread.join(WITHIN)
            assert not thread.is_alive()

    async def _main(self) -> None:
        def wall() -> datetime:
            return datetime.now(UTC)

        logins = {
            "fund": LoginSpec("jane", accounts=("LEAD", "F1")),
            "other": LoginSpec("joe", accounts=("ELSE",)),
        }
        broker = Broker.build(logins, now=wall, dice=random.Random(1), faults=self.faults)
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve_tcp, Server(broker), "127.0.0.1", 0)
            config = loads(self._configuration(port))
            ledger = Ledger.open(self.directory / "ledger.sqlite")
            journal = Journal(self.entries.append, "debug")
            self.supervisor = Supervisor(config, Ports.real(), journal, ledger)
            nursery.start_soon(self._until_stopped, self.supervisor, nursery.cancel_scope)
            await self.supervisor.ready.wait()
            authorization = self.supervisor.logins["fund"].authorization
            assert authorization is not None
            authorization.patience = self.patience
            self._token = trio.lowlevel.current_trio_token()
            self._ready.set()

    async def _until_stopped(self, supervisor: Supervisor, scope: trio.CancelScope) -> None:
        await supervisor.run(control.serve)
        scope.cancel()

    def _configuration(self, port: int) -> str:
        here = f"http://127.0.0.1:{port}"
        return f"""
[daemon]
state_directory = "{self.directory}"
control_socket = "{self.socket}"
[environments.test]
rest = "{here}/v1"
websocket = "ws://127.0.0.1:{port}/v1/websocket"
authorize = "{here}/oauth"
token = "{here}/auth/oauthtoken"
[logins.fund]
environment = "test"
grant = "oauth"
client_id = "8123"
redirect_uri = "{self.redirect}"
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

    def leaf(self) -> type[s.State]:
        assert self.supervisor is not None
        return type(self.supervisor.accounts["f1"].account.connection)

    def become(self, leaf: type[s.State]) -> None:
        waited = threading.Event()
        for _ in range(int(WITHIN / 0.05)):
            if self.leaf() is leaf:
                return
            waited.wait(0.05)
        raise AssertionError(f"f1 is {self.leaf().__name__} and not {leaf.__name__}")

    def command(self, *more: str) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-m", "daemon.ctl", "--socket", str(self.socket), "authorize", "fund", *more]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def address_of(command: subprocess.Popen[str]) -> str:
    """What copierctl prints for the browser, out of its instructions."""
    assert command.stdout is not None
    for line in command.stdout:
        if line.startswith("http"):
            return line.strip()
    raise AssertionError("copierctl printed no address")


def press(driver: WebDriver, address: str, button: str, user: str = "jane") -> None:
    driver.get(address)
    field = driver.find_element(By.NAME, "user")
    field.clear()
    field.send_keys(user)
    driver.find_element(By.CSS_SELECTOR, f"button[value={button}]").click()


def title(driver: WebDriver, words: str) -> str:
    """The text of the page once it has this title."""
    WebDriverWait(driver, WITHIN).until(expected.title_contains(words))
    return driver.find_element(By.TAG_NAME, "body").text


def ended(command: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = command.communicate(timeout=WITHIN)
    return command.returncode, out, err


def refused_at(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[WebDriver]:
    with browser(tmp_path / "profile") as driver:
        yield driver


def test_allow(tmp_path: Path, driver: WebDriver) -> None:
    stage = Stage(tmp_path)
    with stage.running():
        stage.become(s.Unauthorized)
        command = stage.command()
        press(driver, address_of(command), "allow")
        page = title(driver, "copierd: Authorized")
        assert driver.current_url.startswith(stage.redirect)
        assert "authorized by jane" in page and "You may close this window." in page
        status, out, err = ended(command)
        assert (status, err) == (0, "")
        assert "login fund is authorized by jane" in out
        stage.become(s.Copying)
        assert refused_at(stage.redirect_port), "one answer ends the listening"
        code = driver.current_url.partition("code=")[2].partition("&")[0]
        assert code and not any(code in entry.message for entry in stage.entries)


def test_deny(tmp_path: Path, driver: WebDriver) -> None:
    stage = Stage(tmp_path)
    with stage.running():
        command = stage.command()
        press(driver, address_of(command), "deny")
        assert "Deny was pressed" in title(driver, "copierd: Access Denied")
        status, _, err = ended(command)
        assert status == 1
        assert err.startswith("copierctl: Access Denied: ") and "copierctl authorize fund" in err
        stage.become(s.Unauthorized)


def test_wrong_user(tmp_path: Path, driver: WebDriver) -> None:
    stage = Stage(tmp_path)
    with stage.running():
        command = stage.command()
        press(driver, address_of(command), "allow", "joe")
        assert "does not own F1, LEAD" in title(driver, "copierd: Wrong User")
        status, _, err = ended(command)
        assert status == 1 and "nothing was changed" in err
        stage.become(s.Unauthorized)

        command = stage.command()
        press(driver, address_of(command), "allow", "jane")
        title(driver, "copierd: Authorized")
        assert ended(command)[0] == 0
        stage.become(s.Copying)

        command = stage.command()
        press(driver, address_of(command), "allow", "joe")
        assert "belongs to user" in title(driver, "copierd: Wrong User")
        assert ended(command)[0] == 1
        assert stage.leaf() is s.Copying


def test_a_page_left_open_too_long_is_told_by_both_sides(tmp_path: Path, driver: WebDriver) -> None:
    stage = Stage(tmp_path, patience=timedelta(seconds=3), faults=Faults(consent_life=0.0))
    with stage.running():
        command = stage.command()
        press(driver, address_of(command), "allow")
        assert "left open for too long" in title(driver, "Session Expired")  # the broker's own page
        status, _, err = ended(command)
        assert status == 1
        assert err.startswith("copierctl: Session Expired: the page was left open for too long")
        stage.become(s.Unauthorized)
        assert refused_at(stage.redirect_port), "nobody listens any more"


def test_an_answer_that_comes_too_late_can_be_pasted_and_is_refused(tmp_path: Path, driver: WebDriver) -> None:
    stage = Stage(tmp_path, patience=timedelta(seconds=2))
    with stage.running():
        command = stage.command()
        address = address_of(command)
        driver.get(address)
        assert ended(command)[0] == 1
        driver.find_element(By.CSS_SELECTOR, "button[value=allow]").click()
        WebDriverWait(driver, WITHIN).until(expected.url_contains("code="))
        status, _, err = ended(stage.command("--complete", driver.current_url))
        assert status == 1 and "left open for too long" in err


def test_a_browser_that_runs_elsewhere(tmp_path: Path, driver: WebDriver) -> None:
    """Its redirect reaches nobody; the address is pasted while copierctl waits."""
    with closing(socket.socket()) as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))  # bound and not listening: the daemon cannot have the port
        stage = Stage(tmp_path, elsewhere.getsockname()[1])
        with stage.running():
            command = stage.command()
            press(driver, address_of(command), "allow")
            WebDriverWait(driver, WITHIN).until(expected.url_contains("code="))
            status, out, _ = ended(stage.command("--complete", driver.current_url))
            assert (status, out) == (0, "Authorized: login fund is authorized by jane\n")
            assert ended(command)[0] == 0
            stage.become(s.Copying)
