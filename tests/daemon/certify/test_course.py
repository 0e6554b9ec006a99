"""What a run says of a broker that keeps to the lists, and of one that could not be brought to show it."""

from __future__ import annotations

import json

from daemon.certify.course import CRITERIA, announcement
from daemon.certify.criteria import Failed, NotTested, Passed
from daemon.certify.trial import Plan
from daemon.simulator import Faults
from tests.daemon.certify.rig import ADDRESSES, CREDENTIALS, PASSWORD, SEC, Stage, certified, faulty, named, verdicts
from tests.simulator.audit import Audit


def test_a_broker_that_keeps_to_the_lists_passes_every_criterion() -> None:
    audit = Audit()
    report = certified(observer=audit)
    assert named(report, Passed) == {criterion.id for criterion in CRITERIA}, report.markdown()
    assert report.passed
    assert report.verdict == f"Verdict: PASSED ({len(CRITERIA)} passed, 0 failed, 0 not tested)"
    assert report.cost == {"sessions": 2, "failed logins": 1, "WebSockets": 6, "REST requests": 9}
    assert [flaw for flaw in audit.flaws if "p-ticket" not in flaw] == []  # a penalty is in nobody's schema


def test_figures_are_virtual_times_beside_their_limits() -> None:
    found = verdicts(certified())
    assert found["2.1.c"] == Passed("held for 20 s")
    assert found["2.2.a"] == Passed("8 heartbeats, the largest gap", 2500.0)
    assert found["2.2.d"] == Passed("ended by the broker (closed: 1001 GOING_AWAY inactivity)", 15000.0)
    assert found["2.4.a"] == Passed("ticket, 1 s, repeated with the ticket: s 200")
    assert found["2.6.c"] == Passed("2 accounts, 1 positions, as before", 0.0)
    assert found["1.3.b"] == Passed("1 for 6 sockets and 6 REST requests")


def test_either_form_of_a_refused_login_is_accepted_and_named() -> None:
    for style, words in (("text", "HTTP 200 with errorText"), ("status", "HTTP 401 with error and message")):
        found = verdicts(certified(faults=Faults(login_style=style)))
        assert found["1.1.d"] == Passed(f"{words}; not tried again")
        assert found["1.4.a"] == Passed(words)


def test_manners_that_the_lists_do_not_forbid_pass() -> None:
    manners = Faults(
        sync_parts=3,
        sync_always_split=True,
        one_message_per_frame=True,
        duplicate_props=1.0,
        entity_arrays=True,
        unknown_events=1.0,
        unknown_fields=True,
        numbers_as_strings=True,
    )
    report = certified(faults=manners)
    assert named(report, Failed) == set(), report.markdown()
    assert verdicts(report)["2.3.b"] == Passed("1 request, 3 answers", 0.0)


def test_at_a_broker_what_cannot_be_provoked_is_not_tested_and_says_why() -> None:
    report = certified(hand=None)
    assert named(report, NotTested) == {"1.3.c", "1.4.c", "2.2.d", "2.2.e", "2.3.a", "2.4.a", "2.5.b"}
    assert named(report, Failed) == set()
    assert report.passed
    assert report.verdict == "Verdict: PASSED (23 passed, 0 failed, 7 not tested)"
    assert report.cost == {"sessions": 1, "failed logins": 1, "WebSockets": 4, "REST requests": 5}
    found = verdicts(report)
    assert (
        found["1.4.c"]
        == found["2.4.a"]
        == NotTested(
            "it cannot be provoked politely at a real broker; copierd certify shows it on environment simulator"
        )
    )
    assert found["2.2.d"] == NotTested("it takes 15 s or more of silence: ask for it with --thorough")


def test_at_a_broker_no_order_is_sent_and_the_token_is_asked_for_once() -> None:
    requests: list[str] = []

    def note(direction: str, transport: str, name: str, status: int | None, payload: object) -> None:
        if direction == "request":
            requests.append(name)

    certified(hand=None, thorough=True, observer=note)
    reads = {"account/list", "user/list", "user/syncrequest"}
    assert set(requests) == {"auth/accesstokenrequest", "auth/renewaccesstoken", *reads}
    assert requests.count("auth/accesstokenrequest") == 2  # one of them with a wrong password
    assert requests.count("user/syncrequest") == 2  # one on each of two sockets
    assert len(requests) < 60


