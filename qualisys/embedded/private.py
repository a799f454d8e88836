"""Files that only this user may read: passwords, keys, addresses that contain them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Replaces the file as a whole, with mode 0600 from its first byte on."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def write_json(path: Path, values: Mapping[str, object]) -> None:
    write(path, json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> dict[str, object]:
    """What `write_json` wrote; nothing where the file is missing. Raises ValueError for other content."""
    if not path.exists():
        return {}
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return values
