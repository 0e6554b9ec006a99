"""How messages are put into frames, and how faults deform them on the way."""

from collections.abc import Iterator
from random import Random
from typing import Any, TypeAlias

from daemon.simulator.entities import Entity
from daemon.simulator.faults import Faults

Message: TypeAlias = dict[str, Any]


def deform(message: Message, faults: Faults, dice: Random) -> Iterator[Message]:
    """What really goes out for one event: nothing, it, it twice, it in another shape, something unknown before it."""
    data = message["d"]
    if faults.mute_props or data["entityType"] in faults.drop_kinds or _chance(faults.drop_props, dice):
        return
    if _chance(faults.unknown_events, dice):
        yield {"e": "otherEnvironmentAdminAlert", "d": {"text": "unknown on purpose"}}
        yield {"e": "props", "d": {"entityType": "moonPhase", "eventType": "Created", "entity": {"id": 1}}}
    entity = dict(data["entity"])
    if faults.unknown_fields:
        entity["somethingNew"] = {"since": 2027}
    if faults.numbers_as_strings:
        entity = {key: _as_text(value) for key, value in entity.items()}
    shaped: Message = {"e": "props", "d": {**data, "entity": [entity] if faults.entity_arrays else entity}}
    yield shaped
    if _chance(faults.duplicate_props, dice):
        yield shaped


def arrange(outbox: list[Message | str], faults: Faults, dice: Random) -> list[list[Message] | str]:
    """Messages into frames: those of one turn together, or each alone. Raw frames stay as they are."""
    if faults.shuffle_props:
        outbox = _shuffled(outbox, dice)
    frames: list[list[Message] | str] = []
    for item in outbox:
        last = frames[-1] if frames else ""
        if isinstance(item, dict) and isinstance(last, list) and not faults.one_message_per_frame:
            last.append(item)
        else:
            frames.append([item] if isinstance(item, dict) else item)
    if frames and _chance(faults.malformed, dice):
        frames.insert(0, 'a[{"e":"props","d":{"entityType":"order","eventTy')
    return frames


def split_snapshot(snapshot: dict[str, list[Entity]], parts: int, dice: Random) -> list[dict[str, list[Entity]]]:
    """The lists dealt out over several answers, in any order: how real ones are cut is documented nowhere."""
    keys = list(snapshot)
    dice.shuffle(keys)
    return [{key: snapshot[key] for key in keys[place::parts]} for place in range(parts)]


def _shuffled(outbox: list[Message | str], dice: Random) -> list[Message | str]:
    """Events change places among themselves; answers and raw frames stay where they are."""
    places = [place for place, item in enumerate(outbox) if isinstance(item, dict) and "e" in item]
    events = [outbox[place] for place in places]
    dice.shuffle(events)
    shuffled = list(outbox)
    for place, event in zip(places, events, strict=True):
        shuffled[place] = event
    return shuffled


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _chance(probability: float, dice: Random) -> bool:
    return probability > 0 and dice.random() < probability
