"""Every kind of event, and what it says. `python -m daemon.kinds` prints the table of the README, with the MESSAGE_IDs.

Rule: a kind keeps its name and its MESSAGE_ID, which comes of the name: filters on other machines hold them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

# For notifications too: what `events` of a [[notify]] may name.
TOLD: Final[Mapping[str, str]] = {
    "connection.attempted": "a login's session ended, or could not be begun",
    "connection.broken": "an account lost its connection",
    "connection.fixed": "it is connected again",
    "connection.added": "an account is new in the configuration",
    "connection.updated": "an account has other rules",
    "connection.deleted": "an account is in the configuration no more",
    "leader.lost": "a leader is gone, and what its followers hold",
    "leader.back": "it is back",
    "token.renewed": "a login's token was renewed",
    "token.refused": "the broker refused a credential",
    "token.expiring": "a token could not be renewed yet",
    "token.expired": "a token has ended",
    "orders.denied": "the broker lets a login read and not trade",
    "copy.placed": "an order of a follower is at the broker",
    "copy.skipped": "nothing was sent, and why",
    "copy.failed": "an order was refused, or trading was stopped for a fault",
    "copy.unknown": "no answer came to an order, or nothing shows it; it is looked up",
    "position.drifted": "a follower is not like its leader",
    "position.unprotected": "a position has no stop",
    "account.quarantined": "somebody else trades a contract of the account",
    "account.released": "a contract is traded again",
    "account.adopted": "a position counts as copied from now on",
    "account.flattening": "an account is being closed out",
    "account.flattened": "what was copied there is out, as the broker shows it",
    "disk.full": "hardly anything can be written down: nothing opens",
    "disk.writable": "there is room again",
    "risk.locked": "a limit has locked an account",
    "risk.unlocked": "the lock has ended",
    "risk.blind": "what a limit looks at cannot be read: nothing opens",
    "risk.liquidated": "the firm or the broker has acted",
    "calendar.contradicted": "the leader trades while the calendar says closed",
    "daemon.started": "copierd runs",
    "daemon.ready": "every follower was compared with its leader",
    "daemon.stopped": "copierd stops, has stopped, or could not start",
}
# In the journal; those about accounts and logins also on the control socket.
NOTED: Final[Mapping[str, str]] = {
    "state": "an account has changed its state",
    "operator.asked": "somebody gave an order through the control socket",
    "authorization.begun": "an authorization in a browser has begun",
    "authorization.failed": "it has failed",
    "broker.unreadable": "the broker said what could not be understood",
    "clock.skewed": "this machine's clock is off the broker's",
    "clock.stepped": "somebody has set this machine's clock",
    "hours.table": "how far the market hours are verified",
    "hours.stale": "the table of market hours nears its end",
    "ledger.upgraded": "the ledger was brought to a newer form",
    "notification.failed": "an address did not take a notification; it is tried again",
    "notification.taken": "it takes them again",
    "notification.dropped": "notifications were given up",
    "notification.unsigned": "notifications leave without a signature",
    "simulator.started": "the simulated broker listens",
    "control.broken": "a client of the control socket broke off",
    "control.lost": "the control socket has gone from its place, or is there again",
    "daemon.reloaded": "the configuration was read again, or could not be",
    "daemon.log": "a library said something",
    "turn.failed": "a bug: one event could not be handled, its account only closes",
    "daemon.bug": "a bug, with its traceback",
}
ALL: Final[Mapping[str, str]] = {**TOLD, **NOTED}


def table() -> Iterator[str]:
    """As it stands in the README."""
    from daemon.journal import message_id  # it knows systemd; who only wants the names need not

    yield "| event | MESSAGE_ID | what it says |"
    yield "|---|---|---|"
    for kind, words in ALL.items():
        yield f"| `{kind}` | `{message_id(kind)}` | {words} |"


if __name__ == "__main__":
    print("\n".join(table()))
