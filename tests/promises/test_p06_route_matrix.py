"""Route x role x tenant: the expected answer for each, and no route without a declaration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, get_resolver
from ninja import NinjaAPI, Router

import qualisys.urls_platform
from qualisys import roles, tenancy
from qualisys.access import Open, Requires
from qualisys.api import api
from tests import pages
from tests.people import key_of, somebody
from tests.portal import Portal

pytestmark = pytest.mark.promise
Tenants = dict[str, tenancy.Tenant]
Route = tuple[str, str]

ANYONE = frozenset({"anonymous", *roles.ROLES, *roles.PLATFORM_ROLES})
SIGNED_IN = ANYONE - {"anonymous"}
MEMBERS = frozenset(roles.ROLES) - {"client_stakeholder"}
ADMINS = frozenset({"owner", "admin"})
METRICS = frozenset({"owner", "admin", "qa_automation"})
PLATFORM = frozenset(roles.PLATFORM_ROLES)
PLATFORM_CHANGES = PLATFORM - {"platform_support"}

#: Who gets past the door of each route. What lies behind it (404, 422) is for other tests.
EXPECTED: dict[Route, frozenset[str]] = {
    ("POST", "/auth/token"): ANYONE,
    ("POST", "/auth/refresh"): ANYONE,
    ("POST", "/auth/logout"): SIGNED_IN,
    ("GET", "/admin/agents"): PLATFORM,
    ("POST", "/admin/agents"): PLATFORM_CHANGES,
    ("GET", "/admin/agents/{agent_id}"): PLATFORM,
    ("PUT", "/admin/agents/{agent_id}"): PLATFORM_CHANGES,
    ("DELETE", "/admin/agents/{agent_id}"): PLATFORM_CHANGES,
    ("GET", "/admin/agents/{agent_id}/versions"): PLATFORM,
    ("POST", "/admin/agents/{agent_id}/versions"): PLATFORM_CHANGES,
    ("PUT", "/admin/agents/{agent_id}/versions/{version}"): PLATFORM_CHANGES,
    ("GET", "/admin/tenants/{slug}/agents/{agent_id}/config"): PLATFORM,
    ("GET", "/admin/limits"): PLATFORM,
    ("PUT", "/admin/limits"): PLATFORM_CHANGES,
    ("GET", "/admin/agents/{agent_id}/limits"): PLATFORM,
    ("PUT", "/admin/agents/{agent_id}/limits"): PLATFORM_CHANGES,
    ("GET", "/admin/tenants/{slug}/limits"): PLATFORM,
    ("PUT", "/admin/tenants/{slug}/limits"): PLATFORM_CHANGES,
    ("GET", "/admin/tenants/{slug}/agents/{agent_id}/limits"): PLATFORM,
    ("PUT", "/admin/tenants/{slug}/agents/{agent_id}/limits"): PLATFORM_CHANGES,
    ("GET", "/admin/prices"): PLATFORM,
    ("PUT", "/admin/prices"): PLATFORM_CHANGES,
    ("GET", "/admin/stops"): PLATFORM,
    ("POST", "/admin/stops"): PLATFORM_CHANGES,
    ("DELETE", "/admin/stops/{stop_id}"): PLATFORM_CHANGES,
    ("GET", "/tenant/limits"): ADMINS,
    ("PUT", "/tenant/limits"): ADMINS,
    ("GET", "/tenant/agents/{agent_id}/limits"): ADMINS,
    ("PUT", "/tenant/agents/{agent_id}/limits"): ADMINS,
    ("GET", "/tenant/agents"): ADMINS,
    ("GET", "/tenant/agents/{agent_id}/config"): ADMINS,
    ("PUT", "/tenant/agents/{agent_id}/config"): ADMINS,
    ("DELETE", "/tenant/agents/{agent_id}/config"): ADMINS,
    ("POST", "/tenant/agents/{agent_id}/config/preview"): ADMINS,
    ("POST", "/tenant/agents/{agent_id}/config/accept"): ADMINS,
    ("POST", "/tenant/agents/{agent_id}/config/restore"): ADMINS,
    ("POST", "/tenant/agents/{agent_id}/config/trial"): ADMINS,
    ("GET", "/agents"): MEMBERS,
    ("GET", "/agents/{agent_id}"): MEMBERS,
    ("GET", "/agents/{agent_id}/metrics"): METRICS,
    ("GET", "/agents/{agent_id}/circuit-breaker"): METRICS,
    ("GET", "/tenant/spending"): METRICS,
    ("POST", "/admin/agents/{agent_id}/circuit-breaker/reset"): PLATFORM_CHANGES,
    ("POST", "/agents/{agent_id}/runs"): MEMBERS,
    ("POST", "/agents/{agent_id}/stream"): MEMBERS,
    ("GET", "/agents/{agent_id}/stream"): MEMBERS,
    ("GET", "/runs"): MEMBERS,
    ("GET", "/runs/{run_id}"): MEMBERS,
    ("GET", "/runs/{run_id}/told"): ADMINS,
    ("GET", "/runs/{run_id}/stream"): MEMBERS,
    ("POST", "/runs/{run_id}/cancel"): MEMBERS,
    ("GET", "/conversations/{conversation_id}"): MEMBERS,
}

#: Pages that anyone may open.
OPEN_PAGES = {"healthz", "readyz", "metrics", "sign-in/", "reset/", "admin/login/", "admin/jsi18n/"}


def operations(of: NinjaAPI) -> Iterator[tuple[Route, list[Any]]]:
    """Every route of an API with what it declares."""
    for prefix, router in of._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    yield (
                        (method, re.sub("/+", "/", f"/{prefix}/{path}").rstrip("/")),
                        list(operation.auth_callbacks),
                    )


def undeclared(of: NinjaAPI) -> list[Route]:
    """The routes that do not say who may call them, as one of our two declarations."""
    return [
        route
        for route, declared in operations(of)
        if len(declared) != 1 or not isinstance(declared[0], Requires | Open)
    ]


def test_routes__all_declare_who_may_call_them() -> None:
    """P06: a route without Requires or Open fails the build."""
    assert undeclared(api) == []


@pytest.mark.parametrize("declared", [{}, {"auth": None}, {"auth": lambda request: True}])
def test_rogue_route__without_a_declaration__is_found(declared: dict[str, Any]) -> None:
    """P06: the check above does find one."""
    rogue, router = NinjaAPI(urls_namespace=uuid4().hex), Router()

    @router.get("/all", **declared)
    def everything(request: HttpRequest) -> str:
        return "everything"

    rogue.add_router("/secrets", router)
    assert undeclared(rogue) == [("GET", "/secrets/all")]


def test_matrix__knows_every_route() -> None:
    """P06: a new route needs an expected answer."""
    assert {route for route, _ in operations(api)} == set(EXPECTED)


@pytest.fixture(scope="module")
def credentials(tenants: Tenants) -> dict[str, dict[str, str]]:
    """A header for every role: an API key of a person who has it."""
    shown: dict[str, dict[str, str]] = {"anonymous": {}}
    for role in roles.ROLES:
        shown[role] = {"X-API-Key": key_of(tenants["acme"], somebody(tenants["acme"], role).user)[1]}
    for role in roles.PLATFORM_ROLES:
        shown[role] = {"X-API-Key": key_of(None, somebody(platform_role=role).user)[1]}
    return shown


def asked(client: Any, route: Route, credential: dict[str, str]) -> tuple[int, str]:
    """Call a route with things that do not exist and return status and code."""
    method, path = route
    names = {"agent_id": "no-such-agent", "version": "9.9.9", "run_id": uuid4(), "conversation_id": uuid4()}
    names |= {"slug": "nobody", "stop_id": uuid4()}
    body: dict[str, Any] = {"json": {}} if method in ("POST", "PUT") else {}
    answer = client.request(method, path.format(**names), headers=credential, **body)
    code = answer.json().get("code", "") if answer.content else ""
    return answer.status_code, code


@pytest.mark.parametrize("route", EXPECTED, ids=" ".join)
def test_route__as_every_role__answers_as_expected(
    portal: Portal, credentials: dict[str, dict[str, str]], route: Route
) -> None:
    """P06: 401 for nobody, 403 for the wrong role, anything else only for the right one."""
    with portal.client(None, None) as client:
        answers = {who: asked(client, route, credential) for who, credential in credentials.items()}
    refusals = {401: "not_authenticated", 403: "permission_denied"}
    wrong = {
        who: answer
        for who, answer in answers.items()
        if (answer[0] not in refusals) != (who in EXPECTED[route])
        or (answer[0] in refusals and answer[1] != refusals[answer[0]])
        or (answer[0] == 401) != (who == "anonymous" and who not in EXPECTED[route])
    }
    assert wrong == {}


@pytest.mark.parametrize("route", EXPECTED, ids=" ".join)
def test_route__with_a_foreign_credential__refused(portal: Portal, tenants: Tenants, route: Route) -> None:
    """P06: on a tenant's host every other tenant's credential, and the platform's, is refused everywhere."""
    with portal.client("acme", None) as client:
        for of in ("globex", None):
            assert asked(client, route, {"X-API-Key": portal.key(of)}) == (403, "permission_denied")


