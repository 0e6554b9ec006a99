"""copier.toml: what is refused, on which line and with which remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import places
from daemon.config import ConfigErrors, load, loads
from daemon.reloading import Lines
from tests.daemon.configurations import BASE, COPY, FULL, errors_of, told_of


def test_all_errors_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = '[daemon]\nlog_levl = "info"\n' + BASE.replace("8123", '"8123"') + COPY.replace("eval1", "evil1")
    with pytest.raises(ConfigErrors) as caught:
        loads(text, "/etc/copierd/copier.toml")
    assert str(caught.value).splitlines() == [
        "/etc/copierd/copier.toml:2: daemon.log_levl: unknown key. Did you mean log_level?",
        "/etc/copierd/copier.toml:7: logins.apex.cid: '8123' is a number in quotes. Write it without quotes: 8123.",
        "/etc/copierd/copier.toml:28: copy[0].followers[0].account: unknown account 'evil1'. Did you mean eval1?",
    ]


@pytest.mark.parametrize(
    ("line", "key", "words"),
    [
        ('ratio = "1"', "ratio", "not a number"),
        ("ratio = 0", "ratio", "other than 0"),
        ("ratio = nan", "ratio", "not a number to calculate with"),
        ("ratio = inf", "ratio", "not a number to calculate with"),
        ("ratio = 1e999999", "ratio", "not a number to calculate with"),
        ("ratio = 1e99999999999999999999", "ratio", "not a number to calculate with"),
        ("ratio = -2", "ratio", "Add inverse = true"),
        ("ratio = true", "ratio", "not a number"),
        ("inverse = true", "inverse", "needs a negative ratio"),
        ("max_order = 0", "max_order", "at least 1"),
        ("max_order = 1.5", "max_order", "a whole number"),
        ("max_position = true", "max_position", "a whole number"),
        ('map = { ES = { to = "MES" } }', "map.ES.factor", "required and missing"),
        ('map = { ES = { to = "MES", factor = 0 } }', "map.ES.factor", "above 0"),
        ('runaway = { orders = 1, per = "0s" }', "runaway.per", "longer than 0"),
        ("daily_loss_limit = -5", "daily_loss_limit", "above 0"),
        ('trailing_drawdown = { amount = 5, basis = "intrady" }', "trailing_drawdown.basis", "Did you mean intraday?"),
        ('flat_by = "25:00"', "flat_by", "time of day"),
        ("flat_by = 1505", "flat_by", "time of day"),
        ('no_open_after = "15:30"\nflat_by = "15:05"', "no_open_after", "after flat_by (15:05)"),
        ("bracket = { target = 40 }", "bracket.stop", "required and missing"),
        ('on_stop_refused = "close"', "on_stop_refused", '"flatten", "tell"'),
        ("shadow = 1", "shadow", "true or false"),
        ("max_postion = 3", "max_postion", "Did you mean max_position?"),
    ],
)
def test_what_a_follower_may_not_say(line: str, key: str, words: str) -> None:
    told = errors_of(BASE + COPY + line)
    assert list(told) == [f"copy[0].followers[0].{key}"]
    assert words in told[f"copy[0].followers[0].{key}"]


@pytest.mark.parametrize("text", ["5", '"5"', '"5 minutes"', '"-5s"', '"1e3s"', '""', "true", '"999999999h"'])
def test_a_duration_is_a_string_with_a_unit(text: str) -> None:
    told = errors_of(BASE + COPY.replace("[[copy.", f"settle = {text}\n[[copy."))
    assert 'such as "1.5s"' in told["copy[0].settle"]


@pytest.mark.parametrize(
    ("section", "key", "words"),
    [
        (
            '[environments.x]\nrest = "http://foo/v1"\nwebsocket = "wss://foo/x"',
            "environments.x.rest",
            "in the clear to foo",
        ),
        (
            '[environments.x]\nrest = "https://foo/v1"\nwebsocket = "ws://foo/x"',
            "environments.x.websocket",
            "Write wss://",
        ),
        ('[environments.x]\nrest = "https://u:p@foo/v1"\nwebsocket = "wss://foo/x"', "environments.x.rest", "a secret"),
        ('[environments.demo]\nrest = "https://f/v1"\nwebsocket = "wss://f/x"', "environments.demo", "built in"),
        ('[logins.b]\nenvironment = "dem"\nusername = "x"', "logins.b.environment", "Did you mean demo?"),
        ('[logins.b]\nenvironment = "demo"', "logins.b.username", "required and missing"),
        ('[logins.b]\nenvironment = "live"\ngrant = "oauth"\nclient_id = "1"', "logins.b.redirect_uri", "loopback"),
        ('[logins.Big]\nenvironment = "simulator"', "logins.Big", "cannot be a name"),
        ('[logins.b]\nenvironment = "simulator"\npassword = "hunter2"', "logins.b.password", "secret does not belong"),
        ('[logins.b]\nenvironment = "simulator"\nsec_file = "here"', "logins.b.sec_file", "no absolute path"),
        ('[accounts.b]\nlogin = "apx"\nname = "D"', "accounts.b.login", "Did you mean apex?"),
        ('[accounts.b]\nlogin = "apex"\nname = "DEMO1"', "accounts.b.name", "the same account DEMO1"),
        ('[accounts.b]\nlogin = "apex"', "accounts.b.name", "required and missing"),
        ('[reconnect]\nfirst_delay = "2m"', "reconnect.first_delay", "longer than longest_delay"),
        ('[reconnect]\nsilence_limit = "2s"', "reconnect.silence_limit", "every 2.5 s"),
        ('[[notify]]\nurl = "hook"', "notify[0].url", "http:// or https://"),
        ('[[notify]]\nurl = "https://h/"\nevents = ["copy.plced"]', "notify[0].events[0]", "Did you mean copy.placed?"),
        ('[notify]\nurl = "https://h/"', "notify", "double brackets"),
        ("[simulator]", "simulator", "unknown key"),
    ],
)
def test_what_other_sections_may_not_say(section: str, key: str, words: str) -> None:
    told = errors_of(BASE + COPY + section)
    assert list(told) == [key]
    assert words in told[key]


def test_a_device_id_has_at_most_64_characters() -> None:
    config = loads(BASE.replace("cid", f'device_id = "{"x" * 64}"\ncid') + COPY)
    assert config.logins["apex"].device_id == "x" * 64
    told = errors_of(BASE.replace("cid", f'device_id = "{"x" * 65}"\ncid') + COPY)
    assert "at most 64 characters" in told["logins.apex.device_id"]


def test_the_path_of_the_control_socket_has_at_most_107_bytes() -> None:
    def told(path: str) -> str:
        return f'[daemon]\ncontrol_socket = "{path}"\n'

    longest = f"/{'ü' * 53}"
    assert str(loads(told(longest) + BASE + COPY).daemon.control_socket) == longest
    with pytest.raises(ConfigErrors) as caught:
        loads(told(f"{longest}x") + BASE + COPY, "/etc/copierd/copier.toml")
    assert str(caught.value) == (
        "/etc/copierd/copier.toml:2: daemon.control_socket: this path is 108 bytes long. "
        "It must be at most 107 bytes long: no Unix socket has a longer path."
    )


def test_a_list_where_a_name_belongs_is_told_and_breaks_nothing() -> None:
    told = errors_of(BASE.replace('login = "apex"', "login = []") + COPY.replace('"eval1"', "[]"))
    assert {"accounts.lead.login", "accounts.eval1.login", "copy[0].followers[0].account"} <= set(told)


def test_two_logins_that_would_share_an_environment_variable_are_refused() -> None:
    told = errors_of(BASE + COPY + '[logins.a-b]\nenvironment = "simulator"\n[logins.a_b]\nenvironment = "simulator"\n')
    assert "COPIERD_A_B_PASSWORD" in told["logins.a_b"]


def test_nobody_copies_himself_or_follows_twice_or_in_a_circle() -> None:
    follows = '[[copy.followers]]\naccount = "{}"\n'
    assert "copy itself" in errors_of(BASE + COPY.replace("eval1", "lead"))["copy[0].followers[0].account"]
    assert "follows already" in errors_of(BASE + COPY + follows.format("eval1"))["copy[0].followers[1].account"]
    second = '[[copy]]\nname = "second"\nleader = "eval1"\n'
    told = errors_of(BASE + COPY + second + follows.format("lead"))
    assert "lead <- eval1 <- lead" in told["copy[1].followers[0].account"]
    assert loads(BASE + COPY + second + follows.format("funded")).leads("eval1")


def test_a_login_must_afford_to_flatten_its_followers() -> None:
    told = errors_of(BASE.replace("cid", "requests_per_minute = 3\ncid") + COPY)
    assert "takes 3 requests" in told["logins.apex.requests_per_minute"]
    config = loads(BASE.replace("cid", "requests_per_minute = 4\ncid") + COPY)
    assert config.logins["apex"].requests_per_minute == 4


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('groups = ["equity"]\nday = 2025-01-09\nopen = []', "groups[0]"),
        ('groups = ["fx"]\nday = "2025-01-09"\nopen = []', "day"),
        ('groups = ["fx"]\nday = [1]\nopen = []', "day"),
        ('groups = ["fx"]\nday = 2025-01-09\nopen = ["08:30-08:30"]', "open[0]"),
        ('groups = ["fx"]\nday = 2025-01-09\nopen = ["08:30-24:30"]', "open[0]"),
        ('groups = ["fx"]\nday = 2025-01-09\nopen = ["00:00-09:00", "09:00-10:00"]', "open"),
    ],
)
def test_market_hours_are_days_of_sorted_intervals(body: str, key: str) -> None:
    assert list(errors_of(BASE + COPY + "[[market_hours]]\n" + body)) == [f"market_hours[0].{key}"]


def test_what_is_no_toml_is_told_in_the_same_form() -> None:
    with pytest.raises(ConfigErrors) as caught:
        loads("[daemon]\nlog_level = \n", "x.toml")
    assert str(caught.value).startswith("x.toml:2: syntax: Invalid value at column 13. ")
    with pytest.raises(ConfigErrors) as caught:
        loads('[daemon]\nlog_level = """', "x.toml")
    assert caught.value.errors[0].line == 2
    with pytest.raises(ConfigErrors, match="syntax"):
        loads(f"x = {'1' * 5000}")


