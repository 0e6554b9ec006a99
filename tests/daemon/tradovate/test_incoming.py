"""What is read off the socket and what is left to trio-websocket: together they are what wsproto alone would read."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

from daemon.tradovate import incoming
from daemon.tradovate.incoming import Incoming

ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def frame(kind: int, payload: bytes = b"", size: int | None = None) -> bytes:
    """As a server sends it; `size` is what it says, where that is not so."""
    size = len(payload) if size is None else size
    if size < 126:
        return bytes((kind, size)) + payload
    return struct.pack(">BBH" if size < 65536 else ">BBQ", kind, 126 if size < 65536 else 127, size) + payload


def upgraded() -> Incoming:
    one = Incoming()
    assert one.feed(ANSWER) == ANSWER
    return one


def read_by_wsproto(data: bytes) -> tuple[list[str | bytes], list[object]]:
    """Messages, and what else there is: pings, pongs, a close, or why it cannot be read."""
    protocol = FrameProtocol(client=True, extensions=[])
    messages: list[str | bytes] = []
    others: list[object] = []
    parts: list[str | bytes] = []
    protocol.receive_bytes(data)
    try:
        for one in protocol.received_frames():
            if one.opcode not in (Opcode.TEXT, Opcode.BINARY):
                others.append((one.opcode, one.payload))
                continue
            assert isinstance(one.payload, str | bytes)
            parts.append(one.payload)
            if one.message_finished:
                text = isinstance(parts[0], str)
                messages.append("".join(map(str, parts)) if text else b"".join(map(bytes, parts)))  # type: ignore[arg-type]
                parts = []
    except ParseFailed as error:
        others.append((error.code, str(error)))
    return messages, others


def parted(pieces: Iterable[bytes]) -> tuple[list[str | bytes], list[object]]:
    """The same, by what is under test, and by wsproto for the rest."""
    one, rest = upgraded(), b""
    for piece in pieces:
        rest += one.feed(piece)
    messages, others = read_by_wsproto(rest)
    return [*one.messages, *messages], others


def test_whole_messages_are_read_whatever_the_pieces_they_come_in() -> None:
    texts = ["o", "", "h" * 125, "h" * 126, "a" * 65535, "ä" * 65536]
    wire = b"".join(frame(0x81, text.encode()) for text in texts) + frame(0x82, b"\xff\x00")
    for size in (1, 2, 3, 1000, 70_000, len(wire)):
        one = upgraded()
        rest = b"".join(bytes(one.feed(wire[at : at + size])) for at in range(0, len(wire), size))
        assert list(one.messages) == [*texts, b"\xff\x00"]
        assert rest == b""


def test_frames_may_come_with_the_answer_to_the_upgrade_and_that_in_pieces() -> None:
    wire = ANSWER + frame(0x81, b"o")
    for size in range(1, len(wire) + 1):
        one = Incoming()
        rest = b"".join(bytes(one.feed(wire[at : at + size])) for at in range(0, len(wire), size))
        assert (rest, list(one.messages)) == (ANSWER, ["o"])


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 401 Unauthorized\r\n\r\n\x81\x01o", b"\x81\x01o", b"HTTP/1.1 1", b"\n\n"]
)
def test_what_is_no_upgrade_is_passed_on_as_it_comes(answer: bytes) -> None:
    one = Incoming()
    rest = b"".join(bytes(one.feed(answer[at : at + 1])) for at in range(len(answer)))
    assert not one.messages
    assert answer.startswith(rest)
    assert rest == answer or b"HTTP/1.1 101".startswith(answer)


def test_fragments_are_put_together_and_pings_between_them_are_passed_on() -> None:
    one = upgraded()
    snowman = "☃".encode()
    assert one.feed(frame(0x01, b"a" + snowman[:1])) == b""
    assert one.feed(frame(0x89, b"?") + frame(0x00, snowman[1:])) == frame(0x89, b"?")
    assert one.feed(frame(0x8A, b"!") + frame(0x80, b"b") + frame(0x02, b"\xff")) == frame(0x8A, b"!")
    assert one.feed(frame(0x80) + frame(0x81, b"h")) == b""
    assert list(one.messages) == ["a☃b", b"\xff", "h"]


@pytest.mark.parametrize(
    "strange",
    [
        frame(0x88, struct.pack(">H", 1000) + b"bye"),
        frame(0x88),
        frame(0xC1, b"rsv"),
        frame(0x83, b"?"),
        frame(0x8B, b"?"),
        frame(0x09, b"half a ping"),
        frame(0x89, b"x" * 126),
        frame(0x80, b"of nothing"),
        frame(0x00, b"of nothing"),
        frame(0x81, b"\xff"),
        b"\x81\x81mask" + b"?",
        b"\x81\x7e\x00\x01?",
        b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x01?",
        b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff?",
    ],
    ids=repr,
)
def test_what_is_not_quite_ordinary_and_all_that_follows_is_left_as_it_came(strange: bytes) -> None:
    after = frame(0x81, b"never") + frame(0x89)
    one = upgraded()
    assert one.feed(frame(0x81, b"first") + strange + after) == strange + after
    assert list(one.messages) == ["first"]
    assert one.feed(after) == after

    # Within a message the beginning of that belongs to it.
    one = upgraded()
    begun = frame(0x01, b"never ") + frame(0x00, b"whole ")
    if strange[0] not in (0x00, 0x80):
        assert one.feed(begun + strange) == begun + strange
        assert not one.messages


@pytest.mark.parametrize("kinds", [(0x01, 0x81), (0x01, 0x01), (0x02, 0x82)])
def test_a_message_within_a_message_is_left_as_it_came(kinds: tuple[int, int]) -> None:
    wire = frame(kinds[0], b"never") + frame(kinds[1], b"either")
    assert upgraded().feed(wire) == wire


def test_what_is_too_large_is_left_before_it_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "LARGEST", 200)
    one = upgraded()
    assert one.feed(frame(0x81, b"x" * 200)) == b""
    head = frame(0x81, size=201)
    assert one.feed(head) == head
    one = upgraded()
    begun = frame(0x01, b"x" * 150)
    assert one.feed(begun) == b""
    assert one.feed(frame(0x80, size=51)) == begun + frame(0x80, size=51)


_PAYLOADS = st.binary(max_size=8) | st.text(max_size=4).map(str.encode) | st.integers(120, 130).map(lambda n: b"x" * n)
_FRAMES = st.builds(
    frame,
    st.sampled_from([0x81, 0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]) | st.integers(0, 255),
    _PAYLOADS,
)


@given(st.lists(_FRAMES, max_size=12).map(b"".join) | st.binary(max_size=60), st.lists(st.integers(1, 40), max_size=30))
def test_both_together_read_what_wsproto_reads_alone(wire: bytes, sizes: list[int]) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(wire[at : at + size])
        at += size
    assert parted([*pieces, wire[at:]]) == read_by_wsproto(wire)
