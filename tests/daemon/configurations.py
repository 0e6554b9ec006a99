"""Texts of configurations, and what is said of them, for the tests of reading and of refusing."""

from __future__ import annotations

import pytest

from daemon.config import Config, ConfigError, ConfigErrors, loads

MINIMAL = """
[logins.sim]
environment = "simulator"
[accounts.a]
login = "sim"
name = "A"
[accounts.b]
login = "sim"
name = "B"
[[copy]]
name = "main"
leader = "a"
followers = [{ account = "b" }]
"""
BASE = """
[logins.apex]
environment = "demo"
username = "jane"
cid = 8123
[logins.sim]
environment = "simulator"
[accounts.lead]
login = "apex"
name = "DEMO1"
[accounts.eval1]
login = "apex"
name = "DEMO2"
[accounts.funded]
login = "apex"
name = "DEMO3"
armed = true
[accounts.toy]
login = "sim"
name = "SIM1"
"""
COPY = """
[[copy]]
name = "main"
leader = "lead"
[[copy.followers]]
account = "eval1"
"""


FULL = (
    BASE.replace('username = "jane"', 'username = "jane"\npassword_file = "/etc/copierd/apex"\non_evicted = "retake"')
    + """
[daemon]
state_directory = "/var/lib/copierd"
control_socket = "/run/copierd/control.sock"
log_level = "debug"
[reconnect]
first_delay = "1.5s"
longest_delay = "2m"
give_up_after = "2h"
probe_every = "2m"
in_position_delay = "500ms"
silence_limit = "10s"
[environments.staging]
rest = "https://example.invalid/v1"
websocket = "wss://example.invalid/v1/websocket"
authorize = "https://example.invalid/oauth"
token = "https://example.invalid/auth/oauthtoken"
live = true
hours = true
[logins.fund]
environment = "staging"
grant = "oauth"
client_id = "8123"
redirect_uri = "http://127.0.0.1:8642/callback"
[[copy]]
name = "main"
leader = "lead"
mode = "fills"
catch_up = "fresh"
fresh_age = "10s"
fresh_ticks = 4
settle = "15s"
chase_after = "5s"
quiet = "0s"
bracket_wait = "0ms"
on_leader_lost = "flatten"
leader_lost_after = "5m"
allow = ["ES", "NQ"]
deny = ["CL"]
[[copy.followers]]
account = "eval1"
ratio = -1.10
inverse = true
min_one = true
max_order = 10
max_position = 20
map = { ES = { to = "MES", factor = 10 } }
shadow = true
on_stop_refused = "tell"
runaway = { orders = 30, per = "6s" }
daily_loss_limit = 500.50
daily_profit_limit = 1000
trailing_drawdown = { amount = 1500, basis = "end_of_day" }
no_open_after = "14:45"
flat_by = 15:05:00
bracket = { stop = 20, target = 40 }
[[market_hours]]
groups = ["equity_index"]
day = 2025-01-09
open = ["00:00-08:30", "17:00-24:00"]
label = "National Day of Mourning"
[[notify]]
url = "https://example.invalid/hook"
format = "slack"
min_severity = "page"
after = "10s"
events = ["connection.broken"]
heartbeat = "60s"
"""
)


def errors_of(text: str) -> dict[str, str]:
    """Message and remedy by key."""
    with pytest.raises(ConfigErrors) as caught:
        loads(text)
    return {error.key: f"{error.message}. {error.remedy}" for error in caught.value.errors}


def told_of(text: str) -> tuple[ConfigError, ...] | None:
    """Its errors, or None when there are none. Whatever else is raised is a bug."""
    try:
        loads(text)
    except ConfigErrors as errors:
        return errors.errors
    return None


def good(text: str = "") -> Config:
    return loads(BASE + COPY + text)
