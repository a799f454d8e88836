"""No foreign byte ever comes back: generated requests with one tenant's credentials while another holds canaries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qualisys import tenancy
from tenants.models import Tenant
from tests import pages, sockets
from tests.conftest import FULL
from tests.people import key_of, somebody
from tests.portal import Portal

pytestmark = pytest.mark.promise
Tenants = dict[str, tenancy.Tenant]

EXAMPLES = 3_000 if FULL else 250
MINE, FOREIGN = "acme", "globex"


@dataclass(frozen=True, slots=True)
class Prey:
    """What the foreign tenant holds: its canary, and its names for things, which an attacker may know."""

    canary: str
    agent: str
    run: str
    conversation: str
    names: tuple[str, ...]


@pytest.fixture(scope="module")
def prey(portal: Portal, tenants: Tenants) -> Iterator[Prey]:
    foreign, canary = tenants[FOREIGN], f"canary{uuid4().hex}"
    agent = portal.scripted("echo=user").agent_id
    with portal.client(FOREIGN) as client:
        run = client.post(f"/agents/{agent}/runs", json={"input": canary}).json()
    assert run["output"] == canary
    person = somebody(foreign, name=canary)
    key, _ = key_of(foreign, person.user, name=canary)
    with tenancy.use(tenancy.platform("tests")):
        Tenant.objects.filter(pk=foreign.id).update(name=canary)
        names = (str(foreign.id), FOREIGN, str(person.user.pk), key.prefix, str(key.pk), person.email)
        yield Prey(canary, agent, run["run_id"], run["conversation_id"], names)
        Tenant.objects.filter(pk=foreign.id).update(name=foreign.name)


@pytest.fixture(scope="module")
def routes(portal: Portal) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation of the API as (method, path below /api/v1, description)."""
    with portal.client(MINE) as client:
        paths = client.get("/openapi.json").json()["paths"]
    return [
        (method, path.removeprefix("/api/v1"), operation)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if path != "/api/v1/auth/logout"
    ]


