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
    return response
