"""What an examination asks, and above all what it does not."""

from __future__ import annotations

import socket
from collections import Counter
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
import trio

from daemon.doctor.facts import Knock
from daemon.doctor.offline import held
from daemon.doctor.online import CANCEL, NO_ORDER, TRIAL, knocked
from daemon.doctor.report import Report
from daemon.doctor.verdicts import Unknown, Well, Wrong
from daemon.ledger import Ledger, LedgerError
from daemon.logins.budget import Budget
from daemon.ports import Ports
from daemon.simulator import Faults
from daemon.state_lock import StateLock
from tests.daemon.doctor.clinic import ADDRESSES, ARMED, LIVE, SPEC, Clinic, shown, text_of, verdict, visit, wrong
from tests.scenarios.world import now


def test_all_is_well_at_a_healthy_broker(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        report = await clinic.examined()
        assert wrong(report) == set()
        assert report.counted["unknown"] == 0, shown(report)
        assert report.well
        assert "doctor: nothing is wrong" in shown(report)

    visit(tmp_path, story, faults=Faults(missing_order="not_found"))


def test_all_is_well_on_live_after_an_order_was_accepted(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        clinic.change(devices=None)
        await clinic.traded()
        report = await clinic.examined()
        assert wrong(report) == set()
        assert report.counted["unknown"] == 0, shown(report)

    visit(tmp_path, story, text=ARMED, faults=Faults(live=True))


def test_offline_makes_no_connection_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        report = await clinic.examined(offline=True)
        assert report.well
        assert "The broker was not asked (--offline)." in shown(report)
        assert clinic.network.connects == []
        assert clinic.server.calls == Counter()

    visit(tmp_path, story)
    assert [one.name for one in tmp_path.iterdir()] == ["copier.toml"]


def test_what_is_sent_makes_and_changes_no_order(tmp_path: Path) -> None:
    """On live, with an order of a person working there: all that is asked is said before, and nothing moves."""

    async def story(clinic: Clinic) -> None:
        clinic.broker.place("F1", "Buy", "ESZ6", 1, "Limit", price=clinic.broker.exchange.last["ESZ6"] - 100)
        before = [dict(row.entity) for kind in ("order", "command") for row in clinic.broker.entities.rows(kind)]
        requests: dict[str, object] = {}

        def note(direction: str, transport: str, name: str, status: int | None, payload: object) -> None:
            if direction == "request" and name.startswith("order/"):
                requests[name] = payload

        clinic.server.observer = note
        report = await clinic.examined()
        assert "cannot be told" in report.last_line
        after = [dict(row.entity) for kind in ("order", "command") for row in clinic.broker.entities.rows(kind)]
        assert after == before
        assert len(clinic.broker.accepted) == 1
        calls = clinic.server.calls
        assert {name for name in calls if not name.endswith("/list")} == {
            "auth/accesstokenrequest",
            CANCEL,
            TRIAL,
        }
        account = clinic.broker.account_ids["LEAD"]
        assert requests == {
            "order/list": {},
            CANCEL: {"orderId": 2**63 - 1, "isAutomated": True},
            TRIAL: {"accountId": account, "orders": []},
        }
        assert clinic.server.sockets_opened == 0  # no socket, so no snapshot either
        explanation = clinic.said[-1]
        assert f"a cancel of order {NO_ORDER}" in explanation
        assert "a dry run of an empty list" in explanation
        assert "Whether the device is approved shows only in a real order" in explanation

    visit(tmp_path, story, text=ARMED, faults=Faults(live=True))


def test_no_explanation_where_nothing_is_live(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        await clinic.examined()
        assert clinic.said == [
            "login apex: there is no valid token; one is asked for, which the daemon will go on with."
        ]

    visit(tmp_path, story)


def test_a_kept_token_is_used_again(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        await clinic.examined()
        await clinic.examined()
        assert clinic.server.token_requests["jane"] == 1
        await clinic.traded()  # and the daemon goes on with it
        assert clinic.server.token_requests["jane"] == 1

    visit(tmp_path, story)


def test_a_token_is_borrowed_while_a_daemon_runs(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        await clinic.examined()
        asked = clinic.server.token_requests["jane"]
        with StateLock.taken(clinic.state):
            report = await clinic.examined()
            assert clinic.server.token_requests["jane"] == asked
            assert isinstance(verdict(report, "account-name"), Well)
            assert verdict(report, "control-socket") == Wrong(
                f"a copierd holds {clinic.state}, and none answers here",
                str(clinic.directory / "run" / "s"),
                "name the socket of that one with control_socket in [daemon]; if it is stuck: "
                "systemctl restart copierd",
            )
            clinic.server.expire_tokens("apex")
            await trio.sleep(2 * 3600)
            report = await clinic.examined()
            found = verdict(report, "account-name")
            assert isinstance(found, Unknown)
            assert "the running daemon has no valid token just now" in found.why
            assert clinic.server.token_requests["jane"] == asked
        assert clinic.server.renewals["jane"] == 0

    visit(tmp_path, story)


def test_the_ledger_of_a_running_daemon_is_only_read(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "ledger.sqlite").close()
    with StateLock.taken(tmp_path), held(tmp_path, make=True) as holding:
        assert holding.state.held
        assert not holding.writable
        assert holding.ledger is not None
        with pytest.raises(LedgerError):
            holding.ledger.keep_fact("a", "b")


def test_a_refused_credential_is_not_tried_again(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        for _ in range(3):
            report = await clinic.examined()
            assert "the broker refused the login" in shown(report)
        assert "the broker refused the login" in shown(await clinic.examined(offline=True))
        assert clinic.server.token_requests["jane"] == 1
        assert len(clinic.said) == 1

    visit(tmp_path, story, spec=attrs.evolve(SPEC, password="another"))


def test_no_token_is_asked_for_by_a_configuration_with_errors(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        report = await clinic.examined()
        assert isinstance(verdict(report, "cid"), Wrong)
        assert isinstance(verdict(report, "reachability"), Well)  # what can be looked at is
        found = verdict(report, "account-name")
        assert isinstance(found, Unknown)
        assert "a configuration with errors" in found.why
        assert clinic.server.token_requests == Counter()
        clinic.write(text_of())
        await clinic.examined()
        clinic.write(text_of(login='cid = "8123"'))
        assert isinstance(verdict(await clinic.examined(), "account-name"), Well)  # a kept token is good enough
        assert clinic.server.token_requests["jane"] == 1

    visit(tmp_path, story, text=text_of(login='cid = "8123"'))


def test_a_device_that_has_changed_is_told_until_an_order_was_accepted_or_it_is_put_back(tmp_path: Path) -> None:
    def with_device(name: str) -> str:
        return ARMED.replace("cid = 8123", f'cid = 8123\ndevice_id = "{name}"')

    async def changed(clinic: Clinic) -> bool:
        return "device-changed" in wrong(await clinic.examined())

    async def story(clinic: Clinic) -> None:
        assert not await changed(clinic)
        clinic.write(with_device("two"))
        assert await changed(clinic)
        await trio.sleep(1)
        assert await changed(clinic)
        clinic.write(with_device("one"))
        assert not await changed(clinic)
        clinic.write(with_device("two"))
        assert await changed(clinic)
        await trio.sleep(1)
        await clinic.traded()
        assert not await changed(clinic)
        assert not await changed(clinic)

    visit(tmp_path, story, text=with_device("one"), faults=Faults(live=True))


@pytest.mark.parametrize(
    ("missing_order", "kind", "words"),
    [
        ("not_found", Well, "the broker has looked for an order to cancel"),
        ("denied", Unknown, "Look whether the API key has Orders: Full Access"),
    ],
)
def test_what_a_cancel_of_no_order_tells(missing_order: str, kind: type, words: str, tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        found = verdict(await clinic.examined(), "order-permission")
        assert isinstance(found, kind)
        assert words in str(found)

    visit(tmp_path, story, faults=Faults(missing_order=missing_order))


def test_on_live_the_approval_of_the_device_stays_unknown_until_an_order(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        report = await clinic.examined()
        found = verdict(report, "device-approval")
        assert isinstance(found, Unknown)
        assert "shows only in a real order" in found.why

    visit(tmp_path, story, text=text_of(environment=LIVE), faults=Faults(live=True, missing_order="not_found"))


def test_one_login_alone(tmp_path: Path) -> None:
    extra = '[logins.fund]\nenvironment = "test"\nusername = "joe"\n'

    async def story(clinic: Clinic) -> None:
        report = await clinic.examined(login="apex")
        assert [one.title for one in report.sections][-1] == "login apex on test"
        assert len(report.sections) == 3
        assert clinic.server.token_requests["joe"] == 0
        both = await clinic.examined()
        assert [one.title for one in both.sections][-2:] == ["login apex on test", "login fund on test"]

    visit(tmp_path, story, text=text_of(extra=extra))


def test_a_broker_that_wants_no_requests_is_left_alone(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        await clinic.examined()
        ledger = clinic.ledger()
        Budget(now, ledger).limited("HTTP 429", timedelta(minutes=10))
        ledger.close()
        before = clinic.server.calls.copy()
        found = verdict(await clinic.examined(), "account-name")
        assert isinstance(found, Unknown)
        assert "wants no requests before 15:10:00 UTC" in found.why
        assert clinic.server.calls == before, "nobody is greeted either"
        await trio.sleep(601)
        assert isinstance(verdict(await clinic.examined(), "account-name"), Well)

    visit(tmp_path, story)


def test_after_a_429_nothing_more_is_asked(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        await clinic.examined()
        clinic.server.throttle("apex", 60)
        before = clinic.server.calls.copy()
        await clinic.examined()
        assert clinic.server.calls - before == Counter({"user/list": 1})

    visit(tmp_path, story)


def test_nobody_is_asked_where_nobody_answers(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        clinic.network.refusing = True
        report = await clinic.examined()
        assert wrong(report) == {"reachability"}
        found = verdict(report, "account-name")
        assert isinstance(found, Unknown)
        assert "does not answer" in found.why
        assert clinic.said == []

    visit(tmp_path, story)


def test_a_host_that_refuses_is_told_in_the_system_s_words() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        found = trio.run(knocked, Ports.real().network, f"http://{place}/v1")
    assert found == Knock(place, "connection", "Connection refused")


def test_a_lock_that_does_not_answer_over_the_socket_leaves_the_simulated_broker_alone(tmp_path: Path) -> None:
    """The broker inside of a running copierd cannot be reached from here, and that is no trouble."""
    text = text_of(environment=ADDRESSES).replace('environment = "test"', 'environment = "simulator"')

    async def story(clinic: Clinic) -> None:
        clinic.ledger().close()
        with StateLock.taken(clinic.state):
            found = verdict(await clinic.examined(), "account-name")
            assert isinstance(found, Unknown)
            assert "inside the running copierd" in found.why
        assert clinic.network.connects == []

    visit(tmp_path, story, text=text)


def test_an_unreadable_ledger_is_told_and_no_token_is_asked_for(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        clinic.state.mkdir()
        (clinic.state / "ledger.sqlite").write_text("no database " * 1000)
        report: Report = await clinic.examined()
        assert isinstance(verdict(report, "state-directory"), Wrong)
        assert isinstance(verdict(report, "account-name"), Unknown)
        assert clinic.server.token_requests == Counter()

    visit(tmp_path, story)


def test_orders_of_our_own_are_no_second_copier(tmp_path: Path) -> None:
    async def story(clinic: Clinic) -> None:
        await clinic.traded()
        assert clinic.broker.positions("F1") == {"ESZ6": 1}
        assert isinstance(verdict(await clinic.examined(), "second-copier"), Well)

    visit(tmp_path, story)


def test_a_login_on_a_host_of_its_own_is_asked_there(tmp_path: Path) -> None:
    """The daemon has learned the host; doctor finds it in the ledger, and finds nothing wrong."""

    async def story(clinic: Clinic) -> None:
        clinic.fault(dedicated="https://demo-7.broker.test")
        await clinic.traded()
        clinic.network.asked.clear()
        report = await clinic.examined()
        assert "account-name" not in wrong(report)
        with_token = [url for url in clinic.network.asked if "demo-7" in url]
        assert with_token and any(url.endswith("account/list") for url in with_token)

    hosts = ADDRESSES.replace("http://127.0.0.1:1", "https://demo.broker.test")
    visit(tmp_path, story, text=text_of(environment=hosts.replace("ws://127.0.0.1:1", "wss://demo.broker.test")))