def requests(prey: Prey, routes: list[tuple[str, str, dict[str, Any]]]) -> st.SearchStrategy[dict[str, Any]]:
    """Requests over every route, with the foreign tenant's ids wherever a value goes."""
    words = (prey.run, prey.conversation, prey.agent, *prey.names, "baconsultant", "1.0.0", str(uuid4()), "")
    value = st.sampled_from(words)

    def request(route: tuple[str, str, dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        method, path, operation = route
        named = [p for p in operation.get("parameters", ()) if p["in"] == "path"]
        queried = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
        body = st.fixed_dictionaries(
            {},
            optional={"input": st.just("hello"), "conversation_id": value, "tenant": value, "email": value,
                      "password": value, "refresh": value, "reason": value, "tenant_id": value},
        )  # fmt: skip
        return st.fixed_dictionaries(
            {
                "method": st.just(method.upper()),
                "url": st.fixed_dictionaries({p["name"]: value for p in named}).map(
                    lambda values: path.format(**values)
                ),
                "params": st.dictionaries(st.sampled_from(queried), value) if queried else st.none(),
                "headers": st.dictionaries(st.sampled_from(["Last-Event-ID", "X-Tenant", "If-Match"]), value),
                "json": body if method in ("post", "put") else st.none(),
            }
        )

    return st.sampled_from(routes).flatmap(request)


def bytes_of(answer: httpx.Response) -> bytes:
    return answer.content + repr(answer.headers.raw).encode()


@pytest.mark.parametrize("who", ["key", "owner", "viewer", None])
def test_api__generated_with_my_credential__holds_no_foreign_byte(
    portal: Portal, prey: Prey, routes: list[tuple[str, str, dict[str, Any]]], who: str | None
) -> None:
    """P01: every route, filled with the foreign tenant's ids, on my host, the platform's and the foreign one."""
    hosts = {host: portal.client(host, None) for host in (MINE, None, FOREIGN)}
    credential = {}
    if who == "key":
        credential = {"X-API-Key": portal.key(MINE)}
    elif who:
        credential = {"Authorization": f"Bearer {portal.token(MINE, who)['access']}"}

    @settings(
        max_examples=EXAMPLES // 4, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(host=st.sampled_from([MINE, None, FOREIGN]), request=requests(prey, routes))
    def check(host: str | None, request: dict[str, Any]) -> None:
        headers = {name: value.encode() for name, value in request.pop("headers").items()}
        answer = hosts[host].request(**request, headers={**headers, **credential})
        assert prey.canary.encode() not in bytes_of(answer)
        assert answer.status_code < 500 or answer.status_code == 502, answer.text

    check()


@pytest.mark.parametrize("who", ["key", "owner"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/runs/{run}"),
        ("GET", "/runs/{run}/stream"),
        ("POST", "/runs/{run}/cancel"),
        ("GET", "/conversations/{conversation}"),
        ("GET", "/agents/{agent}/stream"),
    ],
)
def test_foreign_id__with_my_credential__is_not_found(
    portal: Portal, prey: Prey, who: str, method: str, path: str
) -> None:
    """P01: what belongs to another tenant answers as if it did not exist."""
    url = path.format(run=prey.run, conversation=prey.conversation, agent=prey.agent)
    with portal.client(MINE, who) as client:
        answer = client.request(method, url, headers={"Last-Event-ID": f"{prey.run}-1"})
    assert answer.status_code == 404, answer.text
    assert answer.json()["code"] == "not_found"


def test_conversation__of_the_foreign_tenant__is_not_continued(portal: Portal, prey: Prey) -> None:
    """P01: a run cannot continue a foreign conversation, so its context never reaches my model call."""
    body = {"input": "what did they say?", "conversation_id": prey.conversation}
    with portal.client(MINE) as client:
        answer = client.post(f"/agents/{prey.agent}/runs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_sockets__with_my_credential__hold_no_foreign_byte(portal: Portal, prey: Prey) -> None:
    """P01: a socket to a foreign run closes; one that names a foreign conversation is refused."""
    with sockets.opened(portal, f"/ws/runs/{prey.run}/", MINE) as attached:
        assert sockets.close_code(attached) == 4404
    with sockets.opened(portal, f"/ws/agents/{prey.agent}/", MINE) as asking:
        asking.send(f'{{"type": "run", "input": "x", "conversation_id": "{prey.conversation}"}}')
        told = sockets.messages(asking)
    assert told[-1]["data"]["problem"]["code"] == "not_found"
    assert prey.canary not in repr(told)


def test_pages__with_my_session__hold_no_foreign_byte(portal: Portal, prey: Prey) -> None:
    """P01: every page of my host, filled with the foreign tenant's ids."""
    paths = ["/", "/runs/", f"/runs/{prey.run}/", f"/agents/{prey.agent}/", f"/agents/{prey.agent}/?run={prey.run}",
             f"/agents/{prey.agent}/?again={prey.run}", f"/runs/?cursor={prey.run}",
             f"/runs/{prey.run}/document.docx", f"/runs/?who={prey.names[2]}", f"/runs/?q={prey.run}",
             "/settings/usage/", "/settings/usage/usage.csv"]  # fmt: skip
    with pages.as_role(portal, MINE, "owner") as client:
        answers = {path: client.get(path) for path in paths}
    assert {path for path, answer in answers.items() if prey.canary in answer.text} == set()
    assert answers[f"/runs/{prey.run}/"].status_code == 404
    assert answers[f"/runs/{prey.run}/document.docx"].status_code == 404
    assert {path for path, answer in answers.items() if answer.status_code >= 500} == set()


def test_session_of_mine__on_the_foreign_host__is_nobody(portal: Portal, prey: Prey) -> None:
    """P01: a cookie of one host opens neither pages nor API of another."""
    with pages.as_role(portal, MINE, "owner") as mine, pages.browser(portal, FOREIGN) as theirs:
        theirs.cookies.update(mine.cookies)
        page, api = theirs.get("/runs/"), theirs.get("/api/v1/runs")
    assert (page.status_code, api.status_code) == (302, 401)
    assert prey.canary not in page.text + api.text


def test_canary__with_its_own_credential__comes_back(portal: Portal, prey: Prey) -> None:
    """P01: the same requests find the canary where it belongs, so the tests above can fail."""
    with portal.client(FOREIGN) as client:
        assert prey.canary in client.get(f"/runs/{prey.run}").text
        assert prey.canary in client.get("/runs").text
    with sockets.opened(portal, f"/ws/runs/{prey.run}/", FOREIGN) as attached:
        assert prey.canary in repr(sockets.messages(attached))
