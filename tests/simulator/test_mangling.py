"""Frames and deformed events."""

import random
from typing import Any

from daemon.simulator import Faults
from daemon.simulator.mangling import Message, arrange, deform, split_snapshot


def event(kind: str = "order", **fields: Any) -> Message:
    return {"e": "props", "d": {"entityType": kind, "eventType": "Created", "entity": {"id": 1, **fields}}}


def shaped(faults: Faults, message: Message) -> list[Message]:
    return list(deform(message, faults, random.Random(1)))


def test_nothing_is_deformed_without_faults() -> None:
    assert shaped(Faults(), event()) == [event()]


def test_each_deformation() -> None:
    assert shaped(Faults(mute_props=True), event()) == []
    assert shaped(Faults(drop_props=1.0), event()) == []
    assert shaped(Faults(drop_kinds=("order",)), event()) == []
    assert shaped(Faults(drop_kinds=("fill",)), event()) == [event()]
    assert shaped(Faults(duplicate_props=1.0), event()) == [event(), event()]
    assert shaped(Faults(entity_arrays=True), event())[0]["d"]["entity"] == [{"id": 1}]
    assert shaped(Faults(unknown_fields=True), event())[0]["d"]["entity"]["somethingNew"]
    texts = shaped(Faults(numbers_as_strings=True), event(price=5.25, admin=False))[0]["d"]["entity"]
    assert texts == {"id": "1", "price": "5.25", "admin": False}
    strange = shaped(Faults(unknown_events=1.0), event())
    assert [message["e"] for message in strange] == ["otherEnvironmentAdminAlert", "props", "props"]


def test_frames() -> None:
    answer: Message = {"s": 200, "i": 1}
    outbox: list[Message | str] = [answer, event(), "c[3000]", event("fill")]
    dice = random.Random(1)
    assert arrange(outbox, Faults(), dice) == [[answer, event()], "c[3000]", [event("fill")]]
    assert arrange(outbox, Faults(one_message_per_frame=True), dice) == [
        [answer],
        [event()],
        "c[3000]",
        [event("fill")],
    ]
    assert arrange([], Faults(malformed=1.0), dice) == []
    frames = arrange([answer], Faults(malformed=1.0), dice)
    assert isinstance(frames[0], str)
    assert frames[1] == [answer]


def test_shuffling_moves_events_only() -> None:
    answer: Message = {"s": 200, "i": 1}
    events: list[Message | str] = [event(number=place) for place in range(20)]
    (frame,) = arrange([answer, *events], Faults(shuffle_props=True), random.Random(1))
    assert frame[0] == answer
    assert list(frame[1:]) != events
    assert sorted(str(item) for item in frame[1:]) == sorted(str(item) for item in events)


def test_a_split_snapshot_holds_every_list_once() -> None:
    snapshot: dict[str, list[dict[str, Any]]] = {name: [] for name in ("users", "orders", "fills", "positions")}
    parts = split_snapshot(snapshot, 3, random.Random(1))
    assert len(parts) == 3
    assert sorted(key for part in parts for key in part) == sorted(snapshot)
