"""The platform console for tests: signed in over HTTP, its forms sent, its refusals read."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx2 as httpx

from agents.models import AgentDefinition
from governance.audit.models import AuditEvent
from tests.pages import signed_in
from tests.people import somebody
from tests.portal import Portal

LISTS = [
    "", "agents/agentdefinition/", "versions/agentversion/", "tenants/tenant/", "tenants/user/", "tenants/membership/",
    "tenants/apikey/", "tenants/promptpattern/", "agents/modeloffer/", "agents/limits/",
    "agents/modelprice/", "agents/modelstop/", "tenants/identityprovider/",
    "executions/", "live/", "trail/", "health/",
]  # fmt: skip
AGENT = {
    "name": "Release notes", "description": "Writes them.", "phase": "custom", "tags": "docs, release",
    "icon": "file-text", "llm_provider": "openai", "llm_model": "any", "max_tokens_per_invocation": "5000",
    "timeout_seconds": "60", "input_types": ["md", "txt"], "required_roles": ["owner", "dev"], "access": "",
    "approval_gates": "", "metadata": "{}", "system_prompt": "Line one.\r\nLine two.", "output_schema": "",
    "changelog": "First.",
}  # fmt: skip


@contextmanager
def console(portal: Portal, platform_role: str = "platform_owner") -> Iterator[httpx.Client]:
    """Give a client of the console, signed in as somebody new with a platform role."""
    person = somebody(platform_role=platform_role, name="Olga Owner")
    with signed_in(portal, None, person.email, person.password) as client:
        yield client


def with_key(portal: Portal, tenant: str | None, key: str) -> httpx.Client:
    """Return a client of the API with a key of the test's own."""
    client = portal.client(tenant, role=None)
    client.headers["X-API-Key"] = key
    return client


def post(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Send a form of the console."""
    data = {"csrfmiddlewaretoken": client.cookies.get("csrftoken") or "", **fields}
    return client.post(f"/admin/{path}", data=data)


def errors(answer: httpx.Response) -> str:
    """Return what a page refuses, as text."""
    assert answer.status_code == 200, answer.status_code
    found = re.findall(
        r'class="(?:errornote|errorlist|q-error)[^"]*"[^>]*>(.*?)</(?:div|ul|p)>', answer.text, re.S
    )
    return " ".join(html.unescape(re.sub(r"<[^>]+>|\s+", " ", each)) for each in found)


def register(client: httpx.Client, **fields: Any) -> AgentDefinition:
    """Register an agent through the form and return it."""
    agent_id = f"console-{secrets.token_hex(4)}"
    answer = post(client, "agents/agentdefinition/add/", **{**AGENT, "agent_id": agent_id, **fields})
    assert answer.status_code == 302, errors(answer)
    return AgentDefinition.objects.get(agent_id=agent_id)


def last_event(chain: UUID | str, object_id: str) -> AuditEvent:
    """Return the newest audit event about an object."""
    return AuditEvent.objects.filter(tenant_id=chain, object_id=object_id).latest("seq")
