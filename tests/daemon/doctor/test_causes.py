"""Every known cause, provoked, is named with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.doctor.causes import IDS
from daemon.doctor.report import Report
from daemon.doctor.verdicts import Wrong
from tests.daemon.doctor.clinic import SEC, Clinic, shown, verdict, visit
from tests.daemon.doctor.provocations import CAUSES, PROVOCATIONS, Provocation
from tests.scenarios.world import PASSWORD


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_a_provocation(cause: str) -> None:
    assert cause in {one.cause for one in PROVOCATIONS}


@pytest.mark.parametrize("check", IDS)
def test_every_check_can_fail(check: str) -> None:
    assert check in {one.check for one in PROVOCATIONS}


def test_nothing_is_provoked_that_was_not_promised() -> None:
    assert {one.cause for one in PROVOCATIONS} <= set(CAUSES)
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("one", PROVOCATIONS, ids=lambda one: f"{one.check}: {one.what[:30]}")
def test_a_provoked_cause_is_named_with_its_remedy(one: Provocation, tmp_path: Path) -> None:
    reports: list[Report] = []

    async def story(clinic: Clinic) -> None:
        reports.append(await one.visit(clinic))

    clinic = visit(tmp_path, story, text=one.text, spec=one.spec, faults=one.faults)
    (report,) = reports
    found = verdict(report, one.check)
    assert isinstance(found, Wrong), found
    assert one.what in found.what
    assert one.remedy in found.remedy
    assert not report.well
    text = shown(report)
    for words in (found.what, found.where, found.remedy):
        assert " ".join(words.split()) in text  # in full
    for secret in (PASSWORD, SEC, "tok-", "canary"):
        assert secret not in text + report.json(str) + "".join(clinic.said)
