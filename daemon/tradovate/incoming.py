"""What comes off the broker's socket, parted: messages for us, and all the rest for trio-websocket. Pure.

(To read a message takes trio-websocket and wsproto some 80 us, and a switch of tasks for each; this takes 3.)

Rule 1: only what is quite ordinary is read here: data frames, whole or in fragments. Pings and pongs are passed on.
Rule 2: at anything else (a close, a mask, a reserved bit, a length out of bounds, a fragment out of turn, a text that
        is no UTF-8) it is passed on as it came, with the unfinished message before it and all that follows: what that
        means, and what is said to it, is trio-websocket's to know.
"""

from __future__ import annotations

import re
from collections import deque

LARGEST = 64 * 1024 * 1024  # bytes of a message; a first sync beyond 1 MiB has been seen

_UPGRADED = b"HTTP/1.1 101"
_BLANK_LINE = re.compile(rb"\n\r?\n")  # as h11 looks for it
# RFC 6455, section 5.2: the first byte of a frame.
_FURTHER, _TEXT, _BINARY, _LAST, _PING, _PONG = 0x00, 0x01, 0x02, 0x80, 0x89, 0x8A
_WHOLE_TEXT = _LAST | _TEXT
_CONTROL = frozenset({_PING, _PONG})
_BEGINNING = frozenset({_TEXT, _WHOLE_TEXT, _BINARY, _LAST | _BINARY})
_CONTINUING = frozenset({_FURTHER, _LAST | _FURTHER})
_SHORT = 125  # bytes; a longer payload has its length in so many bytes more, and must need them
_LENGTHS = {126: (2, _SHORT + 1), 127: (8, 1 << 16)}


class _Extraordinary(Exception):
    """Nothing for us."""


class Incoming:
    """`messages` are those that have come whole, in their order, texts and bytes; who takes them removes them."""

    def __init__(self) -> None:
        self.messages: deque[str | bytes] = deque()
        self._upgraded = False
        self._passing = False  # everything, from now on
        self._unread = bytearray()
        self._begun = bytearray()  # the frames of a message in fragments, as they came
        self._payload = bytearray()  # and what is in them

    def feed(self, data: bytes | bytearray) -> bytes | bytearray:
        """Takes what has come; answers what of it is trio-websocket's."""
        if self._passing:
            return data
        self._unread += data
        return self._frames() if self._upgraded else self._upgrade()

    def _upgrade(self) -> bytes | bytearray:
        """The answer to the upgrade is trio-websocket's, but not the frames that came with it."""
        if not self._unread.startswith(_UPGRADED[: len(self._unread)]):
            return self._all_from(0)
        blank = _BLANK_LINE.search(self._unread)
        if blank is None:
            return b""
        self._upgraded = True
        answer = self._unread[: blank.end()]
        del self._unread[: blank.end()]
        return answer + self._frames()

    def _frames(self) -> bytes | bytearray:
        unread, at, rest = self._unread, 0, bytearray()
        try:
            while (bounds := _bounds(unread, at)) is not None:
                start, end = bounds
                kind = unread[at]
                if not self._ordinary(kind, end - start):
                    raise _Extraordinary
                if len(unread) < end:
                    break
                if kind == _WHOLE_TEXT:
                    self.messages.append(unread[start:end].decode())
                elif kind in _CONTROL:
                    rest += unread[at:end]
                else:
                    self._fragment(kind, unread[at:end], unread[start:end])
                at = end
        except (_Extraordinary, UnicodeDecodeError):
            return rest + self._all_from(at)
        del unread[:at]
        return rest

    def _ordinary(self, kind: int, size: int) -> bool:
        if kind in _CONTROL:
            return size <= _SHORT
        return kind in (_CONTINUING if self._begun else _BEGINNING) and len(self._payload) + size <= LARGEST

    def _fragment(self, kind: int, frame: bytearray, payload: bytearray) -> None:
        """Also the only one of a message. Raises UnicodeDecodeError, and has taken nothing then."""
        if kind & _LAST:
            text = (self._begun or frame)[0] & ~_LAST == _TEXT
            whole = self._payload + payload
            self.messages.append(whole.decode() if text else bytes(whole))
            self._begun, self._payload = bytearray(), bytearray()
        else:
            self._begun += frame
            self._payload += payload

    def _all_from(self, at: int) -> bytearray:
        passed = self._begun + self._unread[at:]
        self._passing = True
        self._begun = self._payload = self._unread = bytearray()
        return passed


def _bounds(unread: bytearray, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame that begins here begins and ends; None when that has not come yet."""
    if len(unread) - at < 2:
        return None
    size, start = unread[at + 1], at + 2
    if size > _SHORT:
        if size not in _LENGTHS:
            raise _Extraordinary  # it is masked
        width, least = _LENGTHS[size]
        start += width
        if len(unread) < start:
            return None
        size = int.from_bytes(unread[at + 2 : start], "big")
        if size < least:
            raise _Extraordinary
    return start, start + size
