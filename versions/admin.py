"""Versions in the console, and the registry's page, which composes a definition with its versions."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from agents import definitions
from agents.admin import AgentAdmin
from agents.models import AgentDefinition
from qualisys.cells import block, code, column, moment, state
from qualisys.console import ServiceAdmin
from versions import semver, services
from versions.forms import NewVersionForm, RegisterForm, RolloutForm
from versions.models import AgentVersion, VersionStatus

_STATES = {
    VersionStatus.ACTIVE: "healthy",
    VersionStatus.DEPRECATED: "attention",
    VersionStatus.RETIRED: "paused",
}
#: What lists show of a version; prompts and schemas stay where they are.
_LIGHT = ("id", "agent_id", "version", "status", "rollout_percentage", "changelog", "author", "created_at")


def life(version: AgentVersion) -> SafeString:
    """Return a version's status as a labelled state."""
    return state(_STATES[VersionStatus(version.status)], version.get_status_display())


def share(version: AgentVersion) -> SafeString:
    """Return a version's rollout as a bar with its number."""
    serves = version.status == VersionStatus.ACTIVE
    return format_html(
        '<span class="q-share{}"><span class="q-share__bar"><span style="width: {}%"></span></span>{} %</span>',
        "" if serves else " q-share--idle",
        version.rollout_percentage,
        version.rollout_percentage,
    )


def newest_first(versions: Any) -> list[AgentVersion]:
    """Return versions by number, the newest first."""
    return sorted(versions, key=lambda row: semver.parse(row.version), reverse=True)


def stable(versions: Any) -> AgentVersion | None:
    """Return the newest active version that everyone gets."""
    return next(
        (
            v
            for v in newest_first(versions)
            if v.status == VersionStatus.ACTIVE and v.rollout_percentage == 100
        ),
        None,
    )


@admin.register(AgentDefinition)
class RegistryAdmin(AgentAdmin):
    """An agent with its versions; registering one creates its version 1.0.0 at 100 %."""

    list_display = ("agent", "key", "type", "phase", "answers", "version", "switch", "first_run")
    add_fieldsets = (
        *((name, box) for name, box in AgentAdmin.fieldsets if name not in ("State", "More")),
        ("First version", {"fields": ("system_prompt", "output_schema", "changelog")}),
        ("More", {"fields": ("metadata",)}),
    )
    change_form_outer_before_template = "admin/versions/of_agent.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentDefinition]:
        """Read the versions of all listed agents with one query, without their prompts."""
        versions = Prefetch("versions", AgentVersion.objects.only(*_LIGHT))
        found: QuerySet[AgentDefinition] = super().get_queryset(request).prefetch_related(versions)
        return found

    @column("Version")
    def version(self, obj: AgentDefinition) -> SafeString:
        """The stable version."""
        current = stable(obj.versions.all())
        return code(current.version) if current else state("attention", "none at 100 %")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Ask for the first version too when registering."""
        return super().get_form(request, obj, change, **(kwargs if obj else {"form": RegisterForm, **kwargs}))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Show the agent's versions beside its definition."""
        obj = self.get_object(request, object_id) if object_id else None
        if obj is None or not self.has_view_permission(request, obj):
            return super().changeform_view(request, object_id, form_url, extra_context)
        rows = [{"row": v, "life": life(v), "share": share(v), "at": moment(v.created_at)}
                for v in newest_first(obj.versions.all())]  # fmt: skip
        add = reverse("admin:versions_agentversion_add")
        may_add = request.user.has_perm("versions.add_agentversion")
        context = {
            "versions": rows,
            "stable": stable(obj.versions.all()),
            "add_version_url": f"{add}?agent={obj.agent_id}" if may_add else "",
        }
        return super().changeform_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def write(self, request: Any, form: Any, obj: Any) -> AgentDefinition:
        """Register or change the agent."""
        if obj is not None:
            return super().write(request, form, obj)
        return services.register_agent(
            actor=request.identity,
            definition=definitions.parse(form.data_of_agent()),
            prompt=definitions.parse_prompt(form.prompt()),
            changelog=form.cleaned_data["changelog"].strip(),
        )


