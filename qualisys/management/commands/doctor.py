"""`manage.py doctor`: looks at an installation and says, line by line, what is well and what to mend."""

from __future__ import annotations

import re
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connections
from django.db.migrations.loader import MigrationLoader
from redis import Redis
from redis.exceptions import RedisError

from qualisys import tenancy
from qualisys.environment import LOCAL_HOSTS, ROOT

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 15
#: Characters below which Django, too, calls a key weak.
SECRET_KEY_LENGTH = 50
#: How far clocks may be apart, in seconds: half of what a revocation may take.
CLOCK_SKEW = 0.5
MONTHS_AHEAD = 3
FREE_DISK = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """What was found; `mend` says what to do about it, and is empty where nothing is to be done."""

    found: str
    mend: str = ""


Check = Callable[[], Iterator[Finding]]


def python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    old = sys.version_info < OLDEST_PYTHON
    yield Finding(f"Python {version}", "use Python 3.11 or newer" if old else "")


def packages() -> Iterator[Finding]:
    """Installed packages against the lock file, as far as the product names them itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    locked: dict[str, list[str]] = {}  # more than one version where they differ by Python's version
    for package in lock:
        locked.setdefault(package["name"], []).append(package.get("version", ""))
    wrong = 0
    for requirement in project["dependencies"]:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()
        installed = next((found.version for found in metadata.distributions(name=name)), "not installed")
        if installed not in locked.get(name, []):
            wrong += 1
            yield Finding(f"{name} is {installed}, not as locked", "run `uv sync --frozen`")
    if not wrong:
        yield Finding(f"{len(project['dependencies'])} packages as locked")


def secret_key() -> Iterator[Finding]:
    weak = len(settings.SECRET_KEY) < SECRET_KEY_LENGTH or len(set(settings.SECRET_KEY)) < 5
    yield Finding(
        f"SECRET_KEY has {len(settings.SECRET_KEY)} characters",
        f"set SECRET_KEY to {SECRET_KEY_LENGTH} or more random characters" if weak else "",
    )


def hosts() -> Iterator[Finding]:
    found = f"ALLOWED_HOSTS is {', '.join(settings.ALLOWED_HOSTS) or 'empty'}"
    if "*" in settings.ALLOWED_HOSTS:
        yield Finding(found, "name the hosts: a host decides which tenant a request belongs to")
    elif settings.ALLOWED_HOSTS == LOCAL_HOSTS:
        yield Finding(f"{found} (this machine only)")
    else:
        yield Finding(found)
    if settings.DEBUG:
        yield Finding("DEBUG is on", "unset DEBUG: its error pages show code and settings")


def database() -> Iterator[Finding]:
    """Reachability, past the pool, whose error would only say that it waited."""
    url = settings.ENV.database_url.get_secret_value()
    with psycopg.connect(url, connect_timeout=3) as connection:
        version = connection.info.server_version // 10000
        yield Finding(f"PostgreSQL {version} answers as role {connection.info.user}")
        if version < OLDEST_POSTGRES:
            yield Finding(f"PostgreSQL {version} is too old", f"upgrade to {OLDEST_POSTGRES} or newer")


def role() -> Iterator[Finding]:
    """What the app role must not be able to do, since all isolation of tenants rests on it."""
    mend = "set the roles up with `python -m qualisys.embedded.roles --admin-url ... --apply`"
    ((name, superuser, bypasses, owns_database, owned, truncates),) = rows(
        """
        SELECT rolname, rolsuper, rolbypassrls,
               EXISTS (SELECT FROM pg_database WHERE datname = current_database() AND datdba = r.oid),
               (SELECT count(*) FROM pg_class WHERE relowner = r.oid),
               (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')
                  AND relnamespace = 'public'::regnamespace AND has_table_privilege(oid, 'TRUNCATE'))
        FROM pg_roles AS r WHERE rolname = current_user
        """
    )
    wrong = [
        *["is a superuser"] * superuser,
        *["bypasses row-level security"] * bypasses,
        *["owns the database"] * owns_database,
        *[f"owns {owned} tables or other relations"] * bool(owned),
        *[f"may truncate {truncates} tables"] * bool(truncates),
    ]
    yield Finding(
        f"role {name} {', '.join(wrong) or 'reads and writes rows, nothing more'}", mend if wrong else ""
    )


def migrations() -> Iterator[Finding]:
    """Migrations of the public schema and of every tenant's, each in one query."""
    loader = MigrationLoader(connections["default"])
    assert loader.applied_migrations is not None
    wanted = set(loader.graph.nodes)
    missing = wanted - set(loader.applied_migrations)
    if missing:
        yield Finding(f"{len(missing)} migrations are not applied", "run `manage.py migrate`")
    else:
        yield Finding(f"{len(wanted)} migrations are applied")
    labels = {app.rpartition(".")[2] for app in settings.TENANT_APPS}
    yield from tenant_migrations({node for node in wanted if node[0] in labels})


def tenant_migrations(wanted: set[tuple[str, str]]) -> Iterator[Finding]:
    schemas = [
        name
        for (name,) in rows(
            "SELECT quote_ident(nspname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE relname = 'django_migrations' AND nspname <> 'public'"
        )
    ]
    union = " UNION ALL ".join(
        f"SELECT '{name}', app, name FROM {name}.django_migrations"  # noqa: S608 - quoted by the server
        for name in schemas
    )
    applied: dict[str, set[tuple[str, str]]] = {name: set() for name in schemas}
    for schema, app, name in rows(union) if schemas else []:
        applied[schema].add((app, name))
    behind = sorted(schema for schema, done in applied.items() if wanted - done)
    if behind:
        yield Finding(f"{len(behind)} tenants are behind: {', '.join(behind[:5])}", "run `manage.py migrate`")
    else:
        yield Finding(f"{len(schemas)} schemas of tenants are up to date")


