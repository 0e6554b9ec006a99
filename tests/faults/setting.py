"""What a world is set up with: its configuration, of which the climate draws the extras."""

from __future__ import annotations

from daemon.config import Config, loads
from tests.faults.climate import Climate

CONFIG = """
[environments.test]
rest = "http://127.0.0.1:1/v1"
websocket = "ws://127.0.0.1:1/v1/websocket"
{hours}
[logins.apex]
environment = "test"
username = "jane"
cid = 8123
{login}
{fund}
[accounts.lead]
login = "apex"
name = "LEAD"
[accounts.same]
login = "apex"
name = "SAME"
[accounts.half]
login = "apex"
name = "HALF"
[accounts.micro]
login = "{micro}"
name = "MICRO"
[[copy]]
name = "main"
leader = "lead"
{copy}
[[copy.followers]]
account = "same"
max_position = 5
{follower}
[[copy.followers]]
account = "half"
ratio = 0.5
max_position = 2
{follower}
[[copy.followers]]
account = "micro"
map = {{ ES = {{ to = "MES", factor = 3 }} }}
max_position = 9
max_order = 9
{follower}
"""
FUND = """
[logins.fund]
environment = "test"
username = "joe"
cid = 8124
{login}
"""
CAPS = {"same": 5, "half": 2, "micro": 9}


def config_of(climate: Climate) -> Config:
    return loads(text_of(climate))


def text_of(climate: Climate, edits: int = 0) -> str:
    """copier.toml, after it has been edited so many times: each time a figure is another that decides nothing here."""
    fund = FUND.format(login=climate.login) if climate.own_login else ""
    micro = "fund" if climate.own_login else "apex"
    copy = f"{climate.copy}\nfresh_ticks = {4 + edits % 2}"
    hours = "" if climate.closes_at is None else "hours = true"
    return CONFIG.format(hours=hours, fund=fund, micro=micro, login=climate.login, copy=copy, follower=climate.follower)
