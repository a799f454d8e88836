"""Real servers for the tests, up before Django reads its settings; each xdist worker has its own pair.

Loaded with `-p` so that it runs before pytest-django does. The tests connect as the app role, because as a
superuser every isolation test would pass vacuously.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from qualisys.embedded import servers

ROOT = Path(__file__).resolve().parent.parent
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def _controls_workers() -> bool:
    """Tell whether this process only hands out tests."""
    return not WORKER and any(each.startswith(("-n", "--numprocesses")) for each in sys.argv)


RUNNING: servers.Servers | None = None

if _controls_workers():
    os.environ |= {
        "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": "controls the workers and touches no data at all",
    }
else:
    HOME = Path(tempfile.mkdtemp(prefix="qualisys-test-"))
    HOME.chmod(0o755)
    RUNNING = servers.start(HOME / "home", fast=True)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "VLLM_BASE_URL", "DEMO_MODEL"):
        # Empty means "not given", also where a developer's .env gives one.
        os.environ[name] = ""
    os.environ |= {
        "QUALISYS_HOME": str(HOME / "home"),
        "DATABASE_URL": RUNNING.app_url,
        "REDIS_URL": RUNNING.redis_url,
        "SECRET_KEY": RUNNING.secret_key,
    }


def pytest_unconfigure() -> None:
    """Stop the servers and remove what they kept."""
    if RUNNING is not None:
        RUNNING.stop()
        shutil.rmtree(HOME, ignore_errors=True)
