"""Every change of a governed table is in the trail, with actor and request, whichever code made it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pyotp
import pytest
from django.utils import timezone

from agents import definitions
from agents import services as agents
from agents.limits import services as limits
from agents.limits.models import Limits
from agents.limits.numbers import Numbers
from agents.prices import Listed
from qualisys import audit, tenancy
from qualisys.audit import Actor
from tenants import api_keys, members, services, tokens
from tenants.models import Host, Tenant
from tenants.overrides import services as overrides
from tenants.overrides.wishes import Wishes
from tenants.prompts import services as prompts
from tenants.signin import factors
from tenants.signin.models import ExternalIdentity, IdentityProvider, Invitation, Passkey
from tests.connections import app_role, as_platform, column
from tests.people import SYSTEM, key_of, somebody
from versions import services as versions

pytestmark = [pytest.mark.promise, pytest.mark.usefixtures("database")]
Tenants = dict[str, tenancy.Tenant]

#: Governed tables and what their rows are called in the trail.
GOVERNED = {
    "agent_definitions": "agent",
    "agent_limits": "limits",
    "agent_model_prices": "model_price",
    "agent_model_stops": "model_stop",
    "agents_modeloffer": "model_offer",
    "agent_versions": "version",
    "tenant_agent_configs": "agent_config",
    "tenants_apikey": "api_key",
    "tenants_authenticator": "authenticator",
    "tenants_externalidentity": "external_identity",
    "tenants_host": "host",
    "tenants_identityprovider": "identity_provider",
    "tenants_invitation": "invitation",
    "tenants_membership": "member",
    "tenants_passkey": "passkey",
    "tenants_promptpattern": "prompt_pattern",
    "tenants_recoverycode": "recovery_code",
    "tenants_signingkey": "signing_key",
    "tenants_tenant": "tenant",
    "tenants_user": "user",
}

TRIGGERS = """SELECT c.relname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE tgname = 'audit_row' AND tgenabled = 'O' ORDER BY 1"""


@pytest.fixture
def request_id() -> Iterator[str]:
    """A request under which somebody acts for the platform."""
    name = f"req-{uuid4().hex}"
    with tenancy.use(tenancy.platform("tests")), audit.acting(Actor("tester", name, "a drill")):
        yield name


def recorded(request_id: str) -> list[tuple[str, str, dict[str, Any]]]:
    """What one request left in the trail, as (action, actor, body)."""
    with as_platform() as connection:
        query = "SELECT action, actor, body FROM audit_event WHERE body::jsonb ->> 'request_id' = %s ORDER BY at, seq"
        rows = connection.execute(query, [request_id]).fetchall()
    return [(action, actor, json.loads(body)) for action, actor, body in rows]


def test_catalogue__every_governed_table_has_its_trigger_for_every_change() -> None:
    """P24: insert, update and delete of each row; the application can take none of them away."""
    with app_role() as connection:
        triggers: dict[str, str] = dict(connection.execute(TRIGGERS).fetchall())
        assert set(triggers) == set(GOVERNED)
        assert all(
            "AFTER INSERT OR DELETE OR UPDATE" in each and "FOR EACH ROW" in each
            for each in triggers.values()
        )
        query = "SELECT count(*) FROM pg_trigger WHERE tgname = 'audit_seal' AND tginitdeferred AND tgenabled = 'O'"
        assert column(connection, query) == [1]


def registered() -> str:
    fields = {"agent_id": f"governed-{uuid4().hex[:8]}", "name": "A", "required_roles": ["dev"]}
    prompt = definitions.Prompt(system_prompt="First.")
    return versions.register_agent(actor=SYSTEM, definition=definitions.parse(fields), prompt=prompt).agent_id


def change_agent(tenants: Tenants) -> None:
    agents.set_enabled(actor=SYSTEM, agent_id=registered(), enabled=False)


def change_version(tenants: Tenants) -> None:
    versions.update_version(
        actor=SYSTEM, agent_id=registered(), version="1.0.0", rollout_percentage=100, status="active"
    )
    agent_id = registered()
    versions.create_version(actor=SYSTEM, agent_id=agent_id, data={"system_prompt": "x"}, changelog="x")
    versions.update_version(actor=SYSTEM, agent_id=agent_id, version="1.1.0", rollout_percentage=50)


def change_key(tenants: Tenants) -> None:
    key, _ = key_of(tenants["spare_3"], somebody(tenants["spare_3"]).user)
    api_keys.revoke_api_key(actor=SYSTEM, key=key)


def change_member(tenants: Tenants) -> None:
    member = somebody(tenants["spare_3"]).member
    members.change_member(actor=SYSTEM, member=member, role="viewer")  # type: ignore[arg-type]


def change_person(tenants: Tenants) -> None:
    services.set_user_active(actor=SYSTEM, user=somebody().user, is_active=False)


def change_tenant(tenants: Tenants) -> None:
    row = Tenant.objects.get(pk=tenants["spare_3"].id)
    services.update_tenant(actor=SYSTEM, tenant=row, name=f"{row.name} again", tier=row.tier)
    services.update_tenant(actor=SYSTEM, tenant=row, name=tenants["spare_3"].name, tier=row.tier)


def change_host(tenants: Tenants) -> None:
    host = Host.objects.create(
        domain=f"{uuid4().hex}.example", tenant_id=tenants["spare_3"].id, is_primary=False
    )
    host.delete()


def change_signing_key(tenants: Tenants) -> None:
    for _ in range(2):
        tokens.rotate_signing_key()


def change_config(tenants: Tenants) -> None:
    home, agent_id = tenants["spare_3"], registered()
    with tenancy.use(home):
        overrides.save_config(actor=SYSTEM, tenant=home, agent_id=agent_id, wishes=Wishes(enabled=False))
        overrides.save_config(actor=SYSTEM, tenant=home, agent_id=agent_id, wishes=Wishes())
        overrides.reset_config(actor=SYSTEM, tenant=home, agent_id=agent_id)


def change_offer(tenants: Tenants) -> None:
    row = agents.offer_model(actor=SYSTEM, provider="vllm", model=f"m-{uuid4().hex}")
    agents.set_offer_enabled(actor=SYSTEM, row=row, enabled=False, reason="a drill")


def change_limits(tenants: Tenants) -> None:
    home, agent_id = tenants["spare_3"], registered()
    limits.set_limits(actor=SYSTEM, agent_id=agent_id, numbers=Numbers(daily_tokens=5))
    with tenancy.use(home):
        for value in (3, 2):
            limits.set_own_limits(
                actor=SYSTEM, tenant_id=home.id, agent_id=agent_id, numbers=Numbers(daily_tokens=value)
            )
    Limits.objects.filter(agent__agent_id=agent_id).delete()


def change_price(tenants: Tenants) -> None:
    model = f"m-{uuid4().hex}"
    for price in (1, 2):
        listed = Listed(provider="vllm", model=model, input_price=Decimal(price), output_price=Decimal(2))
        row = agents.set_price(actor=SYSTEM, price=listed)
    agents.remove_price(actor=SYSTEM, row=row)


def change_stop(tenants: Tenants) -> None:
    row = agents.stop_model(actor=SYSTEM, provider="vllm", model=f"m-{uuid4().hex}", reason="a drill")
    agents.resume_model(actor=SYSTEM, stop_id=row.pk, reason="a drill")


def change_pattern(tenants: Tenants) -> None:
    name = f"drill-{uuid4().hex[:8]}"
    row = prompts.create_pattern(actor=SYSTEM, name=name, family="other", pattern="drill [0-9]{40}")
    prompts.set_pattern_enabled(actor=SYSTEM, row=row, enabled=False, reason="a drill")


def change_factor(tenants: Tenants) -> None:
    user_id = somebody().user.pk
    secret = factors.begin(user_id=user_id)
    codes = factors.confirm(user_id=user_id, code=pyotp.TOTP(secret).now())
    factors.turn_off(user_id=user_id, code=codes[0])


def change_passkey(tenants: Tenants) -> None:
    row = Passkey.objects.create(
        user=somebody().user,
        name="a laptop",
        host="acme.localhost",
        credential_id=uuid4().bytes,
        public_key=b"k",
    )
    row.delete()


def change_invitation(tenants: Tenants) -> None:
    row = Invitation.objects.create(
        tenant_id=tenants["spare_3"].id, email=f"{uuid4().hex}@people.example", role="dev", invited_by=uuid4(),
        expires_at=timezone.now(),
    )  # fmt: skip
    row.revoked_at = timezone.now()
    row.save()


def change_provider(tenants: Tenants) -> None:
    home = tenants["spare_3"].id
    row = IdentityProvider.objects.create(
        tenant_id=home, issuer="https://login.example", client_id="c", client_secret=b"sealed"
    )
    row.is_required = True
    row.save()
    ExternalIdentity.objects.create(
        tenant_id=home, user=somebody(tenants["spare_3"]).user, issuer=row.issuer, subject=uuid4().hex
    ).delete()
    row.delete()


CHANGES: dict[str, tuple[Callable[[Tenants], None], set[str]]] = {
    "agent": (change_agent, {"agent.created", "agent.changed"}),
    "version": (change_version, {"version.created", "version.changed"}),
    "api_key": (change_key, {"api_key.created", "api_key.changed"}),
    "model_offer": (change_offer, {"model_offer.created", "model_offer.changed"}),
    "limits": (change_limits, {"limits.created", "limits.changed", "limits.deleted"}),
    "model_price": (change_price, {"model_price.created", "model_price.changed", "model_price.deleted"}),
    "model_stop": (change_stop, {"model_stop.created", "model_stop.deleted"}),
    "agent_config": (
        change_config,
        {"agent_config.created", "agent_config.changed", "agent_config.deleted"},
    ),
    "member": (change_member, {"member.created", "member.changed"}),
    "signing_key": (change_signing_key, {"signing_key.created", "signing_key.changed"}),
    "authenticator": (
        change_factor,
        {"authenticator.created", "authenticator.changed", "authenticator.deleted"},
    ),
    "recovery_code": (
        change_factor,
        {"recovery_code.created", "recovery_code.changed", "recovery_code.deleted"},
    ),
    "passkey": (change_passkey, {"passkey.created", "passkey.deleted"}),
    "invitation": (change_invitation, {"invitation.created", "invitation.changed"}),
    "identity_provider": (
        change_provider,
        {"identity_provider.created", "identity_provider.changed", "identity_provider.deleted"},
    ),
    "external_identity": (change_provider, {"external_identity.created", "external_identity.deleted"}),
    "user": (change_person, {"user.created", "user.changed"}),
    "prompt_pattern": (change_pattern, {"prompt_pattern.created", "prompt_pattern.changed"}),
    "tenant": (change_tenant, {"tenant.changed"}),
    "host": (change_host, {"host.created", "host.deleted"}),
}


def test_changes__are_tried_for_every_governed_table() -> None:
    """P24: a new governed table joins the list."""
    assert set(CHANGES) == set(GOVERNED.values())


@pytest.mark.parametrize("kind", CHANGES)
def test_change__of_a_governed_table__is_recorded_with_actor_and_request(
    kind: str, tenants: Tenants, request_id: str
) -> None:
    """P24: before and after, who, in which request and why."""
    change, expected = CHANGES[kind]
    change(tenants)
    events = [each for each in recorded(request_id) if each[0].startswith(f"{kind}.")]
    assert {action for action, _, _ in events} == expected
    assert {actor for _, actor, _ in events} == {"tester"}
    for action, _, body in events:
        assert (body["before"] is None) == action.endswith("created")
        assert (body["after"] is None) == action.endswith("deleted")
        assert body["object_id"]


def test_secrets_and_personal_values__are_nowhere_in_the_trail(tenants: Tenants, request_id: str) -> None:
    """P24: a trail that must be kept holds nothing that must be erasable or secret."""
    person = somebody(tenants["spare_3"], name="Canary Surname")
    key, text = key_of(tenants["spare_3"], person.user)
    said = json.dumps(recorded(request_id))
    secret = text.rsplit("_", 1)[1]
    for value in (person.email, "Canary Surname", person.password, secret, key.secret_hash, "argon2"):
        assert value not in said
    assert said.count('"[secret]"') == 2


def test_update__that_changes_nothing__is_no_event(tenants: Tenants, request_id: str) -> None:
    """P24: noise hides what matters."""
    row = Tenant.objects.get(pk=tenants["spare_3"].id)
    services.update_tenant(actor=SYSTEM, tenant=row, name=row.name, tier=row.tier)
    assert recorded(request_id) == []


def test_tenants_own_changes__are_in_its_own_chain(tenants: Tenants, request_id: str) -> None:
    """P24: and a tenant reads its own chain only."""
    change_member(tenants)
    home = str(tenants["spare_3"].id)
    query = """SELECT DISTINCT tenant_id::text FROM audit_event
               WHERE body::jsonb ->> 'request_id' = %s AND object_type = 'member'"""
    with as_platform() as connection:
        assert column(connection, query, request_id) == [home]
    with app_role(app__tenant_id=str(tenants["acme"].id)) as connection:
        assert column(connection, query, request_id) == []
        assert set(column(connection, "SELECT DISTINCT tenant_id FROM audit_event")) <= {tenants["acme"].id}
