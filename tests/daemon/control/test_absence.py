"""What is said while no daemon answers."""

from __future__ import annotations

import pytest

from daemon.control.absence import Absence
from daemon.control.client import NoDaemon


def test_it_is_said_once_for_each_reason_and_anew_after_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    absence = Absence()
    for words in ("it is just stopping", "refused", "refused", "refused"):
        absence.tell(NoDaemon(words))
    assert capsys.readouterr().err == "copierctl: it is just stopping\ncopierctl: refused\n"
    absence.over()
    absence.tell(NoDaemon("refused"))
    assert capsys.readouterr().err == "copierctl: refused\n"
