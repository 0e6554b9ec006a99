"""How the last run of the daemon ended: clean, crash, reboot or upgrade.

Rule 1: a run that did not say good-bye has crashed; in another life of the machine, it went down with the machine.
Rule 2: a start that is refused was no run: what was known before stays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Facts(Protocol):
    def fact(self, key: str) -> str | None: ...
    def keep_fact(self, key: str, value: str) -> None: ...


def boot_id(environ: Mapping[str, str] | None = None) -> str:
    """Another one after each start of the machine; "" where there is none. The service has it from systemd: its unit
    hides the kernel's own (ProcSubset=pid), with all else of /proc that is no process."""
    handed_over = (os.environ if environ is None else environ).get("COPIERD_BOOT_ID")
    if handed_over:
        return handed_over
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def found(facts: Facts, boot: str, version: str) -> str:
    """In the words of the status."""
    stop = facts.fact("last_stop") or "clean"
    if stop == "crash":
        return "reboot" if facts.fact("boot") not in (None, boot) else stop
    return "upgrade" if facts.fact("version") not in (None, version) else stop


def running(facts: Facts, boot: str, version: str) -> None:
    """From now on it is a crash, unless `stopped` says otherwise."""
    facts.keep_fact("last_stop", "crash")
    facts.keep_fact("boot", boot)
    facts.keep_fact("version", version)


def stopped(facts: Facts) -> None:
    facts.keep_fact("last_stop", "clean")
