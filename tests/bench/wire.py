"""Sockets of the stand-in: HTTP requests and WebSocket frames, by hand, because a library costs what is to be measured.

Rule 1: the clock is read as soon as bytes have come off the socket; all frames of one read have the same stamp.
Rule 2: nothing waits here: what the kernel does not take at once is kept and written when it does.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import time
from collections.abc import Iterator

import attrs

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
CHUNK = 256 * 1024


class Gone(Exception):
    """The other side has closed."""


@attrs.frozen
class Request:
    """Of HTTP."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@attrs.define(eq=False)
class Peer:
    """One TCP connection: HTTP, until it is upgraded."""

    socket: socket.socket
    upgraded: bool = False
    stamp: int = 0  # nanoseconds on the monotonic clock: when the last bytes came off the socket
    unsent: bytearray = attrs.field(factory=bytearray)
    _read: bytearray = attrs.field(factory=bytearray)

    def receive(self) -> None:
        """Raises Gone."""
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            raise Gone from None
        self.stamp = time.monotonic_ns()
        if not data:
            raise Gone
        self._read += data

    def requests(self) -> Iterator[Request]:
        """The HTTP requests that have come whole."""
        while not self.upgraded and (end := self._read.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._read[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            whole = end + 4 + int(headers.get("content-length", 0))
            if len(self._read) < whole:
                return
            body = bytes(self._read[end + 4 : whole])
            del self._read[:whole]
            method, target, _ = first.split(" ")
            yield Request(method, target, headers, body)

    def upgrade(self, request: Request) -> None:
        key = request.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - RFC 6455's, and no secret
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._write(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self.upgraded = True

    def texts(self) -> Iterator[bytes]:
        """The text frames that have come whole; pings are answered. Raises Gone at a close."""
        data, at = self._read, 0
        while len(data) - at >= 6:
            kind, size, start = data[at] & 0x0F, data[at + 1] & 0x7F, at + 2
            if size == 126:
                size, start = struct.unpack_from(">H", data, start)[0], start + 2
            elif size == 127:
                size, start = struct.unpack_from(">Q", data, start)[0], start + 8
            end = start + 4 + size
            if len(data) < end:
                break
            mask, payload = data[start : start + 4], data[start + 4 : end]
            at = end
            if kind == _CLOSE:
                raise Gone
            text = _unmasked(payload, mask)
            if kind == _PING:
                self._write(_head(_PONG, len(text)) + text)
            elif kind == _TEXT:
                yield text
        del data[:at]

    def send(self, text: str) -> None:
        """One text frame."""
        data = text.encode()
        self._write(_head(_TEXT, len(data)) + data)

    def answer(self, status: str, body: str) -> None:
        """To an HTTP request."""
        data = body.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self._write(head.encode() + data)

    def flush(self) -> None:
        """Raises Gone."""
        try:
            sent = self.socket.send(self.unsent)
        except BlockingIOError:
            return
        except OSError:
            raise Gone from None
        del self.unsent[:sent]

    def _write(self, data: bytes) -> None:
        if not self.unsent:
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # the reader will find out
            if sent == len(data):
                return
            data = data[sent:]
        self.unsent += data


def _head(kind: int, size: int) -> bytes:
    if size < 126:
        return bytes((0x80 | kind, size))
    if size < 65536:
        return struct.pack(">BBH", 0x80 | kind, 126, size)
    return struct.pack(">BBQ", 0x80 | kind, 127, size)


def _unmasked(payload: bytearray, mask: bytearray) -> bytes:
    size = len(payload)
    key = int.from_bytes((bytes(mask) * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