def addresses(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    """Every address of a URL table, with sample values; the API has its own matrix."""
    for each in patterns:
        plain = re.sub(r"\(\?P<\w+>.*?\)", "x", str(each.pattern)).strip("^$")
        plain = re.sub(r"<uuid:\w+>", str(uuid4()), re.sub(r"<int:\w+>", "1", plain))
        route = prefix + re.sub(r"<(\w+:)?\w+>", "x", plain)
        if route.startswith("api/"):
            continue
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, route)
        elif isinstance(each, URLPattern):
            yield route


@pytest.mark.parametrize(
    ("tenant", "urlconf"), [("acme", settings.ROOT_URLCONF), (None, settings.PUBLIC_SCHEMA_URLCONF)]
)
def test_pages__as_nobody__lead_to_the_sign_in(portal: Portal, tenant: str | None, urlconf: str) -> None:
    """P06: every address of both URL tables, without a session."""
    assert qualisys.urls_platform
    found = sorted(set(addresses(get_resolver(urlconf).url_patterns)))
    assert len(found) > 5
    with pages.browser(portal, tenant) as client:
        answers = {path: client.get(f"/{path}") for path in found if path not in OPEN_PAGES}
    open_ = {
        path: answer.status_code
        for path, answer in answers.items()
        if answer.status_code not in (404, 405)
        and not (
            answer.status_code in (301, 302)
            and re.search("/(sign-in|login|admin)/", answer.headers["Location"])
        )
    }
    assert open_ == {}


