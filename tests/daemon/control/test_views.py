"""What the daemon shows of itself: the keys of the contract, and what each of them says in which state."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
import trio

from daemon.control import views
from daemon.control.evidence import Evidence
from daemon.logins.restraint import Hold
from daemon.logins.tokens import Token
from daemon.supervisor import Supervisor
from statecharts import states as s
from statecharts.book import Book, Contract, Exposure
from statecharts.rules import Drawdown, Limits
from statecharts.standing import Lock, Standing
from statecharts.values import BrokerAccountId, OrderId, Symbol
from statecharts.view import Balance, View
from tests.daemon.control.house import House, house, still
from tests.scenarios.world import SYMBOL

CHICAGO = ZoneInfo("America/Chicago")
NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)

# As the contract's example has them; there may be more of them, and never fewer.
STATUS = {"version", "started_at", "now", "accounts", "logins", "last_stop", "hours", "copies", "latency_ms"}
ACCOUNT = {
    "account", "login", "name", "environment", "role", "state", "colour", "leaf", "since", "reason", "attempt",
    "next_attempt_at", "cause", "remedy", "expected", "until", "copying", "blocked_by", "holding", "orders", "paused",
    "armed", "shadow", "locked", "pending_config", "positions", "unprotected", "quarantined", "limits",
}  # fmt: skip
LOGIN = {
    "login", "user_id", "state", "cause", "token_expires_at", "refresh_expires_at", "password_expires_at",
    "requests_left", "hold_until", "hold_reason", "clock_skew_ms",
}  # fmt: skip
COPY = {
    "id", "copy", "follower", "leader_order_id", "verb", "cl_ord_id", "symbol", "action", "quantity", "order_type",
    "price", "stop_price", "outcome", "reason", "order_id", "decided_at", "sent_at", "answered_at", "latency_ms",
}  # fmt: skip


def shown(supervisor: Supervisor, name: str) -> dict[str, Any]:
    return views.account(supervisor, name, Evidence(supervisor.ledger))


def change(supervisor: Supervisor, name: str, **changes: Any) -> None:
    runner = supervisor.accounts[name].runner
    runner.account = attrs.evolve(runner.account, **changes)


def in_state(supervisor: Supervisor, name: str, state: s.State) -> dict[str, Any]:
    change(supervisor, name, connection=state)
    return shown(supervisor, name)


def test_the_whole_shape_while_all_copy(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as told:
            await told.copying()
            assert (await told.account("f1"))["orders"] == "untested"
            told.server.broker.place("LEAD", "Buy", SYMBOL, 2)
            await _filled(told)
            status = (await told.get("/v1/status")).json()
            assert status.keys() >= STATUS
            assert [account["account"] for account in status["accounts"]] == ["lead", "f1", "f2"]
            for account in status["accounts"]:
                assert account.keys() >= ACCOUNT
                assert (account["state"], account["colour"], account["leaf"]) == ("Connected", "green", "Copying")
                assert (account["copying"], account["blocked_by"], account["holding"]) == (True, [], None)
                assert (account["reason"], account["cause"], account["remedy"]) == (None, None, None)
                assert account["positions"] == {SYMBOL: 2}
            assert [account["orders"] for account in status["accounts"]] == ["untested", "proven", "proven"]
            assert [account["role"] for account in status["accounts"]] == ["leader", "follower", "follower"]
            (login,) = status["logins"]
            assert login.keys() >= LOGIN
            assert (login["state"], login["cause"]) == ("Connected", None)
            assert isinstance(login["user_id"], int) and isinstance(login["clock_skew_ms"], int)
            assert _instant(login["token_expires_at"]) > _instant(status["now"])
            assert status["copies"] == [{"copy": "main", "leader": "lead", "followers": ["f1", "f2"], "mode": "orders"}]
            assert status["latency_ms"]["count"] == 2
            assert 0 < status["latency_ms"]["p50"] <= status["latency_ms"]["p99"] < 1000
            forgotten = attrs.evolve(told.supervisor.accounts["f1"].account, book=Book())
            assert Evidence(told.supervisor.ledger).of_orders(forgotten) == "proven"
            copies = (await told.get("/v1/copies")).json()
            assert copies.keys() == {"copies", "next", "last"}
            assert all(copy.keys() >= COPY for copy in copies["copies"])
            assert all(_instant(copy["decided_at"]) for copy in copies["copies"])

    trio.run(main)


async def _filled(told: House) -> None:
    accounts = told.supervisor.accounts
    await told.until(lambda: all(one.account.book.positions.get(Symbol(SYMBOL)) == 2 for one in accounts.values()))


def _instant(text: str) -> datetime:
    assert text.endswith("Z") and len(text) == len("2026-11-20T14:00:00.000Z")
    return datetime.fromisoformat(text)


def test_an_account_in_full_shows_its_working_orders(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as told:
            await told.copying()
            price = told.server.broker.exchange.last[SYMBOL] - 20
            told.server.broker.place("LEAD", "Buy", SYMBOL, 2, "Limit", price=price)
            await told.until(lambda: len(told.supervisor.ledger.copies(outcome="working")) == 2)
            account = await told.account("f1")
            assert account.keys() >= ACCOUNT
            (order,) = account["working_orders"]
            assert isinstance(order.pop("order_id"), int)
            assert order == {
                "ours": True,
                "symbol": SYMBOL,
                "action": "Buy",
                "status": "Working",
                "quantity": 2,
                "filled": 0,
                "order_type": "Limit",
                "price": float(price),
                "stop_price": None,
            }

    trio.run(main)


def test_nobody_listens_at_the_broker(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path, refusing=True) as told:
            await told.until(lambda: told.supervisor.accounts["f1"].activities.next_attempt_at is not None)
            account = await told.account("f1")
            assert (account["state"], account["colour"], account["leaf"]) == ("Reconnecting", "yellow", "BackingOff")
            assert (account["attempt"], account["cause"], account["expected"]) == (1, "network", False)
            assert 10 < (_instant(account["next_attempt_at"]) - _instant(account["since"])).total_seconds() <= 41
            assert (account["copying"], account["blocked_by"]) == (False, ["reconnecting"])
            assert account["remedy"] == "nothing to do: retrying"
            (login,) = (await told.get("/v1/status")).json()["logins"]
            assert (login["state"], login["cause"], login["token_expires_at"]) == ("Waiting", "network", None)

    trio.run(main)


def test_an_account_before_its_start(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    account = shown(supervisor, "f1")
    assert account.keys() >= ACCOUNT
    assert (account["state"], account["colour"], account["leaf"]) == ("Disconnected", "red", "Stopped")
    assert (account["orders"], account["positions"], account["limits"]) == ("untested", {}, {})
    assert views.login(supervisor, supervisor.logins["apex"])["state"] == "Idle"


@pytest.mark.parametrize(
    ("state", "blocked", "expected"),
    [
        (s.Dialing(since=NOON), "reconnecting", False),
        (s.Maintenance(since=NOON, until=NOON, cause=s.Cause.MAINTENANCE, reason="window"), "reconnecting", True),
        (s.GivenUp(since=NOON, lost_at=NOON, cause=s.Cause.NETWORK), "disconnected", False),
        (s.Unauthorized(since=NOON, cause=s.Cause.CREDENTIALS, reason="bad password"), "token-expired", False),
    ],
)
def test_each_state_says_what_blocks_it(tmp_path: Path, state: s.State, blocked: str, expected: bool) -> None:
    account = in_state(still(tmp_path), "f1", state)
    assert (account["blocked_by"], account["copying"]) == ([blocked], False)
    assert (account["state"], account["leaf"]) == (state.shown, type(state).__name__)
    assert account["expected"] is expected
    assert account["until"] == ("2026-11-20T12:00:00.123Z" if expected else None)
    assert account["since"] == "2026-11-20T12:00:00.123Z"
    assert "ACCOUNT" not in account["remedy"], "the name of the account stands in its place"


def test_a_follower_holds_while_its_leader_is_away(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    change(supervisor, "lead", connection=s.BackingOff(since=NOON, attempt=1))
    account = in_state(supervisor, "f1", s.Copying(since=NOON))
    assert (account["state"], account["holding"]) == ("Connected", "leader lead is Reconnecting")
    assert (account["copying"], account["blocked_by"]) == (False, ["holding"])
    assert shown(supervisor, "lead")["holding"] is None


def test_a_follower_holds_until_it_is_compared(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    change(supervisor, "lead", connection=s.Copying(since=NOON))
    account = in_state(supervisor, "f1", s.Copying(since=NOON))
    assert account["holding"] == "leader lead is not yet compared with f1"


def test_the_operator_s_and_our_own_blocks(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    view = View(BrokerAccountId(1), generation=1)
    book = attrs.evolve(supervisor.accounts["f1"].account.book, mine=view, theirs=view, caught_up=(1, 1))
    change(supervisor, "f1", connection=s.Copying(since=NOON), book=book)
    assert shown(supervisor, "f1")["copying"] is True
    rules = supervisor.accounts["f1"].account.rules
    assert rules.copy is not None
    shadow = attrs.evolve(rules, copy=attrs.evolve(rules.copy, shadow=True))
    change(supervisor, "f1", paused=True, close_only="a bug in copierd: KeyError", rules=shadow)
    account = shown(supervisor, "f1")
    assert account["blocked_by"] == ["paused", "close-only", "shadow"]
    assert (account["copying"], account["paused"], account["shadow"], account["armed"]) == (False, True, True, True)


def test_a_lock_and_how_far_the_limits_are_used_up(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    rules = supervisor.accounts["f1"].account.rules
    assert rules.copy is not None
    limits = Limits(daily_loss=Decimal(500), drawdown=Drawdown(Decimal(1500)))
    change(supervisor, "f1", rules=attrs.evolve(rules, copy=attrs.evolve(rules.copy, limits=limits)))
    unknown = shown(supervisor, "f1")
    assert unknown["limits"] == {
        "daily_loss_limit": {"used": None, "limit": 500.0},
        "trailing_drawdown": {"used": None, "limit": 1500.0},
    }
    assert unknown["locked"] is None
    now = supervisor.ports.wall()
    lock = Lock(limit="daily_loss_limit", why="it is reached", since=now, until=now + timedelta(hours=1), closes=True)
    standing = Standing(
        balance=Balance(Decimal(49_400), Decimal("-600.50"), now),
        equity=Decimal(49_400),
        peak=Decimal(50_000),
        lock=lock,
    )
    change(supervisor, "f1", book=Book(standing=standing))
    locked = shown(supervisor, "f1")
    assert locked["limits"]["daily_loss_limit"] == {"used": 600.5, "limit": 500.0}
    assert locked["limits"]["trailing_drawdown"] == {"used": 600.0, "limit": 1500.0}
    assert locked["locked"] == {
        "limit": "daily_loss_limit",
        "reason": "it is reached",
        "since": views.instant(now),
        "until": views.instant(lock.until),
        "remedy": "copierctl unlock f1",
    }
    assert {"locked", "limits"} <= set(locked["blocked_by"])
    assert shown(supervisor, "lead")["limits"] == {}


def test_what_has_not_changed_is_not_made_again_and_what_has_is_shown_at_once(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    evidence = Evidence(supervisor.ledger)
    clock = [NOON]
    supervisor.ports = attrs.evolve(supervisor.ports, wall=lambda: clock[0])

    def made_anew() -> set[str]:
        """Whose elements are others than those of the last time; all of them are as if made this moment."""
        before = dict(evidence.kept)
        told = json.loads(views.status_text(supervisor, evidence))
        fresh = views.status(supervisor, Evidence(supervisor.ledger))
        assert told == json.loads(json.dumps(fresh))
        return {name for name, one in evidence.kept.items() if one is not before.get(name)}

    assert made_anew() == {"lead", "f1", "f2"}
    assert made_anew() == set()
    change(supervisor, "f1", paused=True)
    assert made_anew() == {"f1"}
    change(supervisor, "f1", connection=s.Copying(since=NOON))
    change(supervisor, "f2", connection=s.Copying(since=NOON))
    assert made_anew() == {"f1", "f2"}
    change(supervisor, "lead", connection=s.BackingOff(since=NOON, attempt=1))
    assert made_anew() == {"lead", "f1", "f2"}, "followers say how their leader is"
    supervisor.accounts["lead"].activities.next_attempt_at = NOON
    assert "lead" in made_anew()
    rules = supervisor.accounts["f2"].account.rules
    assert rules.copy is not None
    limits = Limits(no_open_after=(NOON + timedelta(hours=1)).astimezone(CHICAGO).time())
    change(supervisor, "f2", rules=attrs.evolve(rules, copy=attrs.evolve(rules.copy, limits=limits)))
    made_anew()
    assert "limits" not in evidence.kept["f2"].shown["blocked_by"]  # type: ignore[operator]  # it is a list
    clock[0] = NOON + timedelta(hours=2)
    assert made_anew() == {"f2"}, "what the hour changes is never kept"
    assert "limits" in evidence.kept["f2"].shown["blocked_by"]  # type: ignore[operator]  # it is a list
    supervisor.config = attrs.evolve(supervisor.config)
    assert made_anew() == {"lead", "f1", "f2"}


def test_what_is_somebody_else_s_is_quarantined(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    book = supervisor.accounts["f1"].account.book
    at = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
    theirs = Contract(own=2, foreign=1, foreign_at=at, foreign_order=OrderId(3556122))
    book = book.with_contract(Symbol("MNQZ6"), theirs)
    book = book.with_contract(Symbol("NQZ6"), Contract(own=2, foreign=1, accepted=1))
    change(supervisor, "f1", book=book.with_contract(Symbol("ESZ6"), Contract(own=1)))
    assert shown(supervisor, "f1")["quarantined"] == [
        {
            "symbol": "MNQZ6",
            "ours": 2,
            "theirs": 1,
            "since": "2026-11-20T14:05:00.000Z",
            "order_id": 3556122,
            "remedy": "copierctl release f1 MNQZ6",
        }
    ]


def test_a_position_without_its_stop_says_since_when_and_why(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    at = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
    told = Exposure(since=at, quantity=2, why="stop 5012.25 refused (InvalidPrice)", told=True)
    book = supervisor.accounts["f1"].account.book
    book = book.with_contract(Symbol("MESZ6"), Contract(own=2, exposed=told))
    just_now = attrs.evolve(told, told=False)  # it may be nothing but the order of the broker's events
    change(supervisor, "f1", book=book.with_contract(Symbol("ESZ6"), Contract(own=1, exposed=just_now)))
    assert shown(supervisor, "f1")["unprotected"] == [
        {
            "symbol": "MESZ6",
            "quantity": 2,
            "since": "2026-11-20T14:05:00.000Z",
            "why": "stop 5012.25 refused (InvalidPrice)",
        }
    ]


def test_a_login_says_when_its_password_ends(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    login = supervisor.logins["apex"]
    assert views.login(supervisor, login)["password_expires_at"] is None
    login.tokens.purse.password_expires_at = ends = supervisor.ports.wall() + timedelta(days=90)
    assert views.login(supervisor, login)["password_expires_at"] == views.instant(ends)


def test_a_login_that_the_broker_holds_back_says_until_when(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    login = supervisor.logins["apex"]
    until = supervisor.ports.wall() + timedelta(minutes=1)
    login.tokens.restraint.wait_until(Hold(until, "the broker limits requests (429)"))
    shown = views.login(supervisor, login)
    assert shown["state"] == "Held"
    assert (shown["hold_until"], shown["hold_reason"]) == (views.instant(until), "the broker limits requests (429)")
    login.tokens.restraint.wait_until(Hold(supervisor.ports.wall() - timedelta(seconds=1), "it was"))
    shown = views.login(supervisor, login)
    assert (shown["state"], shown["hold_until"], shown["hold_reason"]) == ("Idle", None, None)
    login.tokens.restraint.wait_until(Hold(until, "the broker limits requests (429)"))
    later = login.gate.budget.limited("the broker limits requests (423)", timedelta(hours=1))
    shown = views.login(supervisor, login)
    assert (shown["hold_until"], shown["hold_reason"]) == (views.instant(later), "the broker limits requests (423)")


def test_while_the_broker_holds_a_login_back_its_next_attempt_is_not_before_the_end_of_that(tmp_path: Path) -> None:
    supervisor = still(tmp_path)
    login, now = supervisor.logins["apex"], supervisor.ports.wall()
    soon, later = now + timedelta(minutes=1), now + timedelta(minutes=10)

    def next_attempt() -> object:
        return shown(supervisor, "f1")["next_attempt_at"]

    login.tokens.restraint.wait_until(Hold(later, "the broker asks to wait (penalty ticket)"))
    assert next_attempt() is None, "nothing is planned"
    supervisor.accounts["f1"].activities.next_attempt_at = soon
    assert next_attempt() == views.instant(later)
    login.tokens.purse.use(Token("invented", now, now + timedelta(hours=1), 1))
    assert next_attempt() == views.instant(soon), "with the token that there is a session may be opened"
    login.tokens.restraint.wait_until(Hold(later, "the broker asks to wait (penalty ticket)", reads=True))
    assert next_attempt() == views.instant(later)
    login.tokens.restraint.wait_until(Hold(now, "it was"))
    login.tokens.purse.drop()
    for _ in range(5):
        login.gate.budget.token_failed()
    in_an_hour = login.gate.budget.tokens_held_until
    assert in_an_hour is not None and in_an_hour > later
    assert next_attempt() == views.instant(in_an_hour)
    last = login.gate.budget.limited("the broker limits requests (423)", timedelta(hours=2))
    assert next_attempt() == views.instant(last)


def test_no_secret_and_no_token_is_shown(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path) as told:
            await told.copying()
            token = told.supervisor.logins["apex"].tokens.current
            assert token is not None
            for path in ("/v1/status", "/v1/accounts/f1", "/v1/copies"):
                text = (await told.get(path)).text
                assert token.text not in text and "canary" not in text

    trio.run(main)
