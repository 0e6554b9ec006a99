"""An observer that holds all traffic against Tradovate's published schemas.

`tradovate-openapi.json` is an extract of the Tradovate OpenAPI document 1.0.0: requests, answers, schemas; prose left
out.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema import (  # OpenAPI 3.0 writes exclusiveMinimum as draft 4 does
    Draft4Validator,
    FormatChecker,
    ValidationError,
)

from daemon.tradovate.messages import penalty
from tests.simulator.deviations import Reviewed

DOCUMENT: dict[str, Any] = json.loads(Path(__file__).with_name("tradovate-openapi.json").read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
_READS = ("user/syncrequest", "order/list", "fill/list", "position/list")  # documented without a penalty's fields
_REF = "#/components/schemas/"
FORMATS = FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def _moment(value: object) -> bool:
    return not isinstance(value, str) or (value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None)


@FORMATS.checks("int64")
def _int64(value: object) -> bool:
    return not isinstance(value, int) or abs(value) < 2**63


@FORMATS.checks("int32")
def _int32(value: object) -> bool:
    return not isinstance(value, int) or abs(value) < 2**31


class Audit:
    """Pass it as `Server(observer=...)`; look at `flaws` afterwards. Endpoints the document does not know are let be.

    Stricter than the document: a field that it does not list is a flaw, unless it is among the reviewed deviations.
    """

    def __init__(self) -> None:
        self.flaws: list[str] = []
        self.requests: list[str] = []  # the endpoint of every request, in order
        self.reviewed = Reviewed()
        self.checked: dict[str, int] = {}
        self._validators: dict[str, Draft4Validator] = {}
        self._requests = {name.lower(): schema for name, schema in DOCUMENT["requests"].items()}
        self._answers = {name.lower(): schema for name, schema in DOCUMENT["answers"].items()}

    def __call__(self, direction: str, transport: str, name: str, status: int | None, payload: object) -> None:
        schema: Any = None
        if direction == "request":
            self.requests.append(name)
            schema = self._requests.get(name)
        elif direction == "answer" and status == 200 and not (name in _READS and penalty(payload)):
            schema = self._answers.get(name)
        elif direction == "event" and isinstance(payload, dict) and "entity" in payload:
            schema, payload = {"$ref": f"#/components/schemas/{name[0].upper()}{name[1:]}"}, payload["entity"]
        if schema is None:
            return
        key = f"{direction} {name}"
        self.checked[key] = self.checked.get(key, 0) + 1
        validator = self._validators.get(key)
        if validator is None:
            validator = Draft4Validator({**schema, "components": DOCUMENT["components"]}, format_checker=FORMATS)
            self._validators[key] = validator
        self.flaws.extend(
            f"{key}: {error.json_path}: {error.message}"
            for error in validator.iter_errors(payload)
            if not self._reviewed_type(schema, error)
        )
        self.flaws.extend(f"{key}: {flaw}" for flaw in self._strangers(schema, payload))
        if isinstance(payload, dict):
            self.flaws.extend(f"{key}: {field} is null" for field, value in payload.items() if value is None)

    def _reviewed_type(self, schema: dict[str, Any], error: ValidationError) -> bool:
        field = str(error.absolute_path[-1]) if error.absolute_path else ""
        return error.validator == "type" and self.reviewed.allows(_name(schema), field, "type")

    def _strangers(self, schema: dict[str, Any], payload: object) -> Iterator[str]:
        """Fields that the document does not list, at any depth."""
        name = _name(schema)
        schema = SCHEMAS[name] if name else schema
        if isinstance(payload, list):
            for item in payload:
                yield from self._strangers(schema.get("items", {}), item)
        elif isinstance(payload, dict) and "properties" in schema:
            for field, value in payload.items():
                if field in schema["properties"]:
                    yield from self._strangers(schema["properties"][field], value)
                elif not self.reviewed.allows(name, field, "extra"):
                    yield f"{name}.{field} is not in the document"


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).removeprefix(_REF)
