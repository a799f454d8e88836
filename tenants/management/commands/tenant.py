"""`manage.py tenant create|list|suspend|activate|delete`."""

from __future__ import annotations

from argparse import ArgumentParser
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from qualisys import audit, tenancy
from qualisys.access import System
from qualisys.problems import Problem
from tenants import schema, services
from tenants.models import Tenant, TenantStatus, Tier


class Command(BaseCommand):
    """Manage client organisations from the command line."""

    help = "Create, list, suspend, activate or delete tenants."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Describe the sub-commands."""
        commands = parser.add_subparsers(dest="command", required=True)
        create = commands.add_parser("create", help="create a tenant and its schema")
        create.add_argument("slug")
        create.add_argument("--name", default="")
        create.add_argument("--tier", choices=Tier.values, default=Tier.STANDARD)
        create.add_argument("--host", action="append", default=[], help="host name; repeat for more than one")
        commands.add_parser("list", help="list tenants")
        for verb in ("suspend", "activate"):
            change = commands.add_parser(verb, help=f"{verb} a tenant everywhere within a second")
            change.add_argument("slug")
            change.add_argument("--reason", default="")
        delete = commands.add_parser("delete", help="delete a suspended tenant with all its data")
        delete.add_argument("slug")
        delete.add_argument("--yes", metavar="SLUG", default="", help="repeat the slug to confirm")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one sub-command as the platform."""
        with (
            tenancy.use(tenancy.platform("tenant command")),
            audit.acting(audit.Actor("system:command", reason=options.get("reason", ""))),
        ):
            try:
                getattr(self, options["command"])(options)
            except (Problem, schema.TemplateStale) as refused:
                raise CommandError(getattr(refused, "detail", str(refused))) from refused

    def create(self, options: dict[str, Any]) -> None:
        """Create a tenant and say how long it took."""
        slug = options["slug"]
        began = perf_counter()
        self.stdout.write(f"creating {slug} ...")
        tenant = services.create_tenant(
            actor=System("command"),
            slug=slug,
            name=options["name"] or slug,
            tier=options["tier"],
            hosts=options["host"] or [f"{slug.replace('_', '-')}.localhost"],
        )
        hosts = ", ".join(host.domain for host in tenant.domains.all())
        self.stdout.write(f"{slug}: schema ready in {perf_counter() - began:.3f} s, reached at {hosts}")

    def list(self, options: dict[str, Any]) -> None:
        """Print every tenant."""
        for tenant in Tenant.objects.prefetch_related("domains", "memberships"):
            hosts = ", ".join(host.domain for host in tenant.domains.all())
            people = tenant.memberships.count()
            self.stdout.write(
                f"{tenant.schema_name:24} {tenant.tier:11} {tenant.status:10} {people:4} people  {hosts}"
            )

    def suspend(self, options: dict[str, Any]) -> None:
        """Suspend a tenant."""
        self._set(options, TenantStatus.SUSPENDED)

    def activate(self, options: dict[str, Any]) -> None:
        """Bring a suspended tenant back."""
        self._set(options, TenantStatus.ACTIVE)

    def delete(self, options: dict[str, Any]) -> None:
        """Delete a suspended tenant after a typed confirmation."""
        tenant = self._find(options["slug"])
        if options["yes"] != tenant.schema_name:
            raise CommandError(
                f"This deletes everything of {tenant.name}. Confirm with --yes {tenant.schema_name}"
            )
        services.delete_tenant(actor=System("command"), tenant=tenant)
        self.stdout.write(f"{options['slug']}: deleted")

    def _set(self, options: dict[str, Any], status: TenantStatus) -> None:
        tenant = self._find(options["slug"])
        services.set_status(actor=System("command"), tenant=tenant, status=status, reason=options["reason"])
        self.stdout.write(f"{tenant.schema_name}: {status.label.lower()}")

    def _find(self, slug: str) -> Tenant:
        tenant: Tenant | None = Tenant.objects.filter(schema_name=slug).first()
        if tenant is None:
            raise CommandError(f"There is no tenant '{slug}'. See: manage.py tenant list")
        return tenant