def test_console__as_a_member_without_platform_role__stays_shut(portal: Portal) -> None:
    """P06: a tenant's owner has no business on the platform's host."""
    person = portal.login("acme", "owner")
    with pages.browser(portal, None) as client:
        answer = pages.sign_in(client, person["email"], person["password"], "/admin/login/")
        assert answer.status_code == 401, "the form, once more"
        assert client.get("/admin/").status_code == 302


def test_console__as_support__adds_and_deletes_nothing(portal: Portal) -> None:
    """P06: support reads, never writes."""
    found = sorted(set(addresses(get_resolver(settings.PUBLIC_SCHEMA_URLCONF).url_patterns)))
    adding = [path for path in found if re.fullmatch("admin/\\w+/\\w+/add/", path)]
    assert len(adding) >= 5
    with pages.as_role(portal, None, "support") as client:
        assert {path: client.get(f"/{path}").status_code for path in adding} == dict.fromkeys(adding, 403)
        token = client.cookies["csrftoken"]
        answers = [client.post(f"/{path}", data={"csrfmiddlewaretoken": token}) for path in adding]
    assert {answer.status_code for answer in answers} == {403}


def test_platform_person__with_a_session_of_a_tenant__is_nobody_in_the_console(
    portal: Portal, tenants: Tenants
) -> None:
    """P06: a session is good where it began, also for somebody who could sign in at both."""
    both = somebody(tenants["acme"], "dev", platform_role="platform_admin")
    with (
        pages.signed_in(portal, "acme", both.email, both.password) as member,
        pages.browser(portal, None) as console,
    ):
        assert member.get("/").status_code == 200
        console.cookies.update(member.cookies)
        assert console.get("/admin/").status_code == 302
        assert console.get("/api/v1/admin/agents").status_code == 401
        assert member.get("/").status_code == 200, "and the attempt does not end it"
