"""What a world is like, drawn from its seed: which faults there are, how often, and how bad.

Some faults are off in a world and some are extreme: where everything happens all the time, little is ever seen.
Rates are per minute, probabilities per occasion, durations in seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import attrs

# What the look-alike does wrong all the time: a field of its Faults, and how it is drawn.
BROKER: Mapping[str, Callable[[random.Random], Any]] = {
    "risk_delay": lambda r: (0.0, r.uniform(0.0, 0.3)),
    "fill_delay": lambda r: (0.0, r.uniform(0.0, 0.5)),
    "fill_size": lambda r: r.choice((0, 1, 1, 2)),
    "fill_gap": lambda r: (0.0, r.uniform(0.0, 1.0)),
    "cancel_delay": lambda r: (0.0, r.uniform(0.0, 0.5)),
    "answer_delay": lambda r: (0.0, r.choice((0.02, 0.2, 1.0))),
    "oso_wake": lambda r: r.choice(("first_fill", "each_fill", "last_fill")),
    "request_lost": lambda r: r.choice((0.01, 0.05, 0.2)),
    "answer_lost": lambda r: r.choice((0.01, 0.05, 0.2)),
    "error_after": lambda r: r.choice((0.01, 0.05)),
    "late": lambda r: r.choice((0.01, 0.05)),
    "read_lost": lambda r: r.choice((0.002, 0.01)),
    "read_lag": lambda r: r.uniform(0.1, 2.0),
    "events_first": lambda r: True,
    "one_message_per_frame": lambda r: True,
    "drop_props": lambda r: r.choice((0.01, 0.1, 0.6)),
    "duplicate_props": lambda r: r.choice((0.05, 0.3)),
    "shuffle_props": lambda r: True,
    "props_delay": lambda r: (0.0, r.choice((0.05, 0.5, 2.0))),
    "entity_arrays": lambda r: True,
    "unknown_events": lambda r: 0.1,
    "unknown_fields": lambda r: True,
    "numbers_as_strings": lambda r: True,
    "malformed": lambda r: 0.02,
    "omit_text": lambda r: True,
    "sync_delay": lambda r: r.uniform(0.0, 3.0),
    "sync_parts": lambda r: r.randint(2, 5),
    "sync_always_split": lambda r: True,
    "login_style": lambda r: "status",
    "evicted_status": lambda r: r.choice((408, 429, 500)),
    "max_sessions": lambda r: 1,
    "missing_order": lambda r: "not_found",
    "token_life": lambda r: r.uniform(120.0, 600.0),
}
# What happens now and then: an act of the nemesis, and the most of it in a minute.
ACTS: Mapping[str, float] = {
    "reset": 1.5,
    "cut_server": 1.0,
    "half_open": 0.5,
    "stall": 0.7,
    "refuse": 0.3,
    "silence": 0.2,
    "slow": 0.4,
    "close_codes": 0.4,
    "farewell": 0.3,
    "shutdown": 0.2,
    "flap": 0.15,
    "down": 0.2,
    "mute": 0.2,
    "unsynced": 0.1,
    "huge": 0.1,
    "replay": 0.3,
    "expire_tokens": 0.1,
    "revoke_tokens": 0.1,
    "evict": 0.08,
    "throttle": 0.06,
    "penalty": 0.1,
    "reject": 0.6,
    "kill": 0.5,
    "power": 0.15,
    "clock_step": 0.1,
    "pause": 0.2,
    "flatten": 0.1,
    "stop": 0.15,
    "crash_loop": 0.05,
    "disk_full": 0.1,
    "suspend": 0.1,
    "human": 0.1,
    "human_cancels": 0.1,
    "throttle_reads": 0.03,
    "captcha": 0.02,
    "renewals": 0.1,
    "authorize": 0.1,
    "handshake": 0.1,
    "heartless": 0.1,
    "password": 0.03,
    "deny": 0.06,
    "liquidate": 0.05,
    "lock": 0.06,
    "halt": 0.1,
    "bust": 0.1,
    "resync": 0.4,
    "reconnect": 0.3,
    "disconnect": 0.1,
    "slow_disk": 0.1,
    "reload": 0.2,
}
# What a configuration may say besides, and how often it does.
LOGIN: Mapping[str, float] = {
    'on_evicted = "retake"': 0.2,
    "requests_per_minute = 90": 0.15,
}
COPY: Mapping[str, float] = {
    'mode = "fills"': 0.15,
    'catch_up = "fresh"': 0.2,
    'bracket_wait = "300ms"': 0.15,
    'on_leader_lost = "flatten"\nleader_lost_after = "30s"': 0.1,
}
FOLLOWER: Mapping[str, float] = {
    "bracket = { stop = 20, target = 40 }": 0.15,
    "daily_loss_limit = 2000": 0.15,
    "runaway = { orders = 12, per = '5s' }": 0.1,
    'on_stop_refused = "tell"': 0.1,
}


@attrs.frozen
class Climate:
    """`faults` are for the look-alike's Faults, `acts` the rate of each act per minute."""

    seed: int
    faults: Mapping[str, Any]
    acts: Mapping[str, float]
    kill_at_port: float  # chance that the process dies, at each call of a port
    trading: float  # seconds between two deeds of the leader, on average
    own_login: bool  # is one follower on a login of its own?
    login: str  # lines of the configuration: of each login, of the copy, of each follower
    copy: str
    follower: str
    latency: tuple[float, float]
    pieces: int
    closes_at: float | None  # after this part of the storm the broker's maintenance window begins, if one does

    @property
    def refuses_tokens(self) -> bool:
        """Is there anything in this world for which a login may have to be authorized anew?"""
        ill = {"expire_tokens", "revoke_tokens", "evict", "password", "authorize", "renewals", "penalty", "captcha"}
        return bool(ill & self.acts.keys() or {"token_life", "max_sessions", "login_style"} & self.faults.keys())

    @classmethod
    def of(cls, seed: int) -> Climate:
        r = random.Random(f"climate {seed}")
        share = r.choice((0.15, 0.3, 0.6))  # of the faults there is in this world
        faults = {name: draw(r) for name, draw in BROKER.items() if r.random() < share}
        acts = {name: most * r.choice((0.2, 0.5, 1.0, 2.0)) for name, most in ACTS.items() if r.random() < share}
        return cls(
            seed,
            faults,
            acts,
            kill_at_port=r.choice((0.0, 0.0, 0.0001, 0.0004)),
            trading=r.choice((7.0, 12.0, 20.0)),
            own_login=r.random() < 0.4,
            login=_some(r, LOGIN),
            copy=_some(r, COPY),
            follower=_some(r, FOLLOWER),
            latency=(0.001, r.choice((0.005, 0.03, 0.3))),
            pieces=r.choice((0, 0, 0, 5)),
            closes_at=_window(random.Random(f"window {seed}")),
        )


def _window(r: random.Random) -> float | None:
    return r.uniform(0.1, 0.8) if r.random() < 0.2 else None


def _some(r: random.Random, lines: Mapping[str, float]) -> str:
    return "\n".join(line for line, chance in lines.items() if r.random() < chance)
