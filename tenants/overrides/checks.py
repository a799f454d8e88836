"""What wishes must satisfy before they are saved, tried or shown as valid: every rule once, for every door."""

from __future__ import annotations

from agents import gates, providers
from agents import selectors as agents
from agents.models import AgentDefinition
from agents.registry import from_model
from qualisys import tenancy
from qualisys.problems import Problem, invalid
from tenants import effective
from tenants.overrides.merge import Effective, Override
from tenants.overrides.wishes import Wishes
from tenants.prompts import rules
from versions import registry as versions
from versions.registry import validator


def check_wishes(tenant: tenancy.Tenant, agent: AgentDefinition, wishes: Wishes) -> Effective:
    """Return what would hold under `wishes`; raise the Problem of the first rule that they break."""
    if wishes.custom_prompt is not None:
        rules.checked(wishes.custom_prompt)
    _check_replace(tenant, wishes)
    _check_model(agent, wishes)
    settled = _settled(tenant, agent, Override(wishes, revision=1))
    _check_pin(settled, wishes)
    _check_template(settled, wishes)
    try:
        gates.merge(agent.approval_gates, wishes.gates)
    except ValueError as error:
        raise invalid("approval_workflow_override", "gates", f"{error}.") from error
    return settled


def _settled(tenant: tenancy.Tenant, agent: AgentDefinition, override: Override) -> Effective:
    return effective.settle(tenant, from_model(agent), versions.load(agent.agent_id), override)


def _check_replace(tenant: tenancy.Tenant, wishes: Wishes) -> None:
    if wishes.prompt_override_mode != "replace" or wishes.custom_prompt is None:
        return
    if not effective.may_replace(tenant.tier):
        detail = "Replacing an agent's prompt needs the Enterprise tier. Append or prepend to it instead."
        raise Problem("replace_mode_requires_enterprise", detail)
    if not wishes.acknowledge_replace:
        detail = (
            "A replaced prompt loses the agent's own instructions. Confirm it with acknowledge_replace: true."
        )
        raise Problem("replace_not_acknowledged", detail)


def _check_model(agent: AgentDefinition, wishes: Wishes) -> None:
    name = wishes.llm_provider_override
    usable = providers.usable()
    if name is not None and name not in usable:
        raise invalid(
            "llm_provider_override",
            "provider",
            f"'{name[:50]}' is not set up here; use one of {', '.join(usable)}.",
        )
    if name is None and wishes.llm_model_override is None:
        return
    offered = agents.offered_models(name or agent.llm_provider)
    if offered and (wishes.llm_model_override or agent.llm_model) not in offered:
        raise invalid(
            "llm_model_override",
            "model",
            f"Your platform offers {', '.join(offered[:20])} of {name or agent.llm_provider}.",
        )


def _check_pin(settled: Effective, wishes: Wishes) -> None:
    pin = wishes.pinned_version
    if pin is not None and (settled.reason != "pin" or str(settled.version.number) != pin):
        raise invalid(
            "pinned_version",
            "version",
            f"There is no version {pin[:20]} that could be pinned: none, or retired.",
        )


def _check_template(settled: Effective, wishes: Wishes) -> None:
    if wishes.custom_output_template is None or not settled.output_schema:
        return
    wrong = next(iter(validator(settled.version).iter_errors(wishes.custom_output_template)), None)
    if wrong is not None:
        where = "/".join(str(part) for part in wrong.instance_path) or "the template"
        raise invalid(
            "custom_output_template",
            "schema",
            f"It does not match the agent's schema at {where}: {wrong.message}"[:500],
        )