def test_a_file_that_cannot_be_read_is_told_in_the_same_form(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"missing\.toml:1: file: cannot be read: No such file"):
        load(tmp_path / "missing.toml")
    (tmp_path / "marked.toml").write_bytes(b"\xef\xbb\xbf[daemon]\nlog_levle = 1\n")
    with pytest.raises(ConfigErrors, match=r"marked\.toml:2: daemon\.log_levle: unknown key"):
        load(tmp_path / "marked.toml")
    (tmp_path / "latin.toml").write_bytes(b"[daemon]\n# \xe9\n")
    with pytest.raises(ConfigErrors, match=r"latin\.toml:2: encoding: this is not UTF-8"):
        load(tmp_path / "latin.toml")


WORDS = ("5", '"5"', "true", "[]", "{}", "[[]]", "[{}]", "nan", '""', '"lead"', "1e400", "2025-01-09", "12:00:00", "-1")


@given(st.data())
def test_whatever_is_written_is_read_or_refused_and_never_breaks(data: st.DataObject) -> None:
    """Any value in the place of any other, any line dropped or doubled: an answer with lines, or a configuration."""
    lines = FULL.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key, equals, _value = lines[at].partition(" = ")
        changed = [f"{key} = {data.draw(st.sampled_from(WORDS))}"] if equals else [lines[at]]
        lines[at : at + 1] = data.draw(st.sampled_from([changed, [], [lines[at], lines[at]]]))
    told = told_of("\n".join(lines))
    assert told is None or (told and all(1 <= error.line <= len(lines) + 1 for error in told))


