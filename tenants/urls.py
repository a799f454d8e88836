"""A tenant's own pages about people and settings."""

from __future__ import annotations

from django.urls import include, path

from tenants import views
from tenants.pages import passkeys, provider

#: Signing in works the same on every host.
entrance = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-in/code/", views.second_factor, name="second-factor"),
    path("sign-in/passkey/", passkeys.enter, name="passkey-enter"),
    path("sign-in/passkey/options/", passkeys.entry_options, name="passkey-options"),
    path("sign-out/", views.sign_out, name="sign-out"),
    path("reset/", views.forgot, name="forgot"),
    path("reset/<str:uid>/<str:token>/", views.reset, name="reset"),
]

urlpatterns = [
    *entrance,
    path("welcome/<str:token>/", views.welcome, name="welcome"),
    path("sign-in/provider/", provider.leave, name="provider-leave"),
    path("sign-in/provider/back/", provider.back, name="provider-back"),
    path("settings/", include("tenants.pages.urls")),
]
