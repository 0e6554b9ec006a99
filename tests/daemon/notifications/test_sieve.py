"""What passes, what is one message, and what is told by nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from daemon.bulletins import Bulletin
from daemon.config import Notify
from daemon.notifications.sieve import GATHER, Sieve
from tests.daemon.notifications.bulletins import broken, bulletin, fixed


def sieve(**keys: Any) -> Sieve:
    return Sieve(Notify(url="https://h/", **keys), lambda names: f"{len(names)} looked at")


def events(told: list[Bulletin]) -> list[str]:
    return [one.event for one in told]


def test_what_is_told_is_at_least_as_severe_and_an_event_of_the_contract() -> None:
    one = sieve()
    assert one.hear(bulletin("copy.placed", severity="info"), 0) == []
    assert events(one.hear(bulletin("copy.failed"), 0)) == ["copy.failed"]
    assert sieve(min_severity="info").hear(bulletin("operator.asked"), 0) == []
    assert sieve(min_severity="info").hear(bulletin("state", severity="info"), 0) == []
    assert sieve(min_severity="page").hear(bulletin("copy.failed"), 0) == []
    assert events(sieve(min_severity="page").hear(bulletin("copy.failed", severity="page"), 0)) == ["copy.failed"]


def test_chosen_events_still_need_the_severity() -> None:
    one = sieve(events=("copy.failed", "copy.placed"))
    assert events(one.hear(bulletin("copy.failed"), 0)) == ["copy.failed"]
    assert one.hear(bulletin("copy.skipped"), 0) == []
    assert one.hear(bulletin("copy.placed", severity="info"), 0) == []


def test_one_account_s_outage_is_told_when_it_lasts_in_its_own_words() -> None:
    one, lost, back = sieve(), broken(), fixed()
    assert one.next_due == float("inf")
    assert one.hear(lost, 5) == []
    assert one.next_due == 15
    assert one.due(14.9) == []
    assert one.due(15) == [lost]
    assert one.due(16) == [] and one.next_due == float("inf")
    assert one.hear(broken(state="Disconnected", reason="given up"), 300) == []
    assert one.due(400) == []
    assert one.hear(back, 500) == [back]
    assert one.hear(fixed(), 501) == []


def test_an_outage_that_ended_before_after_is_never_told() -> None:
    one = sieve()
    one.hear(broken(), 0)
    assert one.hear(fixed(), 9.9) == []
    assert one.due(100) == []
    one.hear(broken(), 200)  # the next one counts from its own beginning
    assert one.next_due == 210


def test_accounts_of_a_login_are_one_message_and_those_of_another_login_are_another() -> None:
    one = sieve()
    for number, name in enumerate(("a", "b", "c", "d", "e")):
        one.hear(broken(name, remedy=f"then: copierctl reconnect {name}"), number / 10)
    one.hear(broken("x", login="fund"), 1)
    first, second = one.due(20)
    assert (first.account, first.accounts, second.account) == (None, ("a", "b", "c", "d", "e"), "x")
    assert first.detail == (
        "apex: connection lost 12:00:00 UTC. 5 accounts of login apex do not copy (closed): a, b, c and 2 more. "
        "5 looked at"
    )
    assert first.remedy == "then: copierctl reconnect a"  # one dial serves them all
    ends = [told for name in ("a", "b", "c", "d", "e") for told in one.hear(fixed(name), 30)]
    assert [told.accounts for told in ends] == [("a", "b", "c", "d", "e")]
    assert (
        ends[0].detail
        == "apex: connected again 12:00:00 UTC. 5 accounts were read anew and copy again: a, b, c and 2 more"
    )


def test_with_after_0_the_accounts_of_a_login_are_still_gathered() -> None:
    one = sieve(after=timedelta(0))
    one.hear(broken("a"), 0)
    one.hear(broken("b"), 0.1)
    assert one.next_due == GATHER
    (told,) = one.due(GATHER)
    assert told.accounts == ("a", "b")


def test_a_page_is_told_at_once_and_its_end_as_well() -> None:
    one = sieve()
    bug = broken(severity="page", cause="bug")
    assert one.hear(bug, 0) == [bug]
    again = broken(severity="page", cause="bug")
    assert one.hear(again, 1) == [again]
    assert one.due(100) == []
    assert events(one.hear(fixed(), 101)) == ["connection.fixed"]


@pytest.mark.parametrize("told_before", [False, True])
def test_inside_a_maintenance_window_nothing_begins_and_what_was_told_still_ends(told_before: bool) -> None:
    one = sieve()
    assert one.hear(broken(cause="maintenance", severity="info"), 0) == []
    one.hear(broken(), 1)
    if told_before:
        one.due(50)
    window = bulletin("state", severity="info", state="Reconnecting", cause="maintenance")
    assert one.hear(window, 60) == []
    assert one.due(100) == []
    assert events(one.hear(fixed(), 101)) == (["connection.fixed"] if told_before else [])


def test_a_leader_lost_inside_a_window_is_not_told() -> None:
    one = sieve(min_severity="info")
    assert one.hear(bulletin("leader.lost", "lead", cause="maintenance"), 0) == []
    assert one.due(100) == []
    assert one.hear(bulletin("leader.back", "lead", "info"), 101) == []


def test_a_leader_is_lost_and_back_once() -> None:
    one = sieve()
    one.hear(bulletin("leader.lost", "lead"), 0)
    assert one.hear(bulletin("leader.back", "lead", "info"), 5) == []  # a blip
    one.hear(bulletin("leader.lost", "lead"), 10)
    assert events(one.due(20)) == ["leader.lost"]
    assert events(one.hear(bulletin("leader.back", "lead", "info"), 30)) == ["leader.back"]
    assert one.hear(bulletin("leader.back", "lead", "info"), 31) == []


def test_what_the_operator_disconnects_is_told_as_news_and_is_no_outage() -> None:
    one = sieve(min_severity="info")
    asked = broken(cause="operator", state="Disconnected", severity="info")
    assert one.hear(asked, 0) == [asked]
    assert one.hear(broken(cause="operator", severity="info"), 1) == []  # read anew: not even disconnected
    assert one.due(100) == [] and one.hear(fixed(), 101) == []
    assert sieve().hear(asked, 0) == []


def test_an_account_that_the_operator_disconnects_leaves_the_outage_of_its_login() -> None:
    one = sieve()
    one.hear(broken("a"), 0)
    one.hear(broken("b"), 0)
    assert len(one.due(10)) == 1
    one.hear(broken("b", cause="operator", state="Disconnected", severity="info"), 20)
    assert events(one.hear(fixed("a"), 30)) == ["connection.fixed"]


def test_trouble_of_an_account_s_own_does_not_keep_its_login_s_outage_open() -> None:
    one = sieve()
    one.hear(broken("a"), 0)
    one.hear(broken("b"), 0)
    one.due(10)
    missing = broken("b", cause="credentials", state="Disconnected")
    one.hear(missing, 20)
    assert events(one.hear(fixed("a"), 21)) == ["connection.fixed"]
    assert one.due(30) == [missing]
    assert events(one.hear(fixed("b"), 40)) == ["connection.fixed"]


def test_a_refused_credential_is_told_once_for_the_login_and_so_is_its_end() -> None:
    one = sieve()
    refused = bulletin("token.refused", None)
    assert one.hear(bulletin("token.refused", "a"), 0) == []
    assert one.hear(refused, 0) == [refused]
    assert one.hear(bulletin("token.refused", "b"), 0) == []
    assert one.hear(bulletin("token.refused", None), 5) == []
    assert one.due(100) == []
    assert one.hear(fixed("a"), 200) == []
    assert events(one.hear(fixed("b"), 200)) == ["connection.fixed"]
    assert events(one.hear(bulletin("token.refused", None), 300)) == ["token.refused"]


def test_a_token_that_cannot_be_renewed_is_told_once_until_it_is() -> None:
    one = sieve()
    assert events(one.hear(bulletin("token.expiring", None), 0)) == ["token.expiring"]
    assert one.hear(bulletin("token.expiring", None), 60) == []
    assert events(one.hear(bulletin("token.expiring", None, login="fund"), 60)) == ["token.expiring"]
    one.hear(bulletin("token.renewed", None, "info"), 90)
    assert events(one.hear(bulletin("token.expiring", None), 5000)) == ["token.expiring"]
    assert sieve(min_severity="page").hear(bulletin("token.expiring", None), 0) == []


def test_who_chose_only_the_beginnings_is_told_no_ends() -> None:
    one = sieve(events=("connection.broken",))
    one.hear(broken(), 0)
    assert events(one.due(10)) == ["connection.broken"]
    assert one.hear(fixed(), 20) == []


def test_who_is_told_of_pages_only_has_no_outages() -> None:
    one = sieve(min_severity="page")
    assert one.hear(broken(), 0) == []
    assert one.due(1000) == [] and one.hear(fixed(), 1001) == []
