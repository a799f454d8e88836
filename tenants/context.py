"""What every page shows: whose portal this is and who is signed in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from qualisys import roles
from tenants.identity import Identity


def portal(request: HttpRequest) -> dict[str, Any]:
    """Return the tenant, the identity and whether the demo model answers."""
    identity: Identity | None = getattr(request, "identity", None)
    return {
        "tenant": getattr(request, "tenant", None),
        "identity": identity,
        "role_label": roles.LABELS.get(identity.role, identity.role) if identity else "",
        "sees_runs": identity is not None and identity.has_perm("governance.view_run"),
        "section": request.path.split("/")[1],
        "demo_model": bool(settings.DEMO_MODEL_URL),
        "request_id": getattr(request, "request_id", ""),
    }
