"""Addresses of the platform's hosts: console, health, metrics and the API."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from qualisys import health
from qualisys.api import api

handler403 = "qualisys.errors.forbidden"
handler404 = "qualisys.errors.not_found"
handler500 = "qualisys.errors.server_error"

urlpatterns = [
    path("api/v1/", api.urls),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", health.metrics),
    # Before the console: who comes in is decided there.
    path("", include("tenants.urls_platform")),
    path("admin/", admin.site.urls),
]
