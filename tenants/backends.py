"""Django's permission question, answered from roles: the lower floors and the console ask it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from agents.models import AgentDefinition
from agents.registry import from_model
from qualisys import tenancy
from tenants import permissions
from tenants.directory import load_person
from tenants.identity import Person, may
from tenants.models import User


class RoleBackend(ModelBackend):
    """Signs people in by e-mail and password; answers permissions from the role in the current context."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the person if the password fits and they belong to the current tenant or platform."""
        user = super().authenticate(request, username=username or kwargs.get("email"), password=password)
        return user if isinstance(user, User) and person_of(user) is not None else None

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Tell whether the person holds `perm` here, for an agent where one is given."""
        if not isinstance(user_obj, User) or not user_obj.is_active:
            return False
        person = person_of(user_obj)
        if person is None:
            return False
        if isinstance(obj, AgentDefinition) and person.role:
            return may(person, perm, from_model(obj))
        return perm in permissions.of(person.role, person.platform_role)

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the permissions of the person's role here."""
        person = person_of(user_obj) if isinstance(user_obj, User) and user_obj.is_active else None
        return set(permissions.of(person.role, person.platform_role)) if person else set()

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Tell whether the person may see anything of an app."""
        return any(perm.startswith(f"{app_label}.") for perm in self.get_all_permissions(user_obj))


def person_of(user: User) -> Person | None:
    """Return the person's standing in the current context, remembered for the request on the object."""
    context = tenancy.require()
    tenant_id = str(context.id) if isinstance(context, tenancy.Tenant) else ""
    known: dict[str, Person | None] = user.__dict__.setdefault("_persons", {})
    if tenant_id not in known:
        known[tenant_id] = load_person((tenant_id, user.pk))
    return known[tenant_id]
