"""Deterministic client order ids: the same decision always has the same id, also after a crash.

Rule 1: an id is a digest of (leader's and follower's broker account ids, cause, verb, leg, attempt) and of nothing
        else: no clock, no counter of arrivals, no dice. So a broker that remembers an id can be asked whether a
        decision was carried out, by a process that has forgotten everything.
Rule 2: it fits Tradovate's clOrdId and text (64 characters) and customTag50 (50).
"""

from __future__ import annotations

import hashlib

from statecharts.values import BrokerAccountId, CopyId

PREFIX = "cpd-"
# RFC 4648's base 32 in small letters, two at a time: base64.b32encode takes three times as long for the same.
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_PLACES = range(150, -1, -10)  # of the 160 bits


def client_order_id(
    leader: BrokerAccountId, follower: BrokerAccountId, cause: int, verb: str, leg: int, attempt: int
) -> CopyId:
    """`cause` is the leader's orderVersion id; for our own closings our newest fill id of that contract.

    `leg` tells those of one cause apart: of a change, it is the number of the order that is changed.
    """
    text = f"{leader}/{follower}/{cause}/{verb}/{leg}/{attempt}"
    digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=20).digest(), "big")
    return CopyId(PREFIX + "".join([_PAIRS[digest >> place & 1023] for place in _PLACES]))
