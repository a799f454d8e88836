"""One arrow, the guessing rule, and what no linter sees: relations between models, by name too."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from tests.portal import ROOT

#: From the top floor down; a package imports only from packages to its right.
ARROW = ("governance", "tenants", "versions", "agents", "qualisys")

#: What a module at the top of an app may be called, so that knowing one app is knowing all.
GUESSED = {
    "__init__", "apps", "models", "services", "selectors", "api", "schemas", "views", "forms", "admin", "tasks",
    "metrics", "checks", "urls", "urls_platform", "consumers", "middleware", "backends", "context",
}  # fmt: skip
#: What an app has beyond that, because its subject has such a part: a noun each.
OWN = {
    "agents": {"console_models", "console_prices", "console_stops", "definitions", "gates", "ledger", "partitions",
               "prices", "registry", "segments", "stops"},
    "versions": {"builtin", "registry", "rollout", "semver"},
    "tenants": {"api_keys", "authentication", "console_forms", "console_keys", "console_limits", "console_patterns",
                "console_people", "console_provider", "console_support", "demo", "directory", "discovery", "effective",
                "identity", "keys", "members", "permissions", "schema", "seen", "sessions", "tokens"},
    "governance": {"console", "dead_letters", "gates", "rendering", "sparks", "usage", "waiting"},
}  # fmt: skip
FORBIDDEN = {"utils", "helpers", "common", "core", "misc", "shared", "base_utils", "tools", "lib"}


def sources(package: str) -> list[Path]:
    return [path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts]


def imported(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The modules a file imports, with the names it takes from them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, [alias.name for alias in node.names]


def floor(name: str) -> int:
    return ARROW.index(name)


def test_import_linter__keeps_the_arrow() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("package", ARROW)
def test_imports__inside_functions_too__point_down(package: str) -> None:
    above = set(ARROW[: floor(package)])
    wrong = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources(package)
        for module, _ in imported(path)
        if module.split(".")[0] in above
    }
    # Migrations and settings compose by name; what composes by import is the wiring of the ground floor.
    assert wrong == set()


def test_model_relations__point_down() -> None:
    wrong = set()
    for model in apps.get_models():
        owner = model.__module__.split(".")[0]
        for field in model._meta.get_fields():
            related = getattr(field, "related_model", None)
            if owner not in ARROW or related is None or isinstance(related, str) or field.auto_created:
                continue
            target = related.__module__.split(".")[0]
            if target in ARROW and floor(target) < floor(owner):
                wrong.add(f"{model.__name__}.{field.name} -> {related.__name__}")
    assert wrong == set()


def test_migrations__depend_downwards() -> None:
    """A relation by string, and a dependency between migrations, is an import that no linter sees."""
    labels = {config.label: config.name.split(".")[0] for config in apps.get_app_configs()}
    wrong = {
        f"{app}.{name} -> {needed}"
        for (app, name), migration in MigrationLoader(None, ignore_no_migrations=True).disk_migrations.items()
        for needed, _ in migration.dependencies
        if labels.get(app) in ARROW
        and labels.get(needed) in ARROW
        and floor(labels[needed]) < floor(labels[app])
    }
    assert wrong == set()


@pytest.mark.parametrize("package", ARROW)
def test_signals__are_not_used_between_apps(package: str) -> None:
    signals = {"django.dispatch", "django.db.models.signals", "django.core.signals"}
    assert {
        path.name for path in sources(package) for module, _ in imported(path) if module in signals
    } == set()


@pytest.mark.parametrize("package", ARROW)
def test_connections__are_never_taken_raw(package: str) -> None:
    """`django.db.connection`, django-tenants' context managers and `with tenant:` do not follow the context."""
    banned = {"connection", "schema_context", "tenant_context"}
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(package)
        for module, names in imported(path)
        for name in names
        if name in banned and module.startswith(("django.db", "django_tenants.utils"))
    }
    assert wrong == set()


@pytest.mark.parametrize("package", [name for name in ARROW if name != "qualisys"])
def test_files__of_an_app__have_guessed_names(package: str) -> None:
    found = {path.stem for path in (ROOT / package).glob("*.py")}
    assert found - GUESSED - OWN[package] == set()


def test_files__nowhere_are_drawers_for_anything() -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in (*ARROW, "tests")
        for path in sources(package)
        if {path.stem, *path.relative_to(ROOT).parts[:-1]} & FORBIDDEN
    }
    assert found == set()


def test_files__are_short() -> None:
    """Few files are longer than a reader keeps in mind; the demo model's grammar is data."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for package in (*ARROW, "tests")
        for path in sources(package)
        if "demo" not in path.parts and "migrations" not in path.parts
    }
    middle = sorted(lengths.values())[len(lengths) // 2]
    assert middle <= 120
    assert {name for name, length in lengths.items() if length > 500} == set()


def test_models__all_say_what_they_are() -> None:
    undocumented = [
        model.__name__
        for model in apps.get_models()
        if model.__module__.split(".")[0] in ARROW and (model.__doc__ or "").startswith(f"{model.__name__}(")
    ]
    assert undocumented == []
