"""When an installation shows the demo, and `demo.json`: its addresses and logins.

The file lies there exactly while the installation is ready to serve; otherwise it waits under another name,
with the passwords and keys that the next start uses again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qualisys.environment import Environment

PENDING = "demo.pending.json"
READY = "demo.json"
#: The logins shown in the terminal; the file has all of them.
SHOWN_ROLES = ("owner", "pm_csm")


def is_wanted(environment: Environment) -> bool:
    """Whether the demo tenants are loaded: never into somebody's own database unless asked for."""
    return not environment.database_url or environment.demo_model


def needs_model(environment: Environment) -> bool:
    """Whether the demo model answers: not beside a real provider, and not if it was declined."""
    declined = "demo_model" in environment.model_fields_set and not environment.demo_model
    provided = environment.openai_api_key or environment.anthropic_api_key or environment.vllm_base_url
    return is_wanted(environment) and not declined and not provided


def arguments(environment: Environment) -> list[str]:
    """`manage.py demo` with what it is to write and under which address."""
    base_url = f"http://localhost:{environment.qualisys_port}"
    return ["demo", "--file", str(environment.qualisys_home / PENDING), "--base-url", base_url]


def hide(home: Path) -> None:
    """Says that the installation is not ready."""
    if (home / READY).exists():
        (home / READY).replace(home / PENDING)


def publish(home: Path) -> None:
    """Says that the installation is ready."""
    if (home / PENDING).exists():
        (home / PENDING).replace(home / READY)


def describe(home: Path) -> list[str]:
    """Addresses and a few logins, one per line; none where there is no demo."""
    try:
        content: dict[str, Any] = json.loads((home / READY).read_text(encoding="utf-8"))
    except OSError:
        return []
    port = urlsplit(content["base_url"]).port or 80
    lines = [_login("console", content["console_url"], content["platform"])]
    for slug, tenant in content["tenants"].items():
        shown = [role for role in SHOWN_ROLES if role in tenant["users"]] or list(tenant["users"])[:1]
        url = tenant.get("url", f"http://{tenant['host']}:{port}")
        lines += [_login(f"{slug} ({role})", url, tenant["users"][role]) for role in shown]
    return [*lines, f"{'all logins and keys':<22}{home / READY}"]


def _login(what: str, url: str, person: dict[str, str]) -> str:
    return f"{what:<22}{url:<34}{person['email']:<32}{person['password']}"
