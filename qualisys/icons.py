"""The icons that the portal has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.conf import settings


def icon_of(name: str) -> str:
    """Return the icon if the portal has it, else the default one: any text may be registered as an agent's icon."""
    return name if f'id="{name}"' in _sprite() else "default-agent"


@cache
def _sprite() -> str:
    return (Path(settings.BASE_DIR) / "static" / "vendor" / "lucide" / "sprite.svg").read_text(
        encoding="utf-8"
    )
