"""The line of a key, in every way that TOML has to write one."""

from __future__ import annotations

from daemon.config.errors import KeyPath
from daemon.config.key_lines import KeyLines

TEXT = '''# a comment with [brackets] = "and more"
top = """
[not.a.header]
key = 1 \\""" still inside"""
[logins.apex]  # ]
cid = 8123
"quoted key" = '#no comment'
dotted.name = true

[[copy]]
followers = [ # comment ]
  { account = "a", map = { ES = { to = "MES", factor = 10 } } },
  { account = "b",
  },
]
[[copy]]
[[copy.followers]]
ratio = 1
[[copy.followers]]
ratio = 2
[copy.followers.runaway]
orders = 3
'''

EXPECTED: dict[KeyPath, int] = {
    ("top",): 2,
    ("logins", "apex"): 5,
    ("logins", "apex", "cid"): 6,
    ("logins", "apex", "quoted key"): 7,
    ("logins", "apex", "dotted", "name"): 8,
    ("copy", 0): 10,
    ("copy", 0, "followers", 0, "account"): 12,
    ("copy", 0, "followers", 0, "map", "ES", "factor"): 12,
    ("copy", 0, "followers", 1, "account"): 13,
    ("copy", 1): 16,
    ("copy", 1, "followers", 0, "ratio"): 18,
    ("copy", 1, "followers", 1, "ratio"): 20,
    ("copy", 1, "followers", 1, "runaway", "orders"): 22,
}


def test_each_key_has_its_line() -> None:
    lines = KeyLines(TEXT)
    assert {path: lines[path] for path in EXPECTED} == EXPECTED


def test_a_key_that_is_not_there_has_the_line_of_its_table() -> None:
    lines = KeyLines(TEXT)
    assert lines[("logins", "apex", "username")] == 5
    assert lines[("copy", 1, "followers", 1, "bracket", "stop")] == 19
    assert lines[("accounts", "x")] == 1


def test_line_ends_of_windows_count_the_same() -> None:
    lines = KeyLines(TEXT.replace("\n", "\r\n"))
    assert {path: lines[path] for path in EXPECTED} == EXPECTED


def test_an_empty_text_has_one_line() -> None:
    assert KeyLines("")[("daemon",)] == 1
