"""What roles may do, as Django permission names. API, console and pages all ask here."""

from __future__ import annotations

from typing import Final

_VIEW_PLATFORM: Final = frozenset(
    {
        "agents.view_agentdefinition",
        "agents.view_executionlog",
        "agents.view_modeloffer",
        "agents.view_limits",
        "agents.view_modelprice",
        "agents.view_modelstop",
        "versions.view_agentversion",
        "tenants.view_tenant",
        "tenants.view_host",
        "tenants.view_user",
        "tenants.view_membership",
        "tenants.view_apikey",
        "tenants.view_promptpattern",
        "tenants.view_identityprovider",
        "audit.view_auditevent",
        # With a reason, and recorded: `tenants.overrides.services.read_for_support`.
        "tenants.view_tenantprompt",
    }
)
_CHANGE_PLATFORM: Final = frozenset(
    {
        "agents.add_agentdefinition",
        "agents.change_agentdefinition",
        "agents.delete_agentdefinition",
        "agents.add_modeloffer",
        "agents.change_modeloffer",
        "agents.reset_circuit",
        "agents.add_limits",
        "agents.change_limits",
        "agents.add_modelprice",
        "agents.change_modelprice",
        "agents.add_modelstop",
        "agents.change_modelstop",
        "versions.add_agentversion",
        "versions.change_agentversion",
        "tenants.add_tenant",
        "tenants.change_tenant",
        "tenants.add_user",
        "tenants.change_user",
        "tenants.add_membership",
        "tenants.change_membership",
        "tenants.change_owner",
        "tenants.add_identityprovider",
        "tenants.change_identityprovider",
        "tenants.add_apikey",
        "tenants.change_apikey",
        "tenants.add_host",
        "tenants.change_host",
        "tenants.add_promptpattern",
        "tenants.change_promptpattern",
    }
)

PLATFORM: Final[dict[str, frozenset[str]]] = {
    "platform_owner": _VIEW_PLATFORM | _CHANGE_PLATFORM | {"tenants.delete_tenant"},
    "platform_admin": _VIEW_PLATFORM | _CHANGE_PLATFORM,
    "platform_support": _VIEW_PLATFORM,
}

_MEMBER: Final = frozenset({"agents.view_agentdefinition", "governance.view_run", "governance.add_run"})
_METRICS: Final = frozenset({"agents.view_executionlog"})
_MANAGE: Final = frozenset(
    {
        "tenants.view_membership",
        "tenants.add_membership",
        "tenants.change_membership",
        "tenants.view_apikey",
        "tenants.add_apikey",
        "tenants.change_apikey",
        "tenants.view_tenantagentconfig",
        "tenants.change_tenantagentconfig",
        "agents.view_own_limits",
        "agents.change_own_limits",
        "governance.change_run",
        "audit.view_auditevent",
    }
)

TENANT: Final[dict[str, frozenset[str]]] = {
    "owner": _MEMBER | _METRICS | _MANAGE | {"tenants.change_owner", "tenants.change_identityprovider"},
    "admin": _MEMBER | _METRICS | _MANAGE,
    "qa_automation": _MEMBER | _METRICS,
    "pm_csm": _MEMBER,
    "qa_manual": _MEMBER,
    "dev": _MEMBER,
    "viewer": _MEMBER,
    "client_stakeholder": frozenset(),
}

#: What the access level of a role for one agent admits, by object permission.
BY_ACCESS: Final[dict[str, frozenset[str]]] = {
    "full": frozenset({"agents.view_agentdefinition", "agents.run_agentdefinition", "governance.view_run"}),
    "run": frozenset({"agents.view_agentdefinition", "agents.run_agentdefinition", "governance.view_run"}),
    "approve": frozenset({"agents.view_agentdefinition", "governance.view_run"}),
    "read": frozenset({"agents.view_agentdefinition", "governance.view_run"}),
}

#: What a key may be limited to; without scopes it may do what its owner may.
SCOPES: Final[dict[str, frozenset[str]]] = {
    "agents:read": frozenset({"agents.view_agentdefinition", "agents.view_executionlog"}),
    "runs:read": frozenset({"governance.view_run"}),
    "runs:write": frozenset(
        {
            "agents.view_agentdefinition",
            "agents.run_agentdefinition",
            "governance.add_run",
            "governance.view_run",
            "governance.change_run",
        }
    ),
    "agents:configure": frozenset(
        {
            "agents.view_agentdefinition",
            "tenants.view_tenantagentconfig",
            "tenants.change_tenantagentconfig",
            "agents.view_own_limits",
            "agents.change_own_limits",
        }
    ),
    "platform:read": _VIEW_PLATFORM,
    "platform:write": _VIEW_PLATFORM | _CHANGE_PLATFORM,
}


def of(role: str, platform_role: str) -> frozenset[str]:
    """Return the permissions of a tenant role or, outside tenants, of a platform role."""
    if role:
        return TENANT.get(role, frozenset())
    return PLATFORM.get(platform_role, frozenset())


def within(scopes: frozenset[str], perm: str) -> bool:
    """Tell whether a key limited to `scopes` may use `perm`; no scopes means no limit."""
    return not scopes or any(perm in SCOPES.get(scope, frozenset()) for scope in scopes)
