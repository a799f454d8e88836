"""A revoked key, membership or session is refused everywhere at once; its open streams close."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import httpx2 as httpx
import pytest
from websockets.exceptions import InvalidStatus

from qualisys import tenancy
from tenants import api_keys, members, services
from tests import sockets
from tests.conftest import FULL
from tests.people import SYSTEM, key_of, somebody
from tests.portal import Portal, Process, wait_for

pytestmark = pytest.mark.promise
Tenants = dict[str, tenancy.Tenant]

#: Seconds until a refusal is everywhere, and until streams are closed; `make test` may share its machine.
REFUSED, CLOSED = (1.0, 5.0) if FULL else (3.0, 10.0)

KINDS = ("key", "member", "person", "session", "tenant")


@dataclass(frozen=True, slots=True)
class Access:
    """A credential that works, and what ends it."""

    tenant: str
    headers: dict[str, str]
    end: Callable[[], object]


@pytest.fixture(scope="module")
def webs(portal: Portal) -> list[Process]:
    """Two web processes that nobody else kills."""
    return [portal.web(), *portal.new_webs(1)]


def granted(portal: Portal, tenants: Tenants, kind: str) -> Access:
    """Give somebody access and say how it ends."""
    home = tenants["spare_1" if kind == "tenant" else "acme"]
    person = somebody(home, "dev")
    key, text = key_of(home, person.user)
    by_key = {"X-API-Key": text}
    if kind == "session":
        pair = portal.signed_in(person.email, person.password, home.schema)
        bearer = {"Authorization": f"Bearer {pair['access']}"}
        client = portal.client(home.schema, None, Authorization=bearer["Authorization"])
        return Access(home.schema, bearer, lambda: client.post("/auth/logout").raise_for_status())

    def end() -> None:
        from tenants.models import Tenant

        with tenancy.use(tenancy.platform("tests")):
            if kind == "key":
                api_keys.revoke_api_key(actor=SYSTEM, key=key)
            elif kind == "member":
                assert person.member is not None
                members.change_member(actor=SYSTEM, member=person.member, is_active=False)
            elif kind == "person":
                person.user.is_active = False
                person.user.save(update_fields=["is_active"])
            else:
                services.set_status(actor=SYSTEM, tenant=Tenant.objects.get(pk=home.id), status="suspended")

    return Access(home.schema, by_key, end)


@pytest.fixture
def active_again(tenants: Tenants) -> Iterator[None]:
    """Bring the tenant back that a test suspends."""
    yield
    from tenants.models import Tenant

    with tenancy.use(tenancy.platform("tests")):
        row = Tenant.objects.get(pk=tenants["spare_1"].id)
        services.set_status(actor=SYSTEM, tenant=row, status="active")


def status(portal: Portal, access: Access, web: Process) -> int:
    with portal.client(access.tenant, None, web, **access.headers) as client:
        return client.get("/agents").status_code


@pytest.mark.usefixtures("active_again")
@pytest.mark.parametrize("kind", KINDS)
def test_credential__ended__refused_in_every_process(
    portal: Portal, tenants: Tenants, webs: list[Process], kind: str
) -> None:
    """P08: both processes had it in memory; neither takes it a second later."""
    access = granted(portal, tenants, kind)
    assert [status(portal, access, web) for web in webs] == [200, 200]
    access.end()
    took = wait_for(lambda: all(status(portal, access, web) in (401, 403) for web in webs), REFUSED, kind)
    print(f"P08 {kind}: refused in both processes after {took * 1000:.0f} ms")


def reads_to_its_end(
    portal: Portal, access: Access, agent: str, web: Process, opened: threading.Event
) -> float:
    """Follow a run as server-sent events until the server closes, and return when that was."""
    with (
        portal.client(access.tenant, None, web, **access.headers) as client,
        client.stream("POST", f"/agents/{agent}/stream", json={"input": "x"}) as answer,
    ):
        assert answer.status_code == 200
        for line in answer.iter_lines():
            opened.set()
            assert "run.completed" not in line, "the stream ended by itself"
    return time.perf_counter()


def listens_to_its_end(
    portal: Portal, access: Access, agent: str, web: Process, opened: threading.Event
) -> float:
    """Follow a run on a socket until the server closes, and return when that was."""
    path = f"/ws/agents/{agent}/"
    with sockets.opened(portal, path, access.tenant, credential=access.headers, web=web) as socket:
        socket.send('{"type": "run", "input": "x"}')
        socket.recv(timeout=10)
        opened.set()
        assert sockets.close_code(socket, 30) == 4403
    return time.perf_counter()


@pytest.mark.usefixtures("active_again")
@pytest.mark.parametrize("kind", KINDS)
def test_open_streams__of_an_ended_credential__close(
    portal: Portal, tenants: Tenants, webs: list[Process], kind: str
) -> None:
    """P08: events and sockets, in both processes, although their run would go on for a minute."""
    agent = portal.scripted("chunks=600,interval=100").agent_id
    access = granted(portal, tenants, kind)
    readers = [reads_to_its_end, listens_to_its_end]
    with ThreadPoolExecutor(4) as pool:
        opened = [threading.Event() for _ in range(4)]
        places = [(read, web) for read in readers for web in webs]
        ends = [
            pool.submit(read, portal, access, agent, web, event)
            for (read, web), event in zip(places, opened, strict=True)
        ]
        assert all(event.wait(15) for event in opened)
        access.end()
        began = time.perf_counter()
        took = max(end.result(timeout=40) for end in ends) - began
    print(f"P08 {kind}: all streams closed after {took:.2f} s")
    assert took < CLOSED


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://globex.localhost",
        "http://acme.localhost.evil.example",
        "https://acme",
    ],
)
def test_socket__from_a_foreign_page__refused(portal: Portal, origin: str) -> None:
    """P08: a browser sends the cookies of the victim, but also where the page came from."""
    with pytest.raises(InvalidStatus, match="403"):
        sockets.opened(portal, "/ws/agents/logreader/", origin=origin)


def test_socket__from_our_own_page__opens(portal: Portal) -> None:
    """P08: the host itself, with its port."""
    with sockets.opened(portal, "/ws/agents/logreader/", origin=portal.url("acme")) as socket:
        socket.send("{}")
        assert "validation_error" in str(socket.recv(timeout=10))


@pytest.mark.parametrize("credential", [{}, {"X-API-Key": "qk_wrong"}, {"Authorization": "Bearer x.y.z"}])
def test_socket__without_a_good_credential__refused(portal: Portal, credential: dict[str, str]) -> None:
    """P08: nobody is not admitted and then thrown out, but never admitted."""
    with pytest.raises(InvalidStatus, match="403"):
        sockets.opened(portal, "/ws/agents/logreader/", credential=credential)


def test_sessions__of_a_deactivated_member__do_not_come_back(portal: Portal, tenants: Tenants) -> None:
    """P08: refresh tokens of somebody who left renew nothing, and keys of theirs open nothing."""
    person = somebody(tenants["acme"])
    pair = portal.signed_in(person.email, person.password, "acme")
    with tenancy.use(tenancy.platform("tests")):
        assert person.member is not None
        members.change_member(actor=SYSTEM, member=person.member, is_active=False)
    with ExitStack() as stack:
        client: httpx.Client = stack.enter_context(portal.client("acme", None))
        again = {"email": person.email, "password": person.password, "tenant": "acme"}
        assert client.post("/auth/refresh", json={"refresh": pair["refresh"]}).status_code == 401
        assert client.post("/auth/token", json=again).status_code == 401
