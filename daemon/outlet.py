"""Saying without waiting: whoever reads slowly, or not at all, holds up nothing that trades.

Real world: a pager that shows its first page, Ctrl-S, an ssh connection that has frozen, a systemd that is busy with
others. A write waits for as long as these do, and with it the loop that copies.

Rule 1: nothing here waits. What does not go now is kept, in order, and goes before the next, or when `go_on` looks
        again. Only a process that ends gives a slow reader a moment for its last words.
Rule 2: of more than `KEPT` the oldest are given up, and how many is said in their place.
Rule 3: what can never be said, to a reader that is gone or on a disk that is full, is no reason to stop.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

import attrs

KEPT = 2000  # lines: a page of them is read by nobody, and more would be memory
ONE_PIECE = 2048  # bytes that a pipe takes as a whole or not at all (POSIX promises 512, Linux 4096)
LAST_WORDS = 1.0  # seconds at the end of the process: systemd waits for 90, a user at a terminal for none
_AGAIN = 0.01  # seconds

T = TypeVar("T")
_behind: set[Outlet[Any]] = set()  # those that have kept something


@attrs.define(eq=False, repr=False)
class Outlet(Generic[T]):
    """`give` answers what is left of it, None when all of it has gone; it raises BlockingIOError when nothing goes, and
    another OSError when it never will.

    `missing` makes what is said in the place of so many that were given up; None says nothing.
    """

    give: Callable[[T], T | None]
    missing: Callable[[int], T] | None = None
    _kept: deque[T] = attrs.field(factory=deque)
    _rest: T | None = None  # of what has gone in part
    _lost: int = 0
    _turn: threading.Lock = attrs.field(factory=threading.Lock)  # a library may say something in a thread of its own

    def put(self, one: T) -> None:
        with self._turn:
            self._kept.append(one)
            if len(self._kept) > KEPT:
                self._kept.popleft()
                self._lost += 1
            self._say()

    def go_on(self) -> None:
        with self._turn:
            self._say()

    def _say(self) -> None:
        while self._rest is not None or self._kept:
            one = self._next()
            self._rest = None  # also of what cannot be said for another reason: it is not said again and again
            try:
                self._rest = self.give(one)
            except BlockingIOError:
                self._rest = one
                _behind.add(self)
                return
            except OSError:
                continue  # Rule 3
        _behind.discard(self)

    def _next(self) -> T:
        if self._rest is None:
            if self._lost and self.missing is not None:
                self._rest, self._lost = self.missing(self._lost), 0
            else:
                self._rest = self._kept.popleft()
        return self._rest


def go_on() -> None:
    """Says what was kept, wherever there is room for it by now."""
    for one in tuple(_behind):
        one.go_on()


@atexit.register
def _last_words() -> None:
    until = time.monotonic() + LAST_WORDS
    while _behind and time.monotonic() < until:
        go_on()
        time.sleep(_AGAIN)


def text_to(descriptor: int) -> Callable[[str], None]:
    """What writes text to this descriptor of ours, a line or several at a time."""
    write = _never_waiting(descriptor)

    def give(data: bytes) -> bytes | None:
        return data[write(data[:ONE_PIECE]) :] or None

    outlet = Outlet(give, lambda lost: f"({lost} lines are missing here: nobody read them)\n".encode())
    return lambda text: outlet.put(text.encode("utf-8", "backslashreplace"))


def _never_waiting(descriptor: int) -> Callable[[bytes], int]:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):  # one that has room has it for more than a piece
        return partial(_write_to_socket, descriptor)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        # O_NONBLOCK belongs to the open file, which we share with a shell and with others: we open our own.
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            return partial(os.write, os.open(f"/proc/self/fd/{descriptor}", flags))
        except OSError:
            return partial(os.write, descriptor)  # nobody reads it any more, or it is another user's
    return partial(os.write, descriptor)  # a file: the disk waits for nobody


def _write_to_socket(descriptor: int, data: bytes) -> int:
    _look(descriptor)
    return os.write(descriptor, data)


def room_at(address: str) -> Callable[[], None]:
    """What raises BlockingIOError while whoever listens at this datagram socket has no room for another one.

    For libraries that send by themselves, and wait. Where nobody listens there is nothing to wait for.
    """
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        probe.connect("\0" + address[1:] if address.startswith("@") else address)
    except OSError:
        probe.close()
        return lambda: None
    return partial(_look, probe.detach())  # for as long as the process lives


def _look(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(0):
        raise BlockingIOError


def after(look: Callable[[], None], send: Callable[[T], object]) -> Callable[[T], None]:
    """What hands one to `send` when `look` sees room for it. For an Outlet."""

    def give(one: T) -> None:
        look()
        send(one)

    return give
