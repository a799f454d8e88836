"""The vocabulary of roles; what they may do is decided in `tenants.permissions`."""

from __future__ import annotations

from typing import Final, Literal, get_args

Role = Literal[
    "owner", "admin", "pm_csm", "qa_automation", "qa_manual", "dev", "viewer", "client_stakeholder"
]
PlatformRole = Literal["platform_owner", "platform_admin", "platform_support"]

#: What a role may do with one agent. `approve` reads and decides; `run` reads and runs; `full` does everything.
Access = Literal["full", "run", "approve", "read"]

ROLES: Final[tuple[str, ...]] = get_args(Role)
PLATFORM_ROLES: Final[tuple[str, ...]] = get_args(PlatformRole)
ACCESS: Final[tuple[str, ...]] = get_args(Access)

LABELS: Final[dict[str, str]] = {
    "owner": "Owner",
    "admin": "Administrator",
    "pm_csm": "PM / CSM",
    "qa_automation": "QA automation",
    "qa_manual": "QA manual",
    "dev": "Developer",
    "viewer": "Viewer",
    "client_stakeholder": "Client stakeholder",
    "platform_owner": "Platform owner",
    "platform_admin": "Platform administrator",
    "platform_support": "Platform support",
}

CHOICES: Final[list[tuple[str, str]]] = [(role, LABELS[role]) for role in ROLES]
PLATFORM_CHOICES: Final[list[tuple[str, str]]] = [(role, LABELS[role]) for role in PLATFORM_ROLES]
