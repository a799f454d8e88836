"""Is the process alive, is the installation ready, and what do its metrics say?"""

from __future__ import annotations

from collections.abc import Callable

from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django_prometheus.exports import ExportToDjangoView

from qualisys import redis as qredis


def alive(request: HttpRequest) -> HttpResponse:
    """Answer as long as the process can."""
    return JsonResponse({"status": "alive"})


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 once database and Redis answer too, 503 with what is missing otherwise."""
    parts = {"database": _works(_ask_database), "redis": _works(_ask_redis)}
    status = 200 if all(parts.values()) else 503
    state = "ready" if status == 200 else "not ready"
    return JsonResponse(
        {"status": state, **{name: "up" if up else "down" for name, up in parts.items()}}, status=status
    )


def metrics(request: HttpRequest) -> HttpResponse:
    """Export the metrics of all processes."""
    response: HttpResponse = ExportToDjangoView(request)
    return response


def _works(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except Exception:
        return False
    return True


def _ask_database() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_migrations")


def _ask_redis() -> None:
    if qredis.memory_age() < qredis.MEMORY_GRACE:
        raise LookupError("Redis has lost its memory; the guard admits nothing yet")