def partitions() -> Iterator[Finding]:
    """Whether the execution log can take rows of this month and of those to come."""
    if rows("SELECT to_regclass('public.agent_execution_log') IS NULL") == [(True,)]:
        return
    bounds = rows(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class JOIN pg_inherits ON inhrelid = oid "
        "WHERE inhparent = 'public.agent_execution_log'::regclass"
    )
    starts = {found[1] for (bound,) in bounds if (found := re.search(r"FROM \('(\d{4}-\d{2})-01", bound))}
    today = datetime.now(UTC)
    ahead = [today.year * 12 + today.month - 1 + more for more in range(MONTHS_AHEAD + 1)]
    missing = [name for month in ahead if (name := f"{month // 12}-{month % 12 + 1:02}") not in starts]
    if missing:
        yield Finding(
            f"the execution log has no partition for {', '.join(missing)}", "run `manage.py migrate`"
        )
    else:
        yield Finding(f"the execution log has partitions {MONTHS_AHEAD} months ahead")


def row_security() -> Iterator[Finding]:
    """Shared tables with a tenant's rows, partitions included."""
    open_tables = rows(
        "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = oid "
        "WHERE attname = 'tenant_id' AND NOT attisdropped AND relkind IN ('r', 'p') "
        "AND relnamespace = 'public'::regnamespace AND NOT (relrowsecurity AND relforcerowsecurity) "
        "ORDER BY relname"
    )
    for (table,) in open_tables:
        yield Finding(f"{table} has no forced row-level security", "run `manage.py migrate`")
    if not open_tables:
        yield Finding("row-level security is forced on every shared table with a tenant_id")


def redis() -> Iterator[Finding]:
    with redis_client() as client:
        info: dict[str, Any] = client.info()
        yield Finding(
            f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])} answers"
        )
        policy = info["maxmemory_policy"]
        mend = (
            "" if policy == "noeviction" else "set maxmemory-policy noeviction: budgets must not be evicted"
        )
        yield Finding(f"Redis eviction policy is {policy}", mend)
        durable = bool(info["aof_enabled"])
        yield Finding(
            f"Redis append-only file is {'on' if durable else 'off'}",
            "" if durable else "set appendonly yes: background runs and unwritten log rows wait in Redis",
        )


def clocks() -> Iterator[Finding]:
    """Leases and budgets go by Redis' clock, rows by PostgreSQL's, tokens by this machine's."""
    ((database_time,),) = rows("SELECT extract(epoch FROM clock_timestamp())::float8")
    database_skew = abs(float(database_time) - time.time())
    with redis_client() as client:
        seconds, microseconds = client.time()
        redis_skew = abs(seconds + microseconds / 1e6 - time.time())
    worst = max(database_skew, redis_skew)
    yield Finding(
        f"clocks of PostgreSQL, Redis and this machine are {worst:.2f} s apart",
        "synchronize the clocks (NTP)" if worst > CLOCK_SKEW else "",
    )


def providers() -> Iterator[Finding]:
    if settings.PROVIDERS:
        yield Finding(f"model providers: {', '.join(settings.PROVIDERS)}")
    elif settings.DEMO_MODEL_URL:
        yield Finding("no model provider; the demo model answers, and says so")
    else:
        yield Finding("no model provider", "set OPENAI_API_KEY, ANTHROPIC_API_KEY or VLLM_BASE_URL")


def disk() -> Iterator[Finding]:
    folder = next(place for place in (settings.QUALISYS_HOME, ROOT) if place.exists())
    free = shutil.disk_usage(folder).free
    mend = "" if free > FREE_DISK else "free some space: a full disk stops PostgreSQL"
    yield Finding(f"{free / 1024**3:.1f} GiB free in {folder}", mend)


#: Each check with the servers it needs: those checks come first whose name is such a server.
CHECKS: list[tuple[Check, set[str]]] = [
    *(
        (check, set[str]())
        for check in (python, packages, secret_key, hosts, providers, disk, database, redis)
    ),
    *((check, {"database"}) for check in (role, migrations, partitions, row_security)),
    (clocks, {"database", "redis"}),
]


def rows(query: str) -> list[tuple[Any, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(query)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def redis_client() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=3, socket_connect_timeout=3)


def examine() -> Iterator[Finding]:
    """All findings. What cannot be looked at is a finding, too, but only once per server."""
    unreachable: set[str] = set()
    for check, needs in CHECKS:
        if needs & unreachable:
            continue
        try:
            yield from check()
        except (DatabaseError, psycopg.Error, RedisError, OSError) as error:
            unreachable.add(check.__name__)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            yield Finding(f"{check.__name__} cannot be examined: {reason}", "mend this first, then ask again")


class Command(BaseCommand):
    help = "Checks this installation and says what to mend; ends with 1 if something is."
    requires_system_checks = []

    def handle(self, *args: object, **options: object) -> None:
        to_mend = 0
        with tenancy.use(tenancy.platform("doctor")):
            for finding in examine():
                to_mend += bool(finding.mend)
                if finding.mend:
                    self.stdout.write(self.style.ERROR(f"✗ mend  {finding.found}: {finding.mend}"))
                else:
                    self.stdout.write(f"✓ fine  {finding.found}")
        self.stdout.write(f"{to_mend} to mend" if to_mend else "nothing to mend")
        if to_mend:
            raise SystemExit(1)
