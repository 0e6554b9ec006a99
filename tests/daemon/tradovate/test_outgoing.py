"""Our frames, read by wsproto as a server reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from daemon.tradovate.outgoing import frame


def _read(data: bytes) -> list[object]:
    server = FrameProtocol(client=False, extensions=[])
    server.receive_bytes(data)
    return [(one.opcode, one.payload, one.message_finished) for one in server.received_frames()]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 65535, 65536, 200_001])
def test_every_length(size: int) -> None:
    text = "[]{}x"[:1] * size
    assert _read(frame(text) + frame("[]")) == [(Opcode.TEXT, text, True), (Opcode.TEXT, "[]", True)]


@given(st.text())
def test_every_text(text: str) -> None:
    assert _read(frame(text)) == [(Opcode.TEXT, text, True)]


def test_no_two_masks_are_alike() -> None:
    assert len({frame("order/placeorder")[2:6] for _ in range(100)}) == 100
