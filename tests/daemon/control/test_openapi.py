"""The description of the control socket: what is asked by it, whatever it is, is answered by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from starlette.routing import Route

from daemon.control import openapi
from daemon.control.app import application
from tests.daemon.control.house import still
from tests.scenarios.world import PASSWORD
from tests.system.test_status_page import Stage

OPERATIONS = [(method.upper(), path) for path, known in openapi.document()["paths"].items() for method in known]
# What an operation takes beside a name in its path can be got wrong.
MISTAKABLE = [
    (method, path)
    for method, path in OPERATIONS
    for told in [openapi.document()["paths"][path][method.lower()]]
    if "requestBody" in told or any(one["in"] == "query" for one in told["parameters"])
]
ASKED = [(*one, GenerationMode.POSITIVE) for one in OPERATIONS] + [
    (*one, GenerationMode.NEGATIVE) for one in MISTAKABLE
]
KNOWN = {"account": "f1", "login": "apex", "copy": "main", "id": "4711"}
JUDGED = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def test_every_route_is_described_and_nothing_else(tmp_path: Path) -> None:
    guard: Any = application(still(tmp_path))
    routes = {
        (method, route.path)
        for route in guard.app.routes
        if isinstance(route, Route) and route.path != "/" and not route.path.startswith("/page")
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert routes == set(OPERATIONS)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A daemon on a simulated broker, that can be reached over TCP: the tool knows no Unix socket."""
    made = Stage(tmp_path_factory.mktemp("openapi"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPIERD_APEX_PASSWORD", PASSWORD)
        with made.running():
            yield made


@pytest.mark.parametrize(("method", "path", "mode"), ASKED, ids=lambda part: str(getattr(part, "value", part)))
def test_whatever_is_asked_the_answer_is_as_described(
    stage: Stage, method: str, path: str, mode: GenerationMode
) -> None:
    operation = schemathesis.openapi.from_dict(openapi.document())[path][method]
    named = {name: value for name, value in KNOWN.items() if f"{{{name}}}" in path}
    as_described = operation.as_strategy(mode)
    of_what_is_there = operation.as_strategy(mode, path_parameters=named) if named else as_described

    @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(of_what_is_there, as_described))
    def judged(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=f"http://localhost:{stage.port}", checks=JUDGED)

    judged()
