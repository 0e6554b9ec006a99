"""Deterministic client order ids: the same decision always has the same id, also after a crash.

Rule 1: an id is a digest of (leader's and follower's broker account ids, cause, verb, leg, attempt) and of nothing
        else: no clock, no counter of arrivals, no dice. So a broker that remembers an id can be asked whether a
        decision was carried out, by a process that has forgotten everything.
Rule 2: it fits Tradovate's clOrdId and text (64 characters) and customTag50 (50).
"""

from __future__ import annotations

import base64
import hashlib

from statecharts.values import BrokerAccountId, CopyId

PREFIX = "cpd-"


def client_order_id(
    leader: BrokerAccountId, follower: BrokerAccountId, cause: int, verb: str, leg: int, attempt: int
) -> CopyId:
    """`cause` is the leader's orderVersion id; for our own closings our newest fill id of that contract.

    `leg` tells those of one cause apart: of a change, it is the number of the order that is changed.
    """
    text = f"{leader}/{follower}/{cause}/{verb}/{leg}/{attempt}"
    digest = hashlib.blake2b(text.encode(), digest_size=20).digest()
    return CopyId(PREFIX + base64.b32encode(digest).decode().lower())
