"""The checks of this machine: the configuration, the state directory, the control socket, the table of hours."""

from __future__ import annotations

import re
from typing import Final

from daemon.config import ConfigErrors
from daemon.doctor.facts import Machine
from daemon.doctor.verdicts import Check, Unknown, Verdict, Well, Wrong
from daemon.hours_table import read_hours
from statecharts.market_hours import staleness

# Keys whose errors have a check of their own; all others are the configuration's.
LOGIN_KEYS: Final = ("cid", "device_id", "requests_per_minute", "requests_per_hour")
_PRODUCTS: Final = re.compile(r"copy\[\d+\]\.(allow|deny|followers\[\d+\]\.map)\b")
_ACCOUNT_NAME: Final = re.compile(r"accounts\.[^.]+\.name")
_LOGIN_KEY: Final = re.compile(rf"logins\.[^.]+\.({'|'.join(LOGIN_KEYS)})")
_CONTRACT: Final = re.compile(r"(?P<root>[A-Z0-9]{1,3}?)([FGHJKMNQUVXZ]\d{1,2}|\d!)")
_ROOM: Final = 100 * 1024 * 1024  # bytes: a day's turns of twenty busy accounts take a few
_QUOTED: Final = re.compile(r"'(?P<text>[^']*)'")


def _configuration(machine: Machine) -> Verdict:
    file = machine.file
    others = [one for one in file.errors if not any(kind.match(one.key) for kind in (_ACCOUNT_NAME, _LOGIN_KEY))]
    others = [one for one in others if not _PRODUCTS.match(one.key)]
    if not file.errors:
        return Well(str(file.path))
    if not others:
        return Well("its errors are told below, each by its own check; no daemon starts with them")
    what = "; ".join(f"line {one.line}, {one.key}: {one.message}" if one.key else one.message for one in others)
    remedy = " ".join(dict.fromkeys(one.remedy for one in others)) + f" Then: copierd check {file.path}"
    return Wrong(what, str(file.path), remedy)


def _contract_names(machine: Machine) -> Verdict:
    refused = [one for one in machine.file.errors if _PRODUCTS.match(one.key)]
    if refused:
        what = "; ".join(f"{one.key}: {_told(one.message)}" for one in refused)
        return Wrong(what, f"line {refused[0].line} of {machine.file.path}")
    return Unknown("the configuration cannot be read") if machine.file.config is None else Well()


def _told(message: str) -> str:
    """What stands there instead of a product, where it can be told; else what the loader says."""
    quoted = _QUOTED.match(message)
    return (_meant(quoted["text"]) if quoted else "") or message


def _meant(text: str) -> str:
    """What stands there instead of a product; nothing when it is one."""
    if text.isdigit():
        return f'"{text}" is the number of a contract'
    contract = _CONTRACT.fullmatch(text)
    return f'"{text}" is one contract and not a product; the product is "{contract["root"]}"' if contract else ""


def _state(machine: Machine) -> Verdict:
    state = machine.state
    if state.trouble is not None:
        return Wrong(state.trouble.what, str(state.directory), state.trouble.remedy)
    if state.free is not None and state.free < _ROOM:
        what = f"only {state.free // 1024 // 1024} MiB are free on its disk; without room nothing is recorded or copied"
        return Wrong(what, str(state.directory), "make room on that disk")
    return Well(f"{state.directory}{', held by a running copierd' if state.held else ''}")


def _socket(machine: Machine) -> Verdict:
    door = machine.door
    if door.trouble is not None:
        return Wrong(door.trouble.what, str(door.path), door.trouble.remedy)
    if machine.state.held and door.status is None:
        what = f"a copierd holds {machine.state.directory}, and none answers here"
        remedy = (
            "name the socket of that one with control_socket in [daemon]; if it is stuck: systemctl restart copierd"
        )
        return Wrong(what, str(door.path), remedy)
    if door.status is not None and not machine.state.held:
        what = f"a copierd answers here, and it does not hold {machine.state.directory}: it runs on other state"
        remedy = "give doctor the configuration of that copierd (--config), or stop the one that is too many"
        return Wrong(what, str(door.path), remedy)
    if door.status is None:
        return Well("no copierd is running")
    return Well(f"copierd {door.status.get('version')} answers")


def _hours(machine: Machine) -> Verdict:
    config = machine.file.config
    try:
        hours = read_hours(config.market_hours if config else (), machine.file.path)
    except ConfigErrors as errors:
        return Wrong("; ".join(one.message for one in errors.errors), "[[market_hours]]")
    stale = staleness(hours, machine.now)
    if stale is not None and stale.severity == "error":
        return Wrong(stale.text, "the table of market hours")
    if stale is not None:
        return Well(stale.text)
    return Well(f"verified through {min(group.verified_through for group in hours.values())}")


MACHINE: Final = (
    Check(
        "configuration",
        "errors in the configuration that have no check of their own",
        "mend the lines; copierd check tells them all",
        _configuration,
    ),
    Check(
        "contract-name",
        "the number of a contract, or one month of it, where a product belongs",
        'write products by their roots in quotes, such as "ES"; the broker refuses numbers, and months change',
        _contract_names,
    ),
    Check(
        "state-directory",
        "a state directory that is missing, locked, unreadable or full",
        "give copierd a directory that its user may write to: state_directory in [daemon]",
        _state,
    ),
    Check(
        "control-socket",
        "a control socket that cannot be had, is somebody else's or is not answered",
        "give copierd another control_socket in [daemon], in a directory that its user may write to",
        _socket,
    ),
    Check(
        "hours-table",
        "a table of market hours that nears its end",
        "install a newer copierd, or give the holidays as [[market_hours]]",
        _hours,
    ),
)
