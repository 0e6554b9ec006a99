"""What `copierd check` says of a configuration."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from daemon import places
from daemon.check import run_check
from daemon.house_rules import FORBIDDEN
from daemon.ledger import Ledger

CONFIG = """
[logins.apex]
environment = "demo"
username = "jane"
device_id = "3b0d"
[logins.fund]
environment = "live"
grant = "oauth"
client_id = "1"
redirect_uri = "http://127.0.0.1:8642/callback"
[accounts]
lead = { login = "apex", name = "DEMO1" }
eval1 = { login = "apex", name = "DEMO2" }
funded = { login = "fund", name = "9", armed = true }
watch = { login = "fund", name = "124", armed = true }
spare = { login = "fund", name = "125" }
[[copy]]
name = "main"
leader = "lead"
deny = ["CL"]
[[copy.followers]]
account = "eval1"
[[copy.followers]]
account = "funded"
ratio = -0.50
inverse = true
max_order = 3
map = { ES = { to = "MES", factor = 10 } }
daily_loss_limit = 500
flat_by = "15:05"
[[copy.followers]]
account = "watch"
shadow = true
max_order = 1
max_position = 2
"""


def checked(path: Path) -> tuple[int, list[str], str]:
    out, err = io.StringIO(), io.StringIO()
    status = run_check(path, out, err)
    return status, out.getvalue().splitlines(), err.getvalue()


def secrets_of(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.startswith(("       password ", "       client_secret "))]


def test_it_says_where_each_secret_is_found_and_why_one_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COPIERD_APEX_PASSWORD")
    secret, path = tmp_path / "apex", tmp_path / "copier.toml"
    path.write_text(CONFIG)
    looks_for = "the daemon looks for the credential apex.password, COPIERD_APEX_PASSWORD, then password_file"
    assert secrets_of(checked(path)[1]) == [f"password NOT FOUND from here: {looks_for}"]
    path.write_text(CONFIG.replace('username = "jane"', f'username = "jane"\npassword_file = "{secret}"'))
    assert secrets_of(checked(path)[1])[0].startswith(f"password UNREADABLE, {secret} cannot be read: No such file")
    secret.write_text("hunter2")
    secret.chmod(0o640)
    status, lines, _ = checked(path)
    assert (status, secrets_of(lines)) == (
        0,
        [f"password UNREADABLE, others than its owner may use {secret} (mode 0640). Run: chmod 600 {secret}"],
    )
    secret.chmod(0o600)
    assert secrets_of(checked(path)[1]) == ["password from the file that password_file names"]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "secrets_apex.password").write_text("hunter2")
    (tmp_path / "fund.client_secret").write_text("hunter3")
    assert secrets_of(checked(path)[1]) == [
        "password from the credential apex.password",
        "client_secret from the credential fund.client_secret",
    ]


def test_of_the_service_s_configuration_it_says_what_the_service_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root sees it, who has none of the service's credentials."""
    monkeypatch.delenv("COPIERD_APEX_PASSWORD")
    monkeypatch.setattr(places, "SERVICE", tmp_path / "etc")
    kept = tmp_path / "etc" / "secrets"
    kept.mkdir(parents=True)
    for name in ("apex.password", "apex.sec", "fund.client_secret"):
        (kept / name).write_text("hunter2")
    for name in ("copier.toml", "other.toml"):  # the template's instances read others
        path = tmp_path / "etc" / name
        path.write_text(CONFIG)
        assert [line.strip() for line in checked(path)[1] if "which systemd gives to the service" in line] == [
            f"{kind} from {kept / login}.{kind}, which systemd gives to the service"
            for login, kind in (("apex", "password"), ("apex", "sec"), ("fund", "client_secret"))
        ]
    elsewhere = tmp_path / "copier.toml"
    elsewhere.write_text(CONFIG)
    assert "password NOT FOUND from here" in secrets_of(checked(elsewhere)[1])[0]
    (kept / "apex.password").unlink()
    assert "password NOT FOUND from here" in secrets_of(checked(path)[1])[0]


def test_it_says_who_copies_whom_with_what_and_what_is_armed(tmp_path: Path) -> None:
    path = tmp_path / "copier.toml"
    path.write_text(CONFIG)
    status, lines, err = checked(path)
    assert (status, err) == (0, "")
    assert lines == [
        f"{path} is valid.",
        "",
        "Copy main: lead (DEMO1 on demo) leads, mode orders, catch_up reduce",
        "  never opens CL",
        "  -> eval1 (DEMO2 on demo): same size; no cap; shadows: not armed (armed = true in its account lets it trade)",
        "  -> funded (9 on live): size x 0.50, inverse, ES -> MES x 10; at most 3 per order, no cap per product; ARMED",
        "       daily loss limit 500; flat by 15:05 Chicago",
        "       WITHOUT A STOP where the leader has no target, which its stop is made of; a bracket gives one",
        "  -> watch (124 on live): same size; at most 1 per order, at most 2 per product; shadows: shadow = true",
        "",
        "Logins",
        "  apex: demo, https://demo.tradovateapi.com/v1; 2 accounts",
        "       grant password, device id 3b0d",
        "       password from COPIERD_APEX_PASSWORD",
        "  fund: live, https://live.tradovateapi.com/v1; 3 accounts",
        "       grant oauth, device id made at the first start and kept in the state directory",
        "",
        "Neither lead nor follow: spare",
        "",
        "Armed: funded",
        "Only shadow: eval1, watch",
        "",
        "Before you arm an account there for the first time:",
        f"  eval1, funded, watch: a broker or a prop firm may forbid {FORBIDDEN}.",
        "  Ask the firm, in writing, for each of them. copierd marks its orders as automated and hides nothing.",
    ]