def test_a_mark_at_the_beginning_leaves_the_lines_where_they_are(tmp_path: Path) -> None:
    """A reload that was refused raised instead: the mark was taken for a key."""
    path = tmp_path / "copier.toml"
    path.write_text(FULL, encoding="utf-8-sig")
    config = load(path)
    marked = Lines.of(path, config)
    path.write_text(FULL, encoding="utf-8")
    name = next(follower.account for copy in config.copies for follower in copy.followers)
    assert marked.error(name, "owns", "").line == Lines.of(path, config).error(name, "owns", "").line > 1


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        (('username = "jane"', 'username = ""'), "logins.apex.username", "not empty"),
        (('username = "jane"', 'username = "ja\\u0000ne"'), "logins.apex.username", "control characters"),
        (("cid = 8123", 'cid = 8123\napp_id = " "'), "logins.apex.app_id", "not empty"),
        (("cid = 8123", 'cid = 8123\napp_version = ""'), "logins.apex.app_version", "not empty"),
        (("cid = 8123", 'cid = 8123\nclient_id = ""'), "logins.apex.client_id", "not empty"),
        (("cid = 8123", 'cid = 8123\ndevice_id = ""'), "logins.apex.device_id", "at least 1 and at most 64 characters"),
        (("cid = 8123", 'cid = 8123\ndevice_id = "a\\nb"'), "logins.apex.device_id", "control characters"),
        (("cid = 8123", "cid = 8123\nrequests_per_minute = true"), "logins.apex.requests_per_minute", "whole number"),
        (("cid = 8123", "cid = 8123\nrequests_per_minute = 1"), "logins.apex.requests_per_minute", "1 follower takes"),
        (('"DEMO2"', '""'), "accounts.eval1.name", "not empty"),
        (("cid = 8123", 'cid = 8123\nPassword = "x"'), "logins.apex.Password", "named by password_file"),
        (("cid = 8123", 'cid = 8123\npasswd = "x"'), "logins.apex.passwd", "a secret does not belong"),
    ],
)
def test_what_a_login_may_not_say(change: tuple[str, str], key: str, words: str) -> None:
    told = errors_of(BASE.replace(*change) + COPY)
    assert list(told) == [key] and words in told[key]


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("https://", "names no host"),
        ("https://broker .invalid/v1", "a space"),
        ("https://broker.invalid/v1?x=1", "Take off what begins with ?"),
        ("https://broker.invalid/v1#x", "Take off what begins with ? or #"),
    ],
)
def test_what_is_no_address_to_ask_at(rest: str, words: str) -> None:
    environment = f'[environments.own]\nrest = "{rest}"\nwebsocket = "wss://broker.invalid/v1/websocket"\n'
    told = errors_of(BASE + COPY + environment)
    assert list(told) == ["environments.own.rest"] and words in told["environments.own.rest"]


