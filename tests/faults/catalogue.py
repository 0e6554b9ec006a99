"""The catalogue: every fault that the worlds know, and every invariant, or the test elsewhere that has it.

A fault is named by what brings it about here: an act of the nemesis, a fault of the look-alike, a figure of the
climate, a deed of the leader's. What a world in memory cannot have is proven by a test of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

FAULTS: Mapping[str, tuple[str, ...]] = {
    # the network
    "N01 latency": ("latency", "slow"),
    "N02 latency of one direction": ("slow",),
    "N03 reset of both ends": ("reset",),
    "N04 the end without a WebSocket close": ("cut_server",),
    "N05 half-open: bytes vanish, and nobody is told": ("half_open",),
    "N06 a stall, then a burst": ("stall",),
    "N07 connections refused, or hanging": ("refuse", "silence"),
    "N08 the connection dies within the handshake": ("handshake", "refuse"),
    "N09 the route is lost for all accounts at once": ("refuse", "silence", "down", "closes_at"),
    "N10 frames in pieces": ("pieces",),
    # the WebSocket server
    "W01 close codes, notices, shutdown": ("close_codes", "farewell", "shutdown"),
    "W02 accepted and closed at once": ("flap",),
    "W03 heartbeats without data, data without heartbeats": ("heartless", "mute"),
    "W04 authorize refused, late, never answered": ("authorize",),
    "W05 a sync that is silent, empty, cut, in parts, refused": ("unsynced", "sync_parts", "throttle_reads"),
    "W06 authorized, and nothing is pushed": ("mute", "unsynced"),
    "W07 nonsense, strange events, huge frames": ("malformed", "unknown_events", "numbers_as_strings", "huge"),
    "W08 a second session evicts ours": ("evict", "max_sessions"),
    # the broker
    "B01 events lost": ("drop_props",),
    "B02 events doubled, at once or much later": ("duplicate_props", "replay"),
    "B03 events in another order": ("shuffle_props", "props_delay", "events_first"),
    "B04 a snapshot that events overtake": ("sync_delay",),
    "B05 the day is told once more": ("replay",),
    "B06 reads lag the stream": ("read_lag",),
    "B07 partial fills": ("fill_size", "fill_gap"),
    "B08 refusals at every stage, with known and unknown reasons": ("reject",),
    "B09 a trade is taken back": ("bust",),
    "B10 the firm closes, cancels, locks": ("liquidate", "lock"),
    "B11 through zero; in and out within a moment": ("flip", "scalp"),
    "B12 a halted market, orders denied": ("halt", "reject", "deny"),
    "B13 one follower alone is refused or locked": ("reject", "lock"),
    "B14 somebody else trades the follower": ("human", "human_cancels"),
    # requests
    "H01 a request is lost": ("request_lost",),
    "H02 an answer is lost": ("answer_lost",),
    "H03 accepted, and answered with an error": ("error_after",),
    "H04 accepted late": ("late",),
    "H05 penalty tickets, also with a captcha": ("penalty", "captcha"),
    "H06 429 and 423": ("throttle", "throttle_reads"),
    "H07 answers wait for each other": ("answer_delay", "read_lost"),
    # tokens
    "Q01 a token ends at any moment": ("expire_tokens", "token_life"),
    "Q02 renewals refused, useless, or not served": ("renewals",),
    "Q03 a token is revoked, a password changed": ("revoke_tokens", "password"),
    "Q04 more renewals than an address has": ("tests/daemon/test_check.py",),
    # time
    "T01 the wall clock is set": ("clock_step",),
    "T02 the machine sleeps": ("suspend",),
    "T03 the clock of another country, summer and winter": ("tests/statecharts/test_market_hours_platform.py",),
    "T04 the process stands still": ("suspend", "tests/system/test_frozen.py"),
    # the process
    "P01 death at every call of a port": ("kill", "kill_at_port"),
    "P02 a crash loop": ("crash_loop",),
    "P03 two processes": ("tests/system/test_frozen.py",),
    "P04 a stop while orders are on their way": ("stop",),
    # the disk
    "D01 a full disk": ("disk_full",),
    "D02 a power cut takes the last commits": ("power",),
    "D03 a spoiled ledger": ("tests/daemon/test_ledger.py",),
    "D04 a disk on which a commit takes seconds": ("slow_disk",),
    # the operator
    "O01 pause, resume, flatten, reconnect, reload at any moment": (
        "pause",
        "flatten",
        "resync",
        "reconnect",
        "disconnect",
        "reload",
    ),
    "O02 a configuration that makes no sense": ("tests/daemon/test_config_refusals.py",),
}
# What nothing brings about, and why.
MISSING: Mapping[str, str] = {
    "B15 the same order id in two accounts": "orders are numbered over all accounts, here as at the broker",
}
# By number, the invariants that tests/faults/invariants.py does not look at.
ELSEWHERE: Mapping[str, str] = {
    "I12 what happens to one account changes no other": "tests/statecharts/test_invariants.py",
    "I13 the same events in any order come to the same": "tests/daemon/tradovate/test_mirror.py",
    "I15 half a snapshot is not flat": "tests/scenarios/test_unreadable.py",
    "I20 the jitter keeps to its bounds": "tests/scenarios/test_budget.py",
    "I22 a quiet socket that is healthy is left alone": "tests/scenarios/test_silent_stream.py",
    "I23 half a frame ends its connection": "tests/daemon/tradovate/test_socket.py",
    "I25 a spoiled ledger is noticed": "tests/daemon/test_ledger.py",
    "I26 two processes cannot both send": "tests/system/test_frozen.py",
    "I27 a clock that is set changes no decision": "tests/daemon/test_clock.py",
    "I29 sizes are integers": "tests/statecharts/test_sizing.py",
    "I30 the book forgets what is over": "tests/daemon/test_copy_rows.py",
    "I36 one alarm and one all-clear": "tests/scenarios/test_notifications.py",
    "I37 the watchdog is fed while there is progress": "tests/system/test_frozen.py",
}
