"""/metrics, /v1/why and /v1/report, over the real socket of a daemon that has copied something."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from daemon.control import words
from statecharts import effects as f
from statecharts import events as e
from tests.daemon.control.house import House, house
from tests.daemon.control.test_app import problem
from tests.daemon.test_ctl import Terminal
from tests.scenarios.world import PASSWORD, SYMBOL
from tests.statecharts.samples import busy, events

Json = dict[str, Any]


def copied(tmp_path: Path, story: Callable[[House, Terminal], Awaitable[None]]) -> None:
    """The leader has bought 2, and f1 and f2 have followed."""

    async def main() -> None:
        async with house(tmp_path) as told:
            await told.copying()
            told.server.broker.place("LEAD", "Buy", SYMBOL, 2)
            await told.until(lambda: all(_settled(one.account) for one in told.supervisor.accounts.values()))
            await story(told, Terminal(told))

    trio.run(main)


def _settled(account: Any) -> bool:
    return bool(account.book.positions) and all(not copy.open for copy in account.book.copies.values())


async def _copy(told: House, follower: str) -> Json:
    (row,) = (await told.get(f"/v1/copies?follower={follower}")).json()["copies"]
    assert isinstance(row, dict)
    return row


def test_metrics_are_what_prometheus_reads(tmp_path: Path) -> None:
    async def story(told: House, terminal: Terminal) -> None:
        answer = await told.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        found = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
        assert found["copierd_account_state", "f1", "apex", "follower", "Connected"] == 1
        assert found["copierd_account_state", "f1", "apex", "follower", "TokenExpired"] == 0
        assert found["copierd_position_contracts", "f2", SYMBOL] == 2
        assert found["copierd_events_total", "copy.placed", "info"] == 2
        assert found["copierd_account_crashes_total",] == 0
        assert found["copierd_send_seconds", "0.5"] > 0
        assert found["process_resident_memory_bytes",] > 0
        assert found["copierd_login_requests_left", "apex"] > 0
        as_json = json.loads((await terminal.type("metrics", "--json")).out)
        assert as_json[f'copierd_position_contracts{{account="f2",symbol="{SYMBOL}"}}'] == 2
        plain = await terminal.type("metrics")
        assert plain.out.startswith("# HELP copierd_info ")
        assert "copierd_account_blocked" in plain.out

    copied(tmp_path, story)


def test_why_tells_the_chain_of_a_copy_an_order_and_the_leaders_order(tmp_path: Path) -> None:
    async def story(told: House, terminal: Terminal) -> None:
        row = await _copy(told, "f1")
        whole = (await told.get(f"/v1/why/{row['leader_order_id']}")).json()
        assert {one["follower"] for one in whole["copies"]} == {"f1", "f2"}
        mine = (await told.get(f"/v1/why/{row['id']}")).json()
        by_order = (await told.get(f"/v1/why/{row['order_id']}")).json()
        assert mine["copies"] == by_order["copies"] == [row] and mine["chain"] == by_order["chain"]
        chain = mine["chain"]
        assert set(chain[0]) >= {"at", "account", "state", "event", "effects", "request", "answer", "ms"}
        assert [link["at"] for link in chain] == sorted(link["at"] for link in chain)
        assert chain[0]["account"] == "lead" and chain[0]["effects"] == ["tell the followers"]
        (asked,) = [link for link in chain if link["request"]]
        assert asked["account"] == "f1" and f"place Buy 2 {SYMBOL} Market" in asked["request"]
        answers = [link["answer"] for link in chain if link["answer"]]
        assert answers == [f"the broker has taken it: order {row['order_id']}"]
        assert {link["account"] for link in chain} == {"lead", "f1"}
        shown = await terminal.type("why", row["id"])
        assert shown.status == 0 and "the broker has taken it" in shown.out and "-> place Buy 2" in shown.out
        assert json.loads((await terminal.type("why", row["id"], "--json")).out) == mine

    copied(tmp_path, story)


def test_why_nothing_was_copied_is_told_as_well(tmp_path: Path) -> None:
    async def story(told: House, terminal: Terminal) -> None:
        await told.post("/v1/accounts/f1/pause")
        number = told.server.broker.place("LEAD", "Buy", SYMBOL, 1)
        await told.until(lambda: any(c.leader_order_id == number for c in _book(told, "f1").copies.values()))
        row = next(one for one in (await told.get("/v1/copies?follower=f1")).json()["copies"])
        assert row["outcome"] == "skipped"
        chain = (await told.get(f"/v1/why/{row['id']}")).json()["chain"]
        assert not any(link["request"] for link in chain)
        assert any("not copied" in effect for link in chain for effect in link["effects"])

    copied(tmp_path, story)


def _book(told: House, name: str) -> Any:
    return told.supervisor.accounts[name].account.book


def test_why_of_nothing_is_refused_in_words(tmp_path: Path) -> None:
    async def story(told: House, terminal: Terminal) -> None:
        for unknown in ("4711", "cpd-nothing", "%27%20OR%201", "9" * 40):
            assert "is no copy" in problem(await told.get(f"/v1/why/{unknown}"), 404)
        done = await terminal.type("why", "4711")
        assert done.status == 1 and "copierctl copies" in done.err

    copied(tmp_path, story)


@pytest.mark.parametrize("event", events(), ids=lambda event: type(event).__name__)
def test_every_event_has_words(event: e.Event) -> None:
    said = words.event(event)
    assert said and len(said) <= words.LONGEST and type(event).__name__ not in said


def test_every_effect_has_words() -> None:
    desk = busy()
    told = {type(one): words.effect(one) for one in desk.everything}
    assert f.PlaceOrder in told and all(told.values())


def test_events_are_shown_and_followed(tmp_path: Path) -> None:
    async def story(told: House, terminal: Terminal) -> None:
        shown = await terminal.type("events", "--limit", "500")
        assert shown.status == 0 and "copy.placed" in shown.out and f"f1: Buy 2 {SYMBOL} Market" in shown.out
        as_json = json.loads((await terminal.type("events", "--json")).out)["events"]
        assert as_json[-1]["id"] == told.supervisor.board.last_id

        async def later() -> None:
            await trio.sleep(0.5)
            told.supervisor.board.tell("token.expiring", "soon", severity="warning", remedy="do it", login="apex")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(later)
            seen = await terminal.watch("events", "--follow", "--limit", "1", until=lambda out: "soon" in out)
        assert seen.splitlines()[-1].endswith("soon. Do it")

    copied(tmp_path, story)


def test_a_report_holds_what_support_needs_and_no_secret(tmp_path: Path) -> None:
    async def story(told: House, terminal: Terminal) -> None:
        token = told.supervisor.logins["apex"].tokens.current
        assert token is not None
        config = told.directory / "copier.toml"
        config.write_text(f"# a careless note: {PASSWORD}\n# {token.text}\n")
        told.supervisor.config_path = config
        told.supervisor.board.tell("daemon.bug", f"a message with {token.text} in it")
        file = tmp_path / "report.tar.gz"
        done = await terminal.type("report", "-o", str(file))
        assert done.status == 0, done.err
        assert file.stat().st_mode & 0o777 == 0o600
        with tarfile.open(file) as found:
            files = {one.name.removeprefix("copierd-report/"): _text(found, one) for one in found.getmembers()}
        assert set(files) >= {"status.json", "copier.toml", "copies.json", "turns.txt", "events.json", "here.json"}
        assert {"accounts/lead.json", "accounts/f1.json", "accounts/f2.json"} <= set(files)
        assert f"place Buy 2 {SYMBOL} Market" in files["turns.txt"]
        assert "careless note: ***" in files["copier.toml"]
        whole = "".join(files.values())
        assert PASSWORD not in whole and token.text not in whole
        again = await terminal.type("report", "-o", str(file))
        assert again.status == 1 and "-o" in again.err, "what is there is not written over"

    copied(tmp_path, story)


def _text(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    file = archive.extractfile(entry)
    assert file is not None
    return file.read().decode()
