"""The platform host's start page."""

from __future__ import annotations

from django.urls import path

from tenants import views

urlpatterns = [
    path("", views.platform_home, name="home"),
    path("sign-in/", views.console_sign_in, name="sign-in"),
]
