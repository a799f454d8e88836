"""What every page request carries: an id, and problems turned into pages."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from qualisys.errors import problem_page
from qualisys.ids import uuid7
from qualisys.problems import Problem

GetResponse = Callable[[HttpRequest], HttpResponse]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


def request_id_from(value: str | None) -> str:
    """Return the caller's request id if it is a harmless one, otherwise a new one."""
    return value if value and _REQUEST_ID.fullmatch(value) else uuid7().hex


class RequestIdMiddleware:
    """Takes over or makes the request id, and echoes it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = request_id_from(request.headers.get("X-Request-Id"))  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


class ProblemMiddleware:
    """Shows a Problem that a view raised as a page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn a Problem into its page; leave anything else to Django."""
        return problem_page(request, exception) if isinstance(exception, Problem) else None
