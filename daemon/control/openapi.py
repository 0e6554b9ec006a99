"""What the control socket offers, as an OpenAPI 3.1 description: /v1/openapi.json.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from typing import Any, Final

from daemon import __version__
from daemon.control import queries, shapes
from daemon.control.deeds import OF_A_SYMBOL, VERBS
from daemon.control.shapes import listed, record, ref

Json = dict[str, Any]

_WHERE: Final = "A Unix socket: curl --unix-socket PATH http://localhost/v1/status. Any other host is refused."
_AUTHORIZATION: Final[Json] = {"type": "object", "required": ["authorize_url", "expires_at"]}


def document() -> Json:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "copierd",
            "version": __version__,
            "description": _WHERE,
        },
        "servers": [{"url": "http://localhost"}],
        "paths": {**_reads(), **_deeds()},
        "components": {"schemas": shapes.SCHEMAS},
    }


def _reads() -> Json:
    at_most: Json = {"type": "integer", "minimum": 1, "maximum": queries.LONGEST, "default": queries.LIMIT}
    whole_number: Json = {"type": "string", "pattern": "^[0-9]{1,15}$"}
    return {
        "/v1/status": _get("How everything stands", ref("Status")),
        "/v1/accounts/{account}": _get("One account, with what it has in hand", ref("AccountInFull"), "account"),
        "/v1/copies": _get(
            "What was copied, and what was not and why, newest first; with Accept: text/event-stream a stream of what "
            "changes, resumable: it begins behind `last`, and ends with an event `problem` without the ledger",
            record(copies=listed(ref("Copy")), next_=shapes.WORDS, last=shapes.COUNT),
            follower=shapes.NAME,
            outcome={"enum": list(queries.OUTCOMES)},
            since=shapes.INSTANT,
            limit=at_most,
            cursor=whole_number,
        ),
        "/v1/why/{id}": _get(
            "The chain behind a copy, or an order by its number",
            record(id=shapes.TEXT, copies=listed(ref("Copy")), chain=listed(ref("Link"))),
            "id",
        ),
        "/v1/events": _get(
            "The newest events, oldest first; with Accept: text/event-stream a stream of them, resumable",
            record(events=listed(ref("Event"))),
            limit=at_most,
            after=whole_number,
            unnamed={"type": "boolean"},
        ),
        "/v1/report": _get(
            "What support needs to see, without secrets",
            record(files={"type": "object"}, hosts=listed(listed({}))),
        ),
        "/v1/openapi.json": _get("This description", {"type": "object"}),
        "/metrics": _get("Figures for Prometheus", shapes.TEXT, kind="text/plain"),
    }


def _deeds() -> Json:
    account = "/v1/accounts/{account}"
    symbol = {"type": "object", "properties": {"symbol": shapes.TEXT}, "additionalProperties": False}
    needed = {**symbol, "required": ["symbol"]}
    full = ref("AccountInFull")
    return {
        **{f"{account}/{verb}": _post(words, full, "account") for verb, (words, _) in VERBS.items()},
        **{f"{account}/{verb}": _post(words, full, "account", body=needed) for verb, (words, _) in OF_A_SYMBOL.items()},
        f"{account}/flatten": _post("get out, and stay out until resume", full, "account", body=symbol),
        "/v1/copies/{copy}/flatten": _post(
            "get all followers of a copy out", record(copy=shapes.NAME, accounts=listed(full)), "copy"
        ),
        "/v1/logins/{login}/reconnect": _post(
            "a new connection for all accounts of the login",
            {"allOf": [ref("Login"), record(accounts=listed(full))]},
            "login",
        ),
        "/v1/logins/{login}/authorize": {
            **_post("begin to authorize the login, or ask with its secret", _AUTHORIZATION, "login", status="200"),
            **_get("what came of it", {"type": "object"}, "login"),
        },
        "/v1/logins/{login}/authorize/complete": _post(
            "with the address that the browser ended on",
            {"type": "object"},
            "login",
            body=record(url=shapes.TEXT),
            status="200",
        ),
        "/v1/reload": _post("read the configuration again", record(changed=listed(shapes.TEXT)), status="200"),
    }


def _get(words: str, answer: Json, *names: str, kind: str = "application/json", **asked: Json) -> Json:
    return {
        "get": {"summary": words, "parameters": _parameters(names, asked), "responses": _answers("200", answer, kind)}
    }


def _post(words: str, answer: Json, *names: str, body: Json | None = None, status: str = "202") -> Json:
    told: Json = {
        "summary": words,
        "parameters": _parameters(names, {}),
        "responses": _answers(status, answer, "application/json"),
    }
    if body is not None:
        needed = bool(body.get("required"))
        told["requestBody"] = {"required": needed, "content": {"application/json": {"schema": body}}}
    return {"post": told}


def _parameters(names: tuple[str, ...], asked: Json) -> list[Json]:
    in_path = [{"name": name, "in": "path", "required": True, "schema": shapes.TEXT} for name in names]
    return in_path + [{"name": name, "in": "query", "schema": shape} for name, shape in asked.items()]


def _answers(status: str, answer: Json, kind: str) -> Json:
    refused = {
        "description": "refused, with the reason",
        "content": {"application/problem+json": {"schema": ref("Problem")}},
    }
    return {
        status: {"description": "done" if status == "200" else "asked for", "content": {kind: {"schema": answer}}},
        "4XX": refused,
        "503": refused,
    }
