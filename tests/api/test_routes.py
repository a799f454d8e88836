"""What every answer carries, and the routes of the contract by their exact paths."""

from __future__ import annotations

import re

import pytest

from tests.portal import Portal

#: Method and path as the contract writes them, of what there is so far.
CONTRACT = {
    "POST /auth/token", "POST /auth/refresh", "POST /auth/logout", "GET /admin/agents", "POST /admin/agents",
    "GET /admin/agents/{}", "PUT /admin/agents/{}", "DELETE /admin/agents/{}", "GET /admin/agents/{}/versions",
    "POST /admin/agents/{}/versions", "PUT /admin/agents/{}/versions/{}", "GET /agents", "GET /agents/{}",
    "GET /agents/{}/metrics", "POST /agents/{}/runs", "POST /agents/{}/stream", "GET /agents/{}/stream", "GET /runs",
    "GET /runs/{}", "GET /runs/{}/stream", "POST /runs/{}/cancel", "GET /conversations/{}",
}  # fmt: skip


@pytest.mark.parametrize("path", ["/nothing", "/agents/", "/agents/a/b", "/admin", "/", "//agents"])
def test_address__that_leads_nowhere__is_a_problem(portal: Portal, path: str) -> None:
    with portal.client("acme") as client:
        answer = client.get(path)
    assert answer.status_code in (404, 401)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "host", ["nobody.localhost", "evil.example", "acme.localhost.evil.example", "acme_x", ""]
)
def test_host__that_is_nobodys__is_a_problem(portal: Portal, host: str) -> None:
    with portal.client(None, "key", Host=host) as client:
        answer = client.get("/agents")
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize("host", ["ACME.localhost", "acme.localhost."])
def test_host__in_another_spelling__is_the_same_or_nobody(portal: Portal, host: str) -> None:
    with portal.client("acme", "key", Host=f"{host}:{portal.webs[0].port}") as client:
        assert client.get("/agents").status_code in (200, 404)
        assert client.get("/agents", headers={"X-API-Key": portal.key("globex")}).status_code in (403, 404)


def test_routes__are_those_of_the_contract(portal: Portal) -> None:
    with portal.client("acme") as client:
        paths = client.get("/openapi.json").json()["paths"]
    found = {
        f"{method.upper()} {re.sub('{.*?}', '{}', path.removeprefix('/api/v1'))}"
        for path, operations in paths.items()
        for method in operations
    }
    assert found >= CONTRACT


@pytest.mark.parametrize(
    ("sent", "taken"),
    [("trace-7.a_b", True), ("", False), ("a b", False), ("x" * 101, False), ("<script>", False)],
)
def test_request_id__harmless__is_echoed_and_any_other_replaced(
    portal: Portal, sent: str, taken: bool
) -> None:
    with portal.client("acme") as client:
        for path in ("/agents", "/nothing"):
            answer = client.get(path, headers={"X-Request-Id": sent})
            assert (answer.headers["X-Request-Id"] == sent) is taken
            assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}", answer.headers["X-Request-Id"])
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_answers__are_not_sniffed(portal: Portal) -> None:
    with portal.client("acme") as client:
        assert client.get("/agents").headers["X-Content-Type-Options"] == "nosniff"


def test_problem__has_the_members_of_the_rfc_and_ours(portal: Portal) -> None:
    with portal.client("acme") as client:
        problem = client.get("/agents/nothing").json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(problem)
    assert (problem["status"], problem["type"]) == (404, "urn:qualisys:problem:agent_not_found")


def test_key__in_either_header__is_the_same(portal: Portal) -> None:
    with portal.client("acme", None, Authorization=f"Bearer {portal.key('acme')}") as client:
        assert client.get("/agents").status_code == 200


def test_api__on_the_platforms_host__serves_a_tenants_credential(portal: Portal) -> None:
    with portal.client(None, None, None, **{"X-API-Key": portal.key("acme")}) as client:
        assert client.get("/agents").status_code == 200
        assert client.get("/admin/agents").status_code == 403