def test_two_logins_do_not_name_the_same_account() -> None:
    """Copied onto itself, each order would make another."""
    second = '[logins.other]\nenvironment = "demo"\nusername = "joe"\ncid = 1\n'
    told = errors_of(second + BASE.replace('login = "apex"\nname = "DEMO2"', 'login = "other"\nname = "DEMO1"') + COPY)
    assert list(told) == ["accounts.eval1.name"]
    assert "lead and eval1 are the same account DEMO1 on demo" in told["accounts.eval1.name"]


def test_an_override_names_its_products() -> None:
    told = errors_of(BASE + COPY + "[[market_hours]]\ngroups = []\nday = 2025-01-09\nopen = []\n")
    assert list(told) == ["market_hours[0].groups"] and "equity_index" in told["market_hours[0].groups"]


def test_digits_are_those_of_the_keyboard() -> None:
    assert "copy[0].settle" in errors_of(BASE + COPY.replace('"lead"', '"lead"\nsettle = "\u0661s"'))


def test_what_is_there_twice_is_named() -> None:
    assert "the key name is there twice" in str(errors_of(BASE + COPY.replace("leader", "name")))
    assert "the table [accounts.lead] is there twice" in str(errors_of(BASE + "[accounts.lead]\n" + COPY))


def test_where_there_is_no_file_at_all_both_places_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "SERVICE", tmp_path / "etc")
    for path, said in ((places.configuration(), True), (tmp_path / "other.toml", False)):
        with pytest.raises(ConfigErrors) as caught:
            load(path)
        told = str(caught.value)
        assert told.startswith(f"{path}:1: file: cannot be read: No such file") and "copierd init" in told
        assert ("There is no ./copier.toml either" in told) is said


def test_what_no_number_and_no_table_can_be_is_told_in_words() -> None:
    def told(text: str) -> str:
        with pytest.raises(ConfigErrors) as caught:
            loads(text)
        return str(caught.value)

    assert told(f"[daemon]\nlog_level = {'9' * 6000}\n") == (
        "copier.toml:2: syntax: a number is too long. Write fewer digits."
    )
    assert told(f"a = {'[' * 3000}1{']' * 3000}\n").startswith("copier.toml:1: syntax: something lies within something")
