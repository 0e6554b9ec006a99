"""sd_notify(3): systemd is told that the daemon is ready, what it is doing, and that it is stopping."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from daemon.outlet import Outlet, after, room_at

try:
    from systemd.daemon import notify as _systemd_notify
except ImportError:  # the extra `systemd` is not installed
    _systemd_notify = None

Notify = Callable[[str], None]


def reloading() -> str:
    """What systemd wants to hear at the begin of a reload; READY=1 ends it (sd_notify(3), Type=notify-reload)."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"


def notifier() -> Notify:
    """Answers what tells systemd one line such as READY=1; does nothing where no systemd listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if _systemd_notify is None or not address:
        return lambda line: None
    return Outlet(after(room_at(address), _systemd_notify)).put
