"""Addresses of a tenant's hosts: its pages and the API."""

from __future__ import annotations

from django.urls import include, path

from qualisys import health
from qualisys.api import api

handler403 = "qualisys.errors.forbidden"
handler404 = "qualisys.errors.not_found"
handler500 = "qualisys.errors.server_error"

urlpatterns = [
    path("api/v1/", api.urls),
    path("healthz", health.alive),
    path("", include("tenants.urls")),
    path("", include("governance.urls")),
]
