"""What each kind of line in the journal means and what to do about it: `journalctl --catalog` shows it below the line.

Rule: a kind that is said and is not here fails a test, and so does one that is here and is not said.

`python -m daemon.catalog` prints what packaging/systemd/copierd.catalog is.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from daemon.full_disk import LOOK_AGAIN
from daemon.journal import message_id
from daemon.ledger import Ballast

_NOTHING: Final = "Nothing."


@attrs.frozen
class Explanation:
    """`subject` is a heading, `means` and `do` are sentences."""

    subject: str
    means: str
    do: str = _NOTHING


EXPLAINED: Final[Mapping[str, Explanation]] = {
    "connection.attempted": Explanation(
        "A connection was tried in vain",
        "The session of a login ended, or could not be begun. It is tried again after longer and longer waits, up to a "
        "minute.",
    ),
    "connection.broken": Explanation(
        "An account is not connected",
        "It copies nothing meanwhile; its orders and positions stay at the broker. When it is back, it is read anew, "
        "and what was missed and reduces is made up for.",
        "Nothing, unless it lasts: then copierd doctor, and look at Tradovate's status.",
    ),
    "connection.fixed": Explanation("An account is connected again", "It has been read anew, and it copies."),
    "connection.added": Explanation("An account is new in copier.toml", "A reload has found it; it is connected now."),
    "connection.updated": Explanation(
        "An account has other rules", "A reload has changed its table or that of its copy."
    ),
    "connection.deleted": Explanation(
        "An account is not in copier.toml any more", "A reload has let it go; it owned nothing."
    ),
    "state": Explanation("An account has changed its state", "The fields COPIERD_FROM and COPIERD_STATE say how."),
    "leader.lost": Explanation(
        "The leader is not connected",
        "Nobody sees what the leader does. Its followers open nothing, and keep their orders at the broker.",
        "Nothing, unless you want out: copierctl flatten --copy NAME.",
    ),
    "leader.back": Explanation(
        "The leader is read anew", "Its followers compare themselves with it, and make up for exits."
    ),
    "token.renewed": Explanation("A login has a new token", "Sessions that are open go on."),
    "token.refused": Explanation(
        "Tradovate refuses a login's credential",
        "The password, the key or the authorization was refused, or could not be read. It is asked once and never "
        "tried again by itself: refused attempts lock an address out.",
        "Correct what is wrong, then: copierctl authorize LOGIN.",
    ),
    "token.expiring": Explanation(
        "A token could not be renewed yet",
        "The connection goes on until the token ends; the renewal is tried again until then.",
        "Nothing, unless it comes again and again: then copierd doctor --login LOGIN.",
    ),
    "token.expired": Explanation(
        "A token has ended, and no other is to be had",
        "A connection that is open goes on; the next one fails.",
        "Run copierctl authorize LOGIN, better before the connection is lost.",
    ),
    "authorization.begun": Explanation(
        "An authorization has begun", "A browser was sent to Tradovate, and is waited for."
    ),
    "authorization.failed": Explanation(
        "An authorization has failed",
        "Nothing has changed: a token that was there still is.",
        "Do as the message says, then again: copierctl authorize LOGIN.",
    ),
    "orders.denied": Explanation(
        "The broker lets this login read, and not trade",
        "No account of the login opens anything any more; exits are tried all the same. Often the device is not "
        "approved, or the API key has no Full Access to Orders. A captcha stops exits too.",
        "Mend it, then: copierctl resume ACCOUNT. copierd doctor --login LOGIN says which it is.",
    ),
    "copy.placed": Explanation(
        "An order was accepted", "The broker has taken an order of ours; copierctl why ID has its story."
    ),
    "copy.skipped": Explanation(
        "An order of the leader's is not copied",
        "The message says why: size, cap, hours, an order that cannot be copied, an account that is barred.",
        "Nothing, if you agree; else change what the reason names.",
    ),
    "copy.failed": Explanation(
        "The broker refused a request",
        "A refused entry is not tried again. A refused exit is, and is a page as long as a position stays open by it.",
        "Look at the reason. What must not wait, close in Tradovate.",
    ),
    "copy.unknown": Explanation(
        "A request got no answer, or nothing shows what was accepted",
        "Whether the order exists is looked up. Nothing else is sent in its contract meanwhile; it is not sent twice.",
        "Nothing: it is told when it is known.",
    ),
    "position.drifted": Explanation(
        "A follower is not like its leader",
        "Something was missed, refused, or done from outside. What is too much is closed, what is missing not bought.",
        "Read the message. What you enter by hand is yours, unless you say copierctl adopt ACCOUNT SYMBOL.",
    ),
    "position.unprotected": Explanation(
        "A position has no stop",
        "The leader's has one, or a bracket was asked for, and the follower's is not at the broker.",
        "Look at once. on_stop_refused says whether copierd closes it by itself; else close it in Tradovate.",
    ),
    "account.quarantined": Explanation(
        "Somebody else trades a follower",
        "Your part and your orders are left alone, and nothing opens in that contract while there are any.",
        "Nothing: it ends when they are gone. To copy beside them: copierctl release ACCOUNT SYMBOL.",
    ),
    "account.released": Explanation(
        "A contract is copied again", "A quarantine is over, by itself or because you said so."
    ),
    "account.adopted": Explanation(
        "A position counts as ours", "You have said so; it is closed and protected like a copied one."
    ),
    "account.flattening": Explanation(
        "A follower is being flattened",
        "Its entries are cancelled and what is ours is closed at market; then it is read anew, to see that it is so.",
    ),
    "account.flattened": Explanation(
        "A follower is flat",
        "The broker shows no position and no working order of ours. Nothing opens there.",
        "When you want to go on: copierctl resume ACCOUNT.",
    ),
    "risk.locked": Explanation(
        "A follower has reached a limit",
        "Nothing opens until 17:00 Chicago. What was ours is closed, unless the limit was broken before copying began.",
        "Nothing; sooner: copierctl unlock ACCOUNT.",
    ),
    "risk.unlocked": Explanation(
        "A lock is over", "Its limits count anew. Each contract waits until the leader is flat in it."
    ),
    "risk.blind": Explanation(
        "A follower's profit cannot be read",
        "Its limits cannot guard it, so nothing opens.",
        "Nothing if it passes; else fewer accounts on that login.",
    ),
    "risk.liquidated": Explanation(
        "The firm or the broker has acted",
        "The account was closed out or locked from outside. It is read again, and nothing opens.",
        "Ask the firm, then: copierctl resume ACCOUNT.",
    ),
    "calendar.contradicted": Explanation(
        "The leader traded while the calendar says closed",
        "It was copied: the calendar is wrong, and keeps no trade from being copied.",
        "Compare with copierd hours; correct that day with [[market_hours]].",
    ),
    "hours.table": Explanation(
        "How far the table of market hours is verified", "After that day holidays are not certain."
    ),
    "hours.stale": Explanation(
        "The verified table of market hours ends",
        "An outage on a holiday after that day is told, though it may be expected.",
        "Install a newer copierd in time, or give the days as [[market_hours]].",
    ),
    "clock.stepped": Explanation(
        "This machine's clock was set",
        "copierd goes on as the broker's clock says.",
        "Let a time service keep the clock.",
    ),
    "clock.skewed": Explanation(
        "This machine's clock is off the broker's",
        "Beyond 30 s copierd neither silences nor holds back anything by the calendar.",
        "Set the clock, and let a time service keep it.",
    ),
    "daemon.started": Explanation(
        "copierd has started every account", "From here on systemd calls it ready. The accounts connect."
    ),
    "daemon.ready": Explanation(
        "Every follower has been compared with its leader",
        "The message names those that are not like it.",
        "Nothing where all match; else as the message says.",
    ),
    "daemon.stopped": Explanation(
        "copierd stops, or cannot start",
        "Orders and positions stay at the broker, and nobody looks after them.",
        "After a clean stop nothing. Else do as the message says, then: systemctl start copierd.",
    ),
    "daemon.reloaded": Explanation(
        "copier.toml was read again",
        "A file with an error changes nothing.",
        "Nothing, unless the message names an error: mend it, then: systemctl reload copierd.",
    ),
    "daemon.bug": Explanation(
        "Something went wrong inside copierd",
        "What it was stands below the message. An account that is struck by it only closes.",
        "Report it, with what copierctl report writes; then copierctl resume ACCOUNT.",
    ),
    "daemon.log": Explanation("A library of copierd has something to say", "It is passed on as it is."),
    "turn.failed": Explanation(
        "An account's decision went wrong",
        "A bug. The event counts as taken, and the account only closes until it has been read anew.",
        "Report it, with what copierctl report writes; then copierctl resume ACCOUNT.",
    ),
    "unexpected": Explanation("An event that its state has no answer to", "It is counted, and changes nothing."),
    "ledger.upgraded": Explanation(
        "The ledger was brought up to date",
        "A newer copierd has changed its schema. As it was before, it is kept in the file that the message names.",
        "Nothing; delete that file when you are content with the new version.",
    ),
    "disk.full": Explanation(
        "The disk is full",
        "Nothing opens; exits go on in room that was kept for this. When that is used up too, copierd ends.",
        f"Make room there now, until {Ballast(Path()).room >> 20} MB are free; copierd looks every {LOOK_AGAIN:g} s.",
    ),
    "disk.writable": Explanation("The disk has room again", "The accounts are read anew, and copying resumes."),
    "broker.unreadable": Explanation(
        "The broker said something that copierd does not understand",
        "It is left out; the account is read anew where that matters.",
        "Nothing if it is rare; else report it, with what copierctl report writes.",
    ),
    "notification.failed": Explanation(
        "A notification could not be delivered",
        "It is tried again for an hour, in order; copying does not wait for it.",
        "Look at the address in [[notify]].",
    ),
    "notification.dropped": Explanation(
        "A notification was given up",
        "It could not be delivered for too long, or there were too many.",
        "Look at the address in [[notify]]; what it would have said is in this journal.",
    ),
    "notification.taken": Explanation(
        "Notifications are delivered again", "What was lost meanwhile is counted in the message."
    ),
    "notification.unsigned": Explanation(
        "Notifications are not signed",
        "Who receives them cannot tell whether they come from copierd.",
        "Give the secret notify.secret, as the message says.",
    ),
    "operator.asked": Explanation(
        "Somebody asked for something", "copierctl, the status page or a program; the message says what."
    ),
    "control.broken": Explanation("A client of the control socket broke off", "It is no concern of copying."),
    "control.lost": Explanation(
        "The control socket has gone from its place",
        "Somebody has removed it, or its directory: that below /run/user goes when its user logs out. It is made anew "
        "as soon as it can be; copying goes on.",
        "What the message says. For a daemon that is to outlive a login: loginctl enable-linger, or the service.",
    ),
    "simulator.started": Explanation("The simulated broker listens", "Orders go to it and nowhere else."),
}


def catalog() -> str:
    """In the form of journalctl's catalogs (systemd.io, Journal Message Catalogs)."""
    return "\n".join(
        f"-- {message_id(name)}\nSubject: {one.subject}\nDefined-By: copierd\nDocumentation: man:copierd(8)\n\n"
        f"{one.means}\n\nWhat to do: {one.do}\n"
        for name, one in sorted(EXPLAINED.items())
    )


if __name__ == "__main__":
    sys.stdout.write(catalog())
