"""The exit statuses that scripts and systemd rely on (sysexits.h where it has one)."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    OK = 0
    FAILED = 1
    NO_DAEMON = 2  # of copierctl: nobody answers
    NOT_FLAT = 3  # of a flatten: something of ours is left, or it could not be verified
    USAGE = 64
    NO_INPUT = 66  # a file that was named cannot be read
    UNAVAILABLE = 69  # state directory or socket in use or unusable
    BUG = 70
    CANNOT_CREATE = 73
    OUTPUT = 74  # what was asked for could not be written to standard output
    CONFIG = 78
    INTERRUPTED = 130  # Ctrl-C before there was anything to stop
