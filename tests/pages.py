"""A browser without a screen: pages by session cookie, signed in through the form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2 as httpx

from tests.portal import Portal, Process


def browser(portal: Portal, tenant: str | None = "acme", web: Process | None = None) -> httpx.Client:
    """Return a client of a host's pages that keeps cookies; None is the platform's host."""
    port = (web or portal.webs[0]).port
    headers = {"Host": f"{portal.host(tenant)}:{port}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30)


def sign_in(client: httpx.Client, email: str, password: str, path: str = "/sign-in/") -> httpx.Response:
    """Fill in the form of a sign-in page and return the answer."""
    client.get(path)
    token = client.cookies.get("csrftoken") or ""
    form = {"csrfmiddlewaretoken": token, "email": email, "username": email, "password": password}
    return client.post(path, data=form)


@contextmanager
def signed_in(
    portal: Portal, tenant: str | None, email: str, password: str, web: Process | None = None
) -> Iterator[httpx.Client]:
    """Give a client that has a session on a tenant's host, or on the console (None)."""
    with browser(portal, tenant, web) as client:
        answer = sign_in(client, email, password, "/sign-in/" if tenant else "/admin/login/")
        assert answer.status_code == 302, answer.text[:500]
        yield client


@contextmanager
def as_role(
    portal: Portal, tenant: str | None, role: str, web: Process | None = None
) -> Iterator[httpx.Client]:
    """Give a client signed in as the demo's person of a role."""
    person = portal.login(tenant, role)
    with signed_in(portal, tenant, person["email"], person["password"], web) as client:
        yield client
