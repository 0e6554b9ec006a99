"""Everything the look-alike can be told to do wrong, as one frozen value.

Probabilities are between 0 and 1, durations are seconds, ranges are `[least, most]` in seconds. Change at run time with
`server.faults = attrs.evolve(server.faults, drop_props=0.2)`. The TOML form has the same names at the top level, and
timed acts, carried out once so many seconds after the server has started:

    idle_limit   = 10.0
    fill_delay   = [0.05, 0.3]
    drop_props   = 0.02
    login_style  = "status"

    [[acts]]
    after = 30.0
    act   = "drop_sockets"          # a public method of Deeds, else of Broker
    with  = { login = "apex" }      # its arguments
"""

import math
import tomllib
from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from daemon.config.key_lines import KeyLines

Range: TypeAlias = tuple[float, float]


class FaultsInvalid(ValueError):
    """The description of faults cannot be used; the message names the key. `line`: where it stands in the file."""

    def __init__(self, words: str, line: int | None = None) -> None:
        super().__init__(words)
        self.line = line


@attrs.frozen
class Act:
    """One act of the script in a faults file."""

    after: float
    act: str
    arguments: Mapping[str, Any] = attrs.field(factory=dict)
    line: int | None = None  # of the file


@attrs.frozen
class Faults:
    """The defaults are a healthy broker with the conventions of the Tradovate documents."""

    # the exchange
    risk_delay: Range = (0.0, 0.0)  # from the answer to risk check and arrival at the exchange
    fill_delay: Range = (0.0, 0.0)  # from executable to the first fill
    fill_size: int = 0  # the most contracts one fill has; 0 means whole orders
    fill_gap: Range = (0.0, 0.0)  # between the partial fills of one order
    cancel_delay: Range = (0.0, 0.0)  # from the answer of cancel or modify to its effect
    omit_cl_ord_id: bool = False  # commands come without clOrdId and customTag50
    omit_text: bool = False  # order versions come without text
    quiet_turn: bool = False  # the turn of the session changes no cash balance: it shows the day before until a trade
    oso_wake: str = "last_fill"  # children start work at the parent's "first_fill", "each_fill" or "last_fill"

    # tokens
    token_life: float = 90 * 60.0
    max_sessions: int = 2  # concurrent sessions of a user; one more closes the oldest
    evicted_status: int = 408  # what a closed session's token gets: 408, 429 or 500
    evict_closes_sockets: bool = True
    login_style: str = "text"  # wrong credentials answer "text" (200 + errorText) or "status" (401 + {error, message})
    renew_status: int = 200  # other than 200: every renewal is answered so
    renew_same_token: bool = False
    expiration_shift: float = 0.0  # the expirationTime that is told is so much later than the real end
    bad_token_status: int = 401  # what an unknown token, or one that has ended, gets over REST
    bad_token_words: bool = True  # whether anything is said with it
    missing_order: str = "denied"  # a cancel or modify of an order that is not there: "denied" (401) or "not_found"
    insist_on_tickets: bool = False  # a penalised request without its ticket is penalised again
    finished_order: str = "too_late"  # a cancel or modify of an order that is finished: "too_late", or "denied" (401)
    consent_life: float = 600.0  # the page of /oauth, left open for longer, is expired
    code_life: float = 60.0
    refresh_life: float = 26 * 3600.0
    no_refresh_token: bool = False  # as before 2026: auth/oauthtoken gives an access token alone
    live: bool = False  # live profile: an unapproved deviceId may read, its orders get 401 "Access is denied"

    # being there at all
    down: bool = False  # REST 503, handshakes 503
    refusing: bool = False  # connections are closed before a byte is answered
    handshake_status: int = 0  # refuse WebSocket handshakes with this status, e.g. 429 or 421
    handshake_silent: bool = False  # never answer the handshake
    accept_then_close: bool = False  # accept the WebSocket and close it at once
    redirect: str = ""  # REST answers 307 with this base address
    dedicated: str = ""  # the base address that alone answers: elsewhere REST gets 307 to it, a WebSocket 421
    api_hosts: bool = True  # whether renewals name its host, as apiHosts

    # answers
    answer_delay: Range = (0.0, 0.0)  # between the act and its answer; a range puts answers out of order
    request_lost: float = 0.0  # an order request never reaches the broker
    answer_lost: float = 0.0  # accepted, no answer
    error_after: float = 0.0  # accepted, then 500
    late: float = 0.0  # accepted late ...
    late_delay: Range = (4.0, 60.0)  # ... by this much
    read_lost: float = 0.0  # any other request is never answered
    read_lag: float = 0.0  # reads do not show entities younger than this
    requests_per_minute: int = 0  # more than this per user: 429 without a body; 0 means no limit

    # the socket
    heartbeat: float = 2.5
    heartbeats: bool = True
    idle_limit: float = 15.0  # without a client frame for so long the server closes
    authorize_status: int = 200
    authorize_delay: float = 0.0
    authorize_silent: bool = False
    authorize_anyone: bool = False  # a token that nobody has issued is answered with 200 too
    authorize_words: str = "Invalid access token"  # with a refusal
    farewell_unheard: bool = False  # the client's WebSocket close is not answered
    sync_status: int = 200
    sync_delay: float = 0.0  # the snapshot is taken, then delivered so much later: events overtake it
    sync_gap: float = 0.0  # the subscription starts so long after the snapshot was taken: events in between are lost
    sync_silent: bool = False
    sync_empty: bool = False  # a snapshot without any list but the required ones
    sync_bare: bool = False  # the user is in the snapshot; every other list is there, and empty
    sync_truncated: bool = False  # the frame with the snapshot is cut in the middle
    sync_parts: int = 1  # the snapshot comes in so many answers with the same id
    sync_always_split: bool = False  # split even when splitResponses was not asked for

    # events
    one_message_per_frame: bool = False
    events_first: bool = False  # events overtake the answer of the request that caused them
    mute_props: bool = False  # authorized and synced, but nothing is pushed
    drop_props: float = 0.0
    drop_kinds: tuple[str, ...] = ()  # entity types whose events never arrive
    duplicate_props: float = 0.0
    shuffle_props: bool = False  # the events of one turn arrive in any order
    props_delay: Range = (0.0, 0.0)  # each event on its own: reorders within the window
    entity_arrays: bool = False  # `entity` is an array
    unknown_events: float = 0.0  # chance that an event is preceded by one of an unknown name or type
    unknown_fields: bool = False
    numbers_as_strings: bool = False
    malformed: float = 0.0  # chance that a frame is preceded by one that is no JSON

    acts: tuple[Act, ...] = ()

    @classmethod
    def from_toml(cls, text: str) -> "Faults":
        """Read the form described above. Raises FaultsInvalid."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise FaultsInvalid(f"not TOML: {error}") from error
        known = {field.name: field.default for field in attrs.fields(cls)}
        given: dict[str, Any] = {}
        lines = KeyLines(text)
        for key, value in document.items():
            try:
                if key not in known:
                    raise FaultsInvalid(f"{key}: unknown; known are {', '.join(known)}")
                given[key] = _acts(value, lines) if key == "acts" else _fitting(key, _like(key, value, known[key]))
            except FaultsInvalid as wrong:
                raise FaultsInvalid(str(wrong), wrong.line or lines[(key,)]) from None
        return cls(**given)


_CHANCES = frozenset(
    {
        *("request_lost", "answer_lost", "error_after", "late", "read_lost"),
        *("drop_props", "duplicate_props", "unknown_events", "malformed"),
    }
)
_ABOVE_ZERO = frozenset(("heartbeat", "idle_limit", "max_sessions", "sync_parts"))
_ANY_NUMBER = frozenset(("expiration_shift",))
_WORDS: Mapping[str, tuple[str, ...]] = {
    "oso_wake": ("first_fill", "each_fill", "last_fill"),
    "login_style": ("text", "status"),
    "missing_order": ("denied", "not_found"),
    "finished_order": ("too_late", "denied"),
}


def _fitting(key: str, value: object) -> object:
    """`value`, if the house can do it: it would fall at that moment otherwise. Raises FaultsInvalid."""
    if key in _WORDS and value not in _WORDS[key]:
        raise FaultsInvalid(f"{key}: one of {', '.join(_WORDS[key])} is needed, not {value!r}")
    numbers = value if isinstance(value, tuple) else (value,)
    for number in numbers:
        if isinstance(number, int | float) and key not in _ANY_NUMBER and not _seconds(number):
            raise FaultsInvalid(f"{key}: a number of at least 0 is needed, not {number}")
    if key in _ABOVE_ZERO and value == 0:
        raise FaultsInvalid(f"{key}: more than 0 is needed")
    if key in _CHANCES and isinstance(value, float) and value > 1:
        raise FaultsInvalid(f"{key}: a chance is between 0 and 1, not {value}")
    if isinstance(value, tuple) and list(value) != sorted(value) and not key.endswith("kinds"):
        raise FaultsInvalid(f"{key}: the least comes first, as in [0.05, 0.3]")
    return value


def _seconds(number: float) -> bool:
    return math.isfinite(number) and number >= 0


def _like(key: str, value: object, default: object) -> object:
    """`value` in the type of the default, or FaultsInvalid."""
    if isinstance(default, tuple):
        if not isinstance(value, list):
            raise FaultsInvalid(f"{key}: a list is needed")
        if key.endswith("kinds"):
            return tuple(str(item) for item in value)
        if len(value) != 2 or not all(isinstance(item, int | float) for item in value):
            raise FaultsInvalid(f"{key}: two numbers are needed, [least, most] in seconds")
        return (float(value[0]), float(value[1]))
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise FaultsInvalid(f"{key}: {type(default).__name__} is needed, not {type(value).__name__}")
    return value


def _acts(value: object, lines: KeyLines) -> tuple[Act, ...]:
    if not isinstance(value, list):
        raise FaultsInvalid("acts: write [[acts]] tables")
    acts: list[Act] = []
    for number, item in enumerate(value):
        line = lines[("acts", number)]
        if not isinstance(item, dict) or not {"after", "act"} <= set(item) <= {"after", "act", "with"}:
            raise FaultsInvalid("acts: each needs `after` and `act`, and may have `with`", line)
        arguments = item.get("with", {})
        after = item["after"]
        if not isinstance(arguments, dict) or type(after) not in (int, float) or not _seconds(after):
            raise FaultsInvalid("acts: `after` is seconds and `with` a table", line)
        acts.append(Act(float(after), str(item["act"]), arguments, line))
    return tuple(acts)
