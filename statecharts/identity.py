"""Deterministic client order ids: the same decision always has the same id, also after a crash.

Rule 1: an id is a digest of (leader's and follower's broker account ids, cause, verb, leg, attempt) and of nothing
        else: no clock, no counter of arrivals, no dice. So a broker that remembers an id can be asked whether a
        decision was carried out, by a process that has forgotten everything.
Rule 2: it fits Tradovate's clOrdId and text (64 characters) and customTag50 (50).
"""

from __future__ import annotations

from hashlib import blake2b

from statecharts.values import BrokerAccountId, CopyId

PREFIX = "cpd-"
# RFC 4648's base 32 in small letters: of 160 bits each half, each half of a half, and so on five times, is moved apart,
# until each 5 bits have a byte of their own. (base64.b32encode takes three times as long for the same.)
_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567" + bytes(224)
_MOVES = [
    (sum((2**bits - 1) << place for place in range(0, 256, 2 * apart)), bits, apart)
    for bits, apart in ((80, 128), (40, 64), (20, 32), (10, 16), (5, 8))
]
_HALVES = [(low, low << bits, apart - bits) for low, bits, apart in _MOVES]


def client_order_id(
    leader: BrokerAccountId, follower: BrokerAccountId, cause: int, verb: str, leg: int, attempt: int
) -> CopyId:
    """`cause` is the leader's orderVersion id; for our own closings our newest fill id of that contract.

    `leg` tells those of one cause apart: of a change, it is the number of the order that is changed.
    """
    text = f"{leader}/{follower}/{cause}/{verb}/{leg}/{attempt}"
    digest = int.from_bytes(blake2b(text.encode(), digest_size=20).digest(), "big")
    for low, high, by in _HALVES:
        digest = digest & low | (digest & high) << by
    return CopyId(PREFIX + digest.to_bytes(32, "big").translate(_LETTERS).decode())
