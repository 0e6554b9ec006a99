"""A text as the frame of a client. Pure, but for the dice.

(wsproto takes 16 us for the frame of an order, this takes 3; and a round frames all of its orders before the first byte
is out.)
"""

from __future__ import annotations

import os
import struct

_WHOLE_TEXT, _MASKED = 0x81, 0x80  # RFC 6455, section 5.2


def frame(text: str) -> bytes:
    """One unfragmented text frame, under a mask that nobody can foresee, as section 5.3 asks for."""
    payload, key = text.encode(), os.urandom(4)
    size = len(payload)
    if size < 126:
        head = bytes((_WHOLE_TEXT, _MASKED | size))
    elif size < 1 << 16:
        head = struct.pack(">BBH", _WHOLE_TEXT, _MASKED | 126, size)
    else:
        head = struct.pack(">BBQ", _WHOLE_TEXT, _MASKED | 127, size)
    mask = (key * (size // 4 + 1))[:size]
    # As one large number each: to mask byte by byte takes several times as long.
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
    return head + key + masked.to_bytes(size, "big")
