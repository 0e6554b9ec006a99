"""All known causes of trouble that are looked for, in the order of the report."""

from __future__ import annotations

from typing import Final

from daemon.doctor.on_account import ACCOUNT
from daemon.doctor.on_login import LOGIN
from daemon.doctor.on_machine import MACHINE
from daemon.doctor.on_site import SITE

PERSON: Final = (*LOGIN, *ACCOUNT)
IDS: Final = tuple(check.id for check in (*MACHINE, *SITE, *PERSON))

__all__ = ["ACCOUNT", "IDS", "LOGIN", "MACHINE", "PERSON", "SITE"]
