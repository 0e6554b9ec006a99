"""A second login in the same file: whose accounts follow, and when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from daemon.config import Config, loads
from daemon.init import answers, further, lookup
from daemon.init.draft import Draft
from daemon.init.files import Files
from daemon.init.interview import Interview
from daemon.init.terminal import Terminal
from daemon.init.wish import Wish
from daemon.tradovate.answers import Credentials

T = TypeVar("T")
ACCOUNTS = {"jane": ("A-1",), "bob": ("B-1", "B-2")}


class Person(Terminal):
    """Answers each question with the first of his answers that is to it, else by default."""

    def __init__(self, *known: tuple[str, str]) -> None:
        self.answers = list(known)
        self.asked: list[str] = []

    def text(self, words: str, parse: Callable[[str], T], default: str | None = None) -> T:
        self.asked.append(words)
        found = next((one for one in self.answers if one[0] in words), None)
        if found is not None:
            self.answers.remove(found)
        answer = default if found is None else found[1]
        assert answer is not None, words
        return parse(answer)

    def hidden(self, words: str, *, needed: bool = True) -> str:
        return "any"


def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, person: Person, wish: Wish) -> tuple[Draft, Config]:
    def accounts_at(draft: Draft, credentials: Credentials) -> tuple[str, ...]:
        return ACCOUNTS[credentials.username]

    monkeypatch.setattr(lookup, "accounts_at", accounts_at)
    path = tmp_path / "copier.toml"
    draft, written = further.held(Interview(Files(path, tmp_path / "secrets"), wish, person, {}))
    assert len(written) == len(draft.all), "a password each"
    return draft, loads(draft.text(), path)


def test_who_leads_may_have_one_account_and_followers_of_another_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(("Username", "jane"), ("Username", "bob"), ("Which one leads", "1"), ("Which ones follow", "all"))
    draft, config = told(tmp_path, monkeypatch, person, Wish())
    assert draft.followers == () and [one.login for one in config.logins.values()] == ["jane", "bob"]
    (copy,) = config.copies
    assert [config.accounts[one.account].name for one in copy.followers] == ["B-1", "B-2"]
    assert config.accounts[copy.leader].name == "A-1"
    assert not any(config.armed(one.account) for one in copy.followers)
    assert draft.text().count("# Who logs in.") == 1 == draft.text().count("# armed = true"), "explained once"
    assert len([words for words in person.asked if "Another login" in words]) == 1, "the second was needed"


def test_each_login_has_its_own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Wish(environment="here", rest="https://h/v1", websocket="wss://h/ws", username="bob")
    person = Person(
        ("Which one leads", "1"), ("Which ones follow", "all"), ("Another login", "y"), ("Environment", "demo")
    )
    person.answers += [("Username", "jane"), ("Which ones follow", "1")]
    draft, config = told(tmp_path, monkeypatch, person, here)
    shadows = {one.account: (one.shadow, config.armed(one.account)) for one in config.copies[0].followers}
    assert shadows == {"b-2": (True, True), "a-1": (False, False)}
    assert [one.release for one in draft.all] == ["shadow = false", "armed = true"]


def test_an_account_is_named_once() -> None:
    parse = answers.followers("", ("B-1", "B-2"), frozenset({"B-1"}))
    assert [name for name, _ in parse("all")] == ["B-2"]
    with pytest.raises(ValueError, match="B-1 is there already"):
        parse("B-1 B-2")


def test_two_logins_do_not_share_a_variable_of_the_environment() -> None:
    with pytest.raises(ValueError, match="another than a-b"):
        answers.another_name(["a-b"])("a_b")
    assert answers.another_name(["a-b"])("ab") == "ab"