@admin.register(AgentVersion)
class VersionAdmin(ServiceAdmin):
    """Every version of every agent: content for good, rollout and status as they move."""

    audit_type = "version"
    first_step = "Registering an agent creates its version 1.0.0."
    list_display = ("agent_name", "number", "life_", "share_", "summary", "created")
    list_filter = ("status", "agent")
    list_select_related = ("agent",)
    search_fields = ("agent__agent_id", "agent__name", "version", "changelog")
    search_help_text = "Search by agent, number or changelog"
    ordering = ("-created_at",)
    readonly_fields = (
        "number", "agent_name", "life_", "changelog_", "author_", "created", "retired", "hash_", "prompt", "schema",
    )  # fmt: skip
    add_fieldsets = (
        ("New version", {"fields": ("agent", "bump", "rollout_percentage", "changelog")}),
        ("Content", {"fields": ("system_prompt", "output_schema"),
                     "description": "Once created, content never changes: a correction is another version."}),
    )  # fmt: skip
    fieldsets = (
        ("Rollout", {"fields": ("rollout_percentage", "status", "reason", "understood")}),
        (
            "About",
            {"fields": ("agent_name", "number", "changelog_", "author_", "created", "retired", "hash_")},
        ),
        ("Content", {"fields": ("prompt", "schema")}),
    )

    @column("Version", ordering="version")
    def number(self, obj: AgentVersion) -> SafeString:
        """Its number."""
        return code(obj.version)

    @column("Agent", ordering="agent__name")
    def agent_name(self, obj: AgentVersion) -> str:
        """Whose version it is."""
        return obj.agent.name

    @column("Status", ordering="status")
    def life_(self, obj: AgentVersion) -> SafeString:
        """Its status."""
        return life(obj)

    @column("Rollout", ordering="rollout_percentage")
    def share_(self, obj: AgentVersion) -> SafeString:
        """Its share of the tenants."""
        return share(obj)

    @column("Changelog")
    def summary(self, obj: AgentVersion) -> str:
        """How the changelog begins."""
        return Truncator(obj.changelog).chars(80)

    @column("Changelog")
    def changelog_(self, obj: AgentVersion) -> str:
        """What changed."""
        return obj.changelog

    @column("Author")
    def author_(self, obj: AgentVersion) -> SafeString:
        """Who wrote it, as the audit trail names them."""
        return code(obj.author)

    @column("Created", ordering="created_at")
    def created(self, obj: AgentVersion) -> SafeString:
        """When it was created."""
        return moment(obj.created_at)

    @column("Retired")
    def retired(self, obj: AgentVersion) -> SafeString:
        """When it was retired."""
        return moment(obj.retired_at, "not retired")

    @column("SHA-256")
    def hash_(self, obj: AgentVersion) -> SafeString:
        """The hash over prompt and schema."""
        return code(obj.content_hash)

    @column("System prompt")
    def prompt(self, obj: AgentVersion) -> SafeString:
        """What the model is told."""
        return block(obj.system_prompt)

    @column("Output schema")
    def schema(self, obj: AgentVersion) -> SafeString:
        """What the model must answer."""
        return block(
            json.dumps(obj.output_schema, indent=2, ensure_ascii=False) if obj.output_schema else "Free text"
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentVersion]:
        """Leave prompts and schemas out until a version is opened."""
        found: QuerySet[AgentVersion] = super().get_queryset(request).defer("system_prompt", "output_schema")
        return found

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form for a new version, or for what moves in an existing one."""
        return super().get_form(request, obj, change, form=RolloutForm if obj else NewVersionForm, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show rollout and status to those who may not move them."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        return (("Rollout", {"fields": ("rollout_percentage", "life_")}), *self.fieldsets[1:])

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start from the content of the agent's newest version."""
        agent_id = request.GET.get("agent", "")
        if not (known := newest_first(AgentVersion.objects.filter(agent__agent_id=agent_id))):
            return {}
        base = known[0]
        return {"agent": agent_id, "system_prompt": base.system_prompt, "output_schema": base.output_schema}

    def write(self, request: Any, form: Any, obj: Any) -> AgentVersion:
        """Create the next version, or move this one."""
        values = form.cleaned_data
        if obj is not None:
            moved = {
                name: values[name] for name in ("rollout_percentage", "status") if name in form.changed_data
            }
            if not moved:
                return AgentVersion.objects.get(pk=obj.pk)
            return services.update_version(
                actor=request.identity,
                agent_id=obj.agent_id,
                version=obj.version,
                reason=values["reason"],
                **moved,
            )
        schema = {} if values["output_schema"] is None else {"output_schema": values["output_schema"]}
        return services.create_version(
            actor=request.identity,
            agent_id=values["agent"].agent_id,
            data={"system_prompt": values["system_prompt"], **schema},
            changelog=values["changelog"],
            bump=values["bump"],
            rollout_percentage=values["rollout_percentage"],
        )