def test_thorough_also_waits_for_the_time_out() -> None:
    report = certified(hand=None, thorough=True)
    assert named(report, NotTested) == {"1.3.c", "1.4.c", "2.3.a", "2.4.a", "2.5.b"}


def test_at_a_broker_events_that_happen_by_themselves_count() -> None:
    def trade(stage: Stage) -> None:
        stage.server.broker.place("LEAD", "Buy", "ESZ6", 2)

    found = verdicts(certified({"2.3.b": trade}, hand=None))  # before the snapshot, which then shows it
    assert found["2.5.b"] == NotTested("nothing happened on this login meanwhile, and certify sends no orders")
    assert found["2.3.a"] == Passed("2 taken twice, 0 pushed again by the broker; 0 facts, no second one")
    found = verdicts(certified({"2.1.c": trade}, hand=None))
    assert found["2.5.b"] == Passed("13 events after the snapshot")
    assert found["2.3.a"] == Passed("13 taken twice, 0 pushed again by the broker; 2 facts, no second one")
    assert found["2.6.c"] == Passed("2 accounts, 1 positions, as before", 0.0)


def test_a_login_without_accounts_cannot_show_updates() -> None:
    report = certified(accounts=())
    assert named(report, NotTested) == {"2.3.a", "2.5.b"}
    assert named(report, Failed) == set()


def test_neither_form_of_the_report_holds_a_secret_even_when_the_broker_quotes_one() -> None:
    secrets: set[str] = {PASSWORD, SEC}

    def note(direction: str, transport: str, name: str, status: int | None, payload: object) -> None:
        if isinstance(payload, dict):
            names = ("accessToken", "mdAccessToken", "p-ticket", "password")
            secrets.update(str(payload[name]) for name in names if name in payload)

    def quote(stage: Stage) -> None:
        token = next(session.token for session in stage.server.live_sockets("apex") if session.token)
        stage.fault(Faults(authorize_words=f'{PASSWORD}|{token.text}"'))

    report = certified({"2.1.b": quote}, observer=note)
    assert len(secrets) > 8
    for text in (report.markdown(), report.json(), repr(report)):
        assert [secret for secret in secrets if secret in text] == []
    figure = verdicts(report)["2.1.b"]
    assert isinstance(figure, Failed)
    assert figure.figure.startswith("i 0, s 401, ***|")


def test_the_report_as_markdown_and_as_json() -> None:
    report = certified({"2.2.d": faulty(Faults(idle_limit=1000.0))})
    lines = report.markdown().splitlines()
    assert lines[0] == "# Tradovate API conformance, stages 1 and 2"
    assert "- cost: sessions 2, failed logins 1, WebSockets 5, REST requests 9" in lines
    assert "| 1.1.c | The login is answered in time | 2000 ms | login: 0 ms | passed |" in lines
    words = "**FAILED**: the broker did not end a connection without heartbeats"
    row = f"| 2.2.d | Without heartbeats the connection ends | 75000 ms | still open: 75000 ms | {words} |"
    assert row in lines
    assert "| 2.2.e | It recovers from that | 10000 ms |  | not tested: it needs 2.2.d |" in lines
    assert lines[-1] == report.verdict == "Verdict: FAILED (28 passed, 1 failed, 1 not tested)"
    data = json.loads(report.json())
    assert data["verdict"] == "failed"
    assert [one["id"] for one in data["criteria"]] == sorted(criterion.id for criterion in CRITERIA)
    (silent,) = (one for one in data["criteria"] if one["id"] == "2.2.d")
    assert silent == {
        "id": "2.2.d",
        "stage": 2,
        "criterion": "Without heartbeats the connection ends",
        "verdict": "failed",
        "figure": "still open",
        "ms": 75000.0,
        "limit_ms": 75000.0,
        "why": "the broker did not end a connection without heartbeats",
    }


def test_what_it_costs_is_said_before() -> None:
    plan = Plan("apex", "demo", ADDRESSES, CREDENTIALS, 20.0)
    words = "\n".join(announcement(plan, staged=False))
    assert "opens 1 session of its own" in words
    assert "1 time with a wrong password on purpose" in words
    assert "sends no order" in words
    assert "without heartbeats" not in words
    assert "without heartbeats" in "\n".join(announcement(plan, staged=True))
