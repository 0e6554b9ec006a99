"""The status page in a real browser: daemon and control socket are real, and what a browser sees comes over TCP, as it
does through `ssh -L`; only the broker is the look-alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from statecharts import states as s
from tests.daemon.control.house import House, house
from tests.scenarios.world import SYMBOL
from tests.system.test_oauth_browser import CHROMIUM, DRIVER, WITHIN, browser

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="needs chromium and chromedriver (Debian: chromium, chromium-driver)"
)

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
STATES = ("Connected", "Reconnecting", "Disconnected", "TokenExpired")


@attrs.define(eq=False)
class Stage:
    """A house in a thread of its own, and a port that leads to its control socket."""

    directory: Path
    house: House | None = None
    port: int = 0
    _token: trio.lowlevel.TrioToken | None = None
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _ready: threading.Event = attrs.field(factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=trio.run, args=(self._main,))
        thread.start()
        try:
            assert self._ready.wait(WITHIN), "the daemon did not start"
            yield
        finally:
            self.do(lambda told: self._scope.cancel())
            thread.join(WITHIN)
            assert not thread.is_alive()

    def do(self, act: Callable[[House], Any]) -> Any:
        """In the daemon's own thread."""
        assert self._token is not None and self.house is not None
        return trio.from_thread.run_sync(act, self.house, trio_token=self._token)

    async def _main(self) -> None:
        with self._scope:
            async with house(self.directory) as told, trio.open_nursery() as nursery:
                await told.copying()

                async def forwarded(stream: trio.SocketStream) -> None:
                    await _joined(stream, told.socket)

                (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
                nursery.start_soon(trio.serve_listeners, forwarded, [listener])
                self.port = listener.socket.getsockname()[1]
                self.house, self._token = told, trio.lowlevel.current_trio_token()
                self._ready.set()
                await trio.sleep_forever()


async def _joined(stream: trio.SocketStream, path: Path) -> None:
    """What `ssh -L` does."""

    async def pump(source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope) -> None:
        try:
            async for data in source:
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the browser has gone, or the daemon has
        scope.cancel()

    try:
        there = await trio.open_unix_socket(str(path))
    except OSError:
        await stream.aclose()  # nobody listens any more, and ssh hangs up
        return
    async with there, trio.open_nursery() as nursery:
        nursery.start_soon(pump, stream, there, nursery.cancel_scope)
        nursery.start_soon(pump, there, stream, nursery.cancel_scope)


@attrs.define(eq=False)
class Page:
    driver: WebDriver
    stage: Stage

    def open(self) -> None:
        self.driver.get(f"http://localhost:{self.stage.port}/")
        self.until(lambda: self.row("f1") is not None)

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN
        while not true():
            assert time.monotonic() < deadline, self.driver.find_element(By.TAG_NAME, "body").text
            time.sleep(0.02)

    def row(self, account: str) -> WebElement | None:
        found = self.driver.find_elements(By.CSS_SELECTOR, f'#accounts tr[data-key="{account}"]')
        return found[0] if found else None

    def state(self, account: str) -> str:
        return str(self.driver.execute_script(
            "return document.querySelector(arguments[0])?.textContent ?? ''",
            f'#accounts tr[data-key="{account}"] .state',
        ))  # fmt: skip

    def text(self, selector: str) -> str:
        return self.driver.find_element(By.CSS_SELECTOR, selector).text

    def press(self, account: str, verb: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, f'#accounts tr[data-key="{account}"] [data-verb="{verb}"]').click()

    def faults(self) -> list[str]:
        """What axe-core finds, of those that keep people out."""
        self.driver.execute_script(AXE)
        found = self.driver.execute_async_script("axe.run().then(arguments[0])")
        return [
            f"{one['id']}: {node['html'][:100]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    stage = Stage(tmp_path)
    with stage.running(), browser(tmp_path / "profile") as driver:
        shown = Page(driver, stage)
        shown.open()
        yield shown
        said = driver.execute("getLog", {"type": "browser"})["value"]
        assert not [one for one in said if one["level"] == "SEVERE" and one["source"] != "network"], said


def _trade(told: House) -> None:
    told.server.broker.place("LEAD", "Buy", SYMBOL, 2)


def _book(page: Page, account: str) -> Any:
    return page.stage.do(lambda told: told.supervisor.accounts[account].account)


def test_positions_copies_and_events_come_by_themselves(page: Page) -> None:
    page.stage.do(_trade)
    page.until(lambda: "f1 +2" in page.text("#positions").replace("\n", " "))
    page.until(lambda: page.text("#copies tbody").count("filled") == 2)
    assert f"place Buy 2 {SYMBOL} Market" in page.text("#copies tbody")
    page.until(lambda: "copy.placed" in page.text("#events"))
    assert page.text("#summary") == "3 Connected" and page.text("#link") == "live"


def test_a_drop_its_countdown_and_the_recovery_are_seen_live(page: Page) -> None:
    page.stage.do(lambda told: told.server.go_down(refusing=True))
    page.until(lambda: page.state("f1") == "Reconnecting")
    row = page.row("f1")
    assert row is not None
    next_try = row.find_elements(By.TAG_NAME, "td")[2]
    first = next_try.text
    assert first.endswith("s") and 0 < int(first[:-1]) <= 40
    page.until(lambda: int(next_try.text[:-1]) < int(first[:-1]))
    assert page.driver.title.startswith("! "), "also who looks at another page sees it"
    page.stage.do(lambda told: told.server.come_up())
    for account in ("lead", "f1", "f2"):
        page.press(account, "reconnect")
    page.until(lambda: [page.state(one) for one in ("lead", "f1", "f2")] == ["Connected"] * 3)
    page.until(lambda: page.driver.title == "copierd")


def test_flatten_is_typed_and_not_clicked(page: Page) -> None:
    page.stage.do(_trade)
    page.until(lambda: "f1 +2" in page.text("#positions").replace("\n", " "))
    page.press("f1", "flatten")
    typed, yes = (page.driver.find_element(By.ID, one) for one in ("sure-typed", "sure-yes"))
    assert not yes.is_enabled()
    typed.send_keys("f2", Keys.ENTER)
    assert not yes.is_enabled() and typed.is_displayed(), "another account's name closes nothing"
    typed.send_keys(Keys.ESCAPE)
    page.until(lambda: not typed.is_displayed())
    assert not _book(page, "f1").paused
    page.press("f1", "flatten")
    typed.send_keys("f1", Keys.ENTER)
    page.until(lambda: "flatten f1: asked for" in page.text("#said"))
    page.until(lambda: "f1 0" in page.text("#positions").replace("\n", " "))
    page.until(lambda: "Resume" in page.text('#accounts tr[data-key="f1"]'))
    assert _book(page, "f1").paused and "f2 +2" in page.text("#positions").replace("\n", " ")
    page.press("f1", "resume")
    typed.send_keys("f1", Keys.ENTER)
    page.until(lambda: not _book(page, "f1").paused)


def test_all_followers_are_flattened_by_a_word_of_their_own(page: Page) -> None:
    page.stage.do(_trade)
    page.until(lambda: "f2 +2" in page.text("#positions").replace("\n", " "))
    page.driver.find_element(By.ID, "flatten-all").click()
    page.driver.find_element(By.ID, "sure-typed").send_keys("flatten all", Keys.ENTER)
    page.until(lambda: "f1 0 f2 0" in page.text("#positions").replace("\n", " "))


def test_a_daemon_that_is_gone_does_not_look_alive(page: Page) -> None:
    page.stage.do(lambda told: told.supervisor.stopping.set())
    page.until(lambda: "copierd is not reached, since" in page.text("#link"))


def test_words_of_the_broker_are_text_and_no_markup(page: Page) -> None:
    page.stage.do(
        lambda told: told.supervisor.board.tell("copy.failed", "<img src=x onerror=alert(1)>", severity="page")
    )
    page.until(lambda: "<img src=x" in page.text("#events"))
    assert not page.driver.find_elements(By.TAG_NAME, "img")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390], ids=["desktop", "phone"])