def test_errors_go_to_standard_error_with_78(tmp_path: Path) -> None:
    path = tmp_path / "copier.toml"
    path.write_text(CONFIG.replace('"oauth"', '"oath"').replace('leader = "lead"', 'leader = "led"'))
    status, lines, err = checked(path)
    assert (status, lines) == (78, [])
    assert err.splitlines() == [
        f'{path}:8: logins.fund.grant: \'oath\' is none of "password", "oauth". Did you mean oauth?',
        f"{path}:19: copy[0].leader: unknown account 'led'. Did you mean lead?",
    ]


def _with_logins(count: int, environment: str = "demo") -> str:
    logins = "".join(
        f'[logins.l{n}]\nenvironment = "{environment}"\nusername = "u{n}"\n'
        f'[accounts.a{n}]\nlogin = "l{n}"\nname = "DEMO{n}"\n'
        for n in range(count)
    )
    return logins + '[[copy]]\nname = "main"\nleader = "a0"\n[[copy.followers]]\naccount = "a1"\n'


def test_more_logins_than_one_address_can_renew_are_told(tmp_path: Path) -> None:
    path = tmp_path / "copier.toml"
    idle = '[logins.idle]\nenvironment = "demo"\nusername = "x"\n'
    for text, words in (
        (_with_logins(18) + idle, None),
        (_with_logins(19), "TOO MANY LOGINS: 19 share this machine's address, and it may renew 15 tokens an hour"),
        (_with_logins(40, "simulator"), None),
    ):
        path.write_text(text)
        status, lines, _ = checked(path)
        told = [line for line in lines if line.startswith("TOO MANY LOGINS")]
        assert status == 0
        assert [line for line in told if words and line.startswith(words)] == told
        assert len(told) == (words is not None)


@pytest.mark.parametrize("key", ["cid", "password_file", "sec_file", "client_secret_file"])
def test_a_secret_that_stands_in_the_wrong_place_is_not_repeated(tmp_path: Path, key: str) -> None:
    path = tmp_path / "copier.toml"
    path.write_text(CONFIG.replace('device_id = "3b0d"', f'{key} = "hunter2-canary"'))
    status, lines, err = checked(path)
    assert (status, lines) == (78, [])
    assert f"logins.apex.{key}: " in err and "may be" in err and "must be changed if others could read" in err
    assert "canary" not in err


def test_an_inverse_follower_with_a_bracket_is_not_without_a_stop(tmp_path: Path) -> None:
    path = tmp_path / "copier.toml"
    for text in (
        CONFIG.replace("inverse = true\n", "inverse = true\nbracket = { stop = 20, target = 40 }\n"),
        CONFIG.replace('deny = ["CL"]\n', 'mode = "fills"\n'),
    ):
        path.write_text(text)
        _, lines, _ = checked(path)
        assert not [line for line in lines if "WITHOUT A STOP" in line]


def test_a_device_id_that_was_made_is_shown(tmp_path: Path) -> None:
    """The broker may want it to be approved by e-mail: the operator must know which it is."""
    path, state = tmp_path / "copier.toml", tmp_path / "state"
    path.write_text(f'[daemon]\nstate_directory = "{state}"\n{CONFIG}')
    state.mkdir()
    with contextlib.closing(Ledger.open(state / "ledger.sqlite")) as ledger:
        ledger.keep_device("fund", "6388fb2f")
        assert f"       grant oauth, device id 6388fb2f, kept in {state}" in checked(path)[1]  # in use
    before = sorted(state.iterdir())
    assert f"       grant oauth, device id 6388fb2f, kept in {state}" in checked(path)[1]
    assert sorted(state.iterdir()) == before  # nothing of ours beside a ledger that nobody has open
    (state / "ledger.sqlite").write_text("no ledger")
    assert "       grant oauth, device id made at the first start and kept in the state directory" in checked(path)[1]


@pytest.mark.parametrize(("name", "of"), [("copier.toml", "copierd"), ("evening.toml", "copierd-evening")])
def test_the_service_keeps_its_device_id_in_a_directory_of_its_own(
    name: str, of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "SERVICE", tmp_path)
    monkeypatch.setattr(places, "SERVICE_STATE", tmp_path / "copierd")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    (tmp_path / name).write_text(CONFIG)
    (tmp_path / of).mkdir()
    with contextlib.closing(Ledger.open(tmp_path / of / "ledger.sqlite")) as ledger:
        ledger.keep_device("fund", "6388fb2f")
    assert f"       grant oauth, device id 6388fb2f, kept in {tmp_path / of}" in checked(tmp_path / name)[1]
