"""What is answered when something is refused: application/problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import attrs
from starlette.requests import Request
from starlette.responses import JSONResponse


@attrs.frozen(kw_only=True)
class Problem(Exception):
    """`kind` becomes the type; `about:blank` where the status says it all. `remedy` is what the operator can do."""

    status: int
    detail: str
    kind: str = "about:blank"
    remedy: str | None = None

    @property
    def title(self) -> str:
        if self.kind != "about:blank":
            return self.kind.replace("-", " ").capitalize()
        return HTTPStatus(self.status).phrase


def problem_response(
    problem: Problem, headers: dict[str, str] | None = None, more: Mapping[str, object] | None = None
) -> JSONResponse:
    """`more` are members beyond the RFC's."""
    content: dict[str, object] = {
        "type": problem.kind,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.remedy is not None:
        content["remedy"] = problem.remedy
    content.update(more or {})
    return JSONResponse(content, problem.status, headers, media_type="application/problem+json")


async def refused(request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    return problem_response(problem)
