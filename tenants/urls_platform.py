"""The platform host's start page, its sign-in, and what its people set for themselves."""

from __future__ import annotations

from django.urls import include, path

from tenants import views
from tenants.urls import entrance

urlpatterns = [
    path("", views.platform_home, name="home"),
    # The console's own address for signing in: there is one way in, and it asks for the second factor.
    path("admin/login/", views.sign_in),
    *entrance,
    path("settings/", include("tenants.pages.urls_platform")),
]
