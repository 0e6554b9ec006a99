"""What is known of a file before anything is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.init.files import Files

NOBODY = 65534


@contextmanager
def without_rights() -> Iterator[None]:
    """Root, who runs tests in a container, may write anywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_who_may_not_write_there_is_told_before_a_question_is_asked() -> None:
    path = Path("/etc/copierd-test.toml")
    with without_rights(), pytest.raises(PermissionError) as caught:
        Files(path).check(path)
    assert caught.value.filename == str(path)
