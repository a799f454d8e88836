"""What every page shows: whose portal this is and who is signed in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def portal(request: HttpRequest) -> dict[str, Any]:
    """Return the tenant, the identity and whether the demo model answers."""
    return {
        "tenant": getattr(request, "tenant", None),
        "identity": getattr(request, "identity", None),
        "demo_model": bool(settings.DEMO_MODEL_URL),
        "request_id": getattr(request, "request_id", ""),
    }
