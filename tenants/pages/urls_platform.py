"""What everybody sets for themselves, also people of the platform."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.urls import path
from django.views.generic import RedirectView

from tenants.pages import passkeys, profile, security, sessions

urlpatterns = [
    path("", login_required(RedirectView.as_view(pattern_name="settings-profile")), name="settings"),
    path("profile/", profile.profile, name="settings-profile"),
    path("security/", security.overview, name="settings-security"),
    path("security/password/", security.password, name="settings-password"),
    path("security/authenticator/", security.authenticator, name="settings-authenticator"),
    path("security/authenticator/off/", security.authenticator_off, name="settings-authenticator-off"),
    path("security/recovery-codes/", security.recovery_codes, name="settings-recovery-codes"),
    path("security/passkeys/", passkeys.register, name="settings-passkey-add"),
    path("security/passkeys/options/", passkeys.options, name="settings-passkey-options"),
    path("security/passkeys/<uuid:passkey_id>/remove/", passkeys.remove, name="settings-passkey-remove"),
    path("sessions/", sessions.sessions, name="settings-sessions"),
    path("sessions/others/end/", sessions.end_others, name="settings-sessions-end"),
    path("sessions/<str:name>/end/", sessions.end_one, name="settings-session-end"),
]
