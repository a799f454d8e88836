"""Settings on a tenant's host: one's own, and for some roles the organisation's."""

from __future__ import annotations

from django.urls import path

from tenants.pages import agents, keys, limits, members, provider
from tenants.pages.urls_platform import urlpatterns as own

urlpatterns = [
    *own,
    path("agents/", agents.agents, name="settings-agents"),
    path("agents/<str:agent_id>/", agents.agent, name="settings-agent"),
    path("agents/<str:agent_id>/switch/", agents.switch, name="settings-agent-switch"),
    path("agents/<str:agent_id>/accept/", agents.accept, name="settings-agent-accept"),
    path("agents/<str:agent_id>/reset/", agents.reset, name="settings-agent-reset"),
    path("agents/<str:agent_id>/restore/<int:number>/", agents.restore, name="settings-agent-restore"),
    path("limits/", limits.limits, name="settings-limits"),
    path("limits/<str:agent_id>/", limits.agent, name="settings-limits-agent"),
    path("members/", members.members, name="settings-members"),
    path("members/invite/", members.invite, name="settings-invite"),
    path(
        "members/invitations/<uuid:invitation_id>/send/", members.send_again, name="settings-invitation-send"
    ),
    path(
        "members/invitations/<uuid:invitation_id>/revoke/",
        members.take_back,
        name="settings-invitation-revoke",
    ),
    path("members/<uuid:member_id>/", members.member, name="settings-member"),
    path("members/<uuid:member_id>/deactivate/", members.deactivate, name="settings-member-deactivate"),
    path("members/<uuid:member_id>/reactivate/", members.reactivate, name="settings-member-reactivate"),
    path("keys/", keys.keys, name="settings-keys"),
    path("keys/new/", keys.new, name="settings-key-new"),
    path("keys/<uuid:key_id>/rotate/", keys.rotate, name="settings-key-rotate"),
    path("keys/<uuid:key_id>/revoke/", keys.revoke, name="settings-key-revoke"),
    path("sign-in/", provider.settings, name="settings-sign-in"),
    path("sign-in/remove/", provider.remove, name="settings-sign-in-remove"),
]
