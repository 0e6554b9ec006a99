"""What doctor can still read of a configuration that the loader refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.doctor.on_machine import _meant
from daemon.doctor.salvage import read
from tests.daemon.configurations import BASE, COPY, FULL
from tests.daemon.doctor.clinic import text_of


def written(directory: Path, text: str) -> Path:
    file = directory / "copier.toml"
    file.write_text(text)
    return file


def test_a_good_file_is_read_as_it_is(tmp_path: Path) -> None:
    file = read(written(tmp_path, FULL))
    assert file.errors == ()
    assert file.config is not None
    assert file.config.reconnect.first_delay.total_seconds() == 1.5


def test_a_number_loses_its_quotes_and_the_rest_stays(tmp_path: Path) -> None:
    file = read(written(tmp_path, text_of(login='cid = "8123"\ncolour = 1\nrequests_per_minute = 2')))
    assert {error.key for error in file.errors} == {
        "logins.apex.cid",
        "logins.apex.colour",
        "logins.apex.requests_per_minute",
    }
    assert file.config is not None
    assert file.config.logins["apex"].cid == 8123
    assert set(file.config.accounts) == {"lead", "f1"}


def test_what_hangs_on_a_lost_table_is_lost_too(tmp_path: Path) -> None:
    text = (BASE + COPY).replace('username = "jane"', "").replace("cid = 8123", "")
    file = read(written(tmp_path, text))
    assert [error.key for error in file.errors] == ["logins.apex.username"]
    assert file.config is not None
    assert set(file.config.logins) == {"sim"}
    assert set(file.config.accounts) == {"toy"}
    assert file.config.copies == ()


@pytest.mark.parametrize("text", ["[logins", "", "logins = 3\naccounts = 4\ncopy = 5", '[daemon]\nlog_level = "loud"'])
def test_nothing_is_too_broken_to_be_looked_at(text: str, tmp_path: Path) -> None:
    file = read(written(tmp_path, text))
    assert file.errors


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = read(tmp_path / "none.toml")
    assert [error.key for error in file.errors] == ["file"]
    assert file.config is None


@pytest.mark.parametrize(
    "product", ["ES", "MES", "M2K", "6A", "E7", "J7", "M6E", "MCD", "ZN", "Z3N", "SR1", "2YY", "10Y"]
)
def test_products_are_not_taken_for_contracts(product: str) -> None:
    assert _meant(product) == ""


@pytest.mark.parametrize(("text", "root"), [("MESZ6", "MES"), ("ESH27", "ES"), ("MNQ1!", "MNQ"), ("6EZ6", "6E")])
def test_contracts_are_told_from_products(text: str, root: str) -> None:
    assert f'the product is "{root}"' in _meant(text)


def test_a_mark_at_the_beginning_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "copier.toml"
    path.write_text(BASE + COPY, encoding="utf-8-sig")
    found = read(path)
    assert found.config is not None and found.tables.keys() >= {"logins", "accounts", "copy"}
