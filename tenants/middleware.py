"""The host names the tenant; the session's person must be a member of it. For pages; the API has its own door."""

from __future__ import annotations

from collections.abc import Callable

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth import logout
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from psycopg_pool import PoolTimeout

from qualisys import audit, tenancy
from qualisys.errors import problem_page
from qualisys.problems import Problem
from tenants import seen
from tenants.authentication import host_tenant
from tenants.backends import person_of
from tenants.identity import Identity
from tenants.models import User

GetResponse = Callable[[HttpRequest], HttpResponse]


class HostMiddleware:
    """Enters the context of the host's tenant, or of the platform."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        host = split_domain_port(request.get_host())[0]
        try:
            tenant = async_to_sync(host_tenant)(host)
        except Problem as problem:
            return self._refuse(request, problem)
        except (OperationalError, InterfaceError, PoolTimeout):
            detail = "The database is away. Nothing was changed; try again in a few seconds."
            return self._refuse(request, Problem("unavailable", detail, headers={"Retry-After": "5"}))
        request.tenant = tenant  # type: ignore[attr-defined]
        request.urlconf = settings.ROOT_URLCONF if tenant else settings.PUBLIC_SCHEMA_URLCONF
        with tenancy.use(tenant or tenancy.platform("console")):
            if tenant is not None and tenant.status != "active":
                return problem_page(
                    request,
                    Problem("permission_denied", "This organisation is suspended. Ask your administrator."),
                )
            return self.get_response(request)

    def _refuse(self, request: HttpRequest, problem: Problem) -> HttpResponse:
        with tenancy.use(tenancy.platform("refuse a host")):
            return problem_page(request, problem)


class MembershipMiddleware:
    """Ends the session of a person who does not belong here, and names the actor for the audit trail."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.identity = None  # type: ignore[attr-defined]
        user = request.user
        if not isinstance(user, User):
            return self.get_response(request)
        person = person_of(user)
        if person is None:
            logout(request)
            return self.get_response(request)
        request.identity = Identity(  # type: ignore[attr-defined]
            person, getattr(request, "tenant", None), "session", request.session.session_key or ""
        )
        seen.note(request.identity)  # type: ignore[attr-defined]
        who = audit.Actor(str(user.pk), getattr(request, "request_id", ""))
        with audit.acting(who):
            return self.get_response(request)
