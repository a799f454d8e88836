"""What waits for a person of the platform: the start page lists it, the most urgent first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.safestring import SafeString

from agents.models import AgentDefinition
from agents.providers import registry as providers
from governance import selectors
from governance.health import overview
from qualisys.cells import state
from tenants.models import ApiKey, Tenant, TenantStatus
from versions.admin import newest_first, stable
from versions.models import VersionStatus

#: Ended runs that wait to be stored, from which the writer is behind.
BEHIND = 1_000
#: Days before a key's end or the last partition's at which somebody should act.
SOON = 14
#: Keys named one by one.
_NAMED = 20

_URGENCY = {"broken": "Act now", "attention": "Look", "quiet": "Know"}


@dataclass(frozen=True)
class Waiting:
    """Something that wants a person: how urgent (broken, attention, quiet), what, and where to act."""

    kind: str
    text: str
    url: str = ""

    @property
    def sign(self) -> SafeString:
        """Its urgency as a labelled state."""
        return state(self.kind, _URGENCY[self.kind])


def for_people(
    agents: list[AgentDefinition], tenants: list[Tenant], backlog: tuple[int, int] | None, now: datetime
) -> list[Waiting]:
    """Return everything that waits, the most urgent first."""
    found = [
        *_spool(backlog),
        *_partitions(now),
        *_providers(agents),
        *_circuits(agents),
        *(waiting for agent in agents for waiting in _agent(agent)),
        *_tenants(tenants),
        *_keys(now),
    ]
    order = list(_URGENCY)
    return sorted(found, key=lambda waiting: order.index(waiting.kind))


def _spool(backlog: tuple[int, int] | None) -> list[Waiting]:
    if backlog is None:
        return [Waiting("broken", "Redis does not answer: no run can start until it does.")]
    waiting, dead = backlog
    if dead:
        return [
            Waiting("broken", f"{dead:,} ended runs could not be stored and are set aside in spool:dead.")
        ]
    return [Waiting("attention", f"{waiting:,} ended runs wait to be stored.")] if waiting >= BEHIND else []


def _partitions(now: datetime) -> list[Waiting]:
    until = selectors.partitions_until(now.date())
    if until is None:
        return [Waiting("broken", "This month has no log partition. Is the maintenance worker running?")]
    if until - now.date() > timedelta(days=SOON):
        return []
    return [Waiting("attention", f"Log partitions end on {until:%-d %B}. Is the scheduler running?")]


def _providers(agents: list[AgentDefinition]) -> list[Waiting]:
    wanted = Counter(agent.llm_provider for agent in agents if agent.enabled)
    url = reverse("admin:agents_agentdefinition_changelist")
    return [
        Waiting(
            "attention", f"{count} agents need {name}, which has no key here.", f"{url}?llm_provider={name}"
        )
        for name, count in sorted(wanted.items())
        if name not in providers.configured() and not providers.is_demo(name)
    ]


def _circuits(agents: list[AgentDefinition]) -> list[Waiting]:
    """Return what the breaker refuses right now; without Redis nothing, which is said already."""
    broken = [each.circuit for each in overview.not_closed() or () if each.state == "open"]
    names = {agent.agent_id: agent.name for agent in agents}
    url = reverse("admin:health")
    found = []
    for circuit in broken[:_NAMED]:
        if circuit.agent_id is None:
            text = f"The model {circuit.model} failed for several agents and is paused."
        else:
            whom = "one tenant that customized it" if circuit.tenant_id else "everybody"
            text = (
                f"{names.get(circuit.agent_id, circuit.agent_id)} failed too often and is paused for {whom}."
            )
        found.append(Waiting("attention" if circuit.tenant_id else "broken", text, url))
    return found


def _agent(agent: AgentDefinition) -> list[Waiting]:
    url = reverse("admin:agents_agentdefinition_change", args=[agent.pk])
    if not agent.enabled:
        return [Waiting("quiet", f"{agent.name} is turned off.", url)]
    found = []
    for version in newest_first(agent.versions.all()):
        if version == stable(agent.versions.all()):
            break
        if version.status == VersionStatus.ACTIVE and version.rollout_percentage:
            text = f"{agent.name} {version.version} is rolling out: {version.rollout_percentage} %."
            found.append(
                Waiting("quiet", text, reverse("admin:versions_agentversion_change", args=[version.pk]))
            )
    return found


def _tenants(tenants: list[Tenant]) -> list[Waiting]:
    return [
        Waiting(
            "quiet", f"{tenant.name} is suspended.", reverse("admin:tenants_tenant_change", args=[tenant.pk])
        )
        for tenant in tenants
        if tenant.status == TenantStatus.SUSPENDED
    ]


def _keys(now: datetime) -> list[Waiting]:
    ending = ApiKey.objects.filter(
        revoked_at=None, expires_at__gt=now, expires_at__lte=now + timedelta(days=SOON)
    ).select_related("tenant")
    found = []
    for key in ending[:_NAMED]:
        whose = key.tenant.name if key.tenant else "the platform"
        text = f"The key {key.name} of {whose} expires on {key.expires_at:%-d %B}."
        found.append(Waiting("attention", text, reverse("admin:tenants_apikey_change", args=[key.pk])))
    return found
