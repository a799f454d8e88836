"""Problems as pages: what happened, what to do next, and the request id."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from qualisys.problems import CODES, Problem


def problem_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Return a page that says why something was refused."""
    title = CODES[problem.code][1]
    context = {"problem": problem, "title": title, "request_id": getattr(request, "request_id", "")}
    response = render(request, "qualisys/problem.html", context, status=problem.status)
    for name, value in (problem.headers or {}).items():
        response[name] = value
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that was sent from elsewhere or after its page went stale."""
    detail = "This form is out of date or came from another site. Go back, reload the page and send it again."
    return problem_page(request, Problem("permission_denied", detail))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that leads nowhere."""
    return problem_page(
        request, Problem("not_found", "There is nothing at this address, or you may not see it.")
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a page the person's role does not admit."""
    return problem_page(request, Problem("permission_denied", "Your role does not allow this."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault of ours without saying what it was."""
    detail = "The fault is on our side and was logged. Try again; if it stays, tell your administrator the request id."
    return problem_page(request, Problem("internal_error", detail))
