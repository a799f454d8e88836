"""A tenant's own pages about people and settings."""

from __future__ import annotations

from django.urls import path

from tenants import views

urlpatterns = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-out/", views.sign_out, name="sign-out"),
]
