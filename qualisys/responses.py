"""Problems as HTTP responses."""

from __future__ import annotations

import orjson
from django.http import HttpResponse

from qualisys.problems import CONTENT_TYPE, Problem


def problem_response(problem: Problem, request_id: str) -> HttpResponse:
    """Return a problem as its document."""
    body = orjson.dumps(problem.document(request_id), default=str)
    response = HttpResponse(body, status=problem.status, content_type=CONTENT_TYPE)
    for name, value in (problem.headers or {}).items():
        response[name] = value
    # Where a run failed, asking again with the same Idempotency-Key must not run it again; one that the guard refused
    # never began.
    failed, extra = problem.status >= 500 or problem.status == 429, problem.extra or {}
    response.retriable = failed and ("run_id" not in extra or "refused" in extra)  # type: ignore[attr-defined]
    return response