def test_everybody_can_use_it_in_every_state(page: Page, tmp_path: Path, scheme: str, width: int) -> None:
    """axe-core finds nothing serious; nothing is wider than the window; what the keyboard reaches is seen."""
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    page.driver.set_window_size(width, 900)
    page.stage.do(_trade)
    page.until(lambda: page.text("#copies tbody").count("filled") == 2)
    assert page.faults() == []
    page.stage.do(_in_four_states)
    page.until(lambda: {page.state(name) for name in ("lead", "f1", "f2")} == set(STATES) - {"Connected"})
    page.driver.save_screenshot(str(tmp_path / f"{scheme}-{width}.png"))
    assert page.faults() == []
    wide = page.driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{wide} pixels wider than the window"
    tall = page.driver.execute_script(
        "return [...document.querySelectorAll('button')].filter(b => b.offsetHeight > 60).map(b => b.textContent)"
    )
    assert tall == [], "a word is read along its line"
    page.press("f1", "flatten")
    assert page.faults() == []


def _in_four_states(told: House) -> None:
    now = told.supervisor.ports.wall()
    trouble = {
        "lead": s.BackingOff(since=now, reason="closed: 1006", cause=s.Cause.NETWORK, attempt=2),
        "f1": s.GivenUp(since=now, lost_at=now, reason="not reached for five minutes", cause=s.Cause.NETWORK),
        "f2": s.Unauthorized(since=now, reason="the broker refused the password", cause=s.Cause.CREDENTIALS),
    }
    for name, state in trouble.items():
        runner = told.supervisor.accounts[name].runner
        runner.account = attrs.evolve(runner.account, connection=state)
    told.supervisor.board.tell("connection.broken", "three at once", severity="warning")
