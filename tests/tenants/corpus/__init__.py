"""Attacks and harmless prompts on which the prompt rules are measured, in three parts.

`tuned/` was looked at while patterns were written. The hashes of `held_out/` were committed before the first
pattern. `paraphrased/` says the same things in other words, as somebody would who knows the patterns: it was
written when they were final, and measured once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
HASHES = (HERE / "HELD_OUT.sha256", HERE / "PARAPHRASED.sha256")

Part = Literal["tuned", "held_out", "paraphrased"]
Kind = Literal["attacks", "harmless"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A custom prompt as a tenant might save it."""

    id: str
    family: str
    language: str
    text: str


def load(part: Part, kind: Kind) -> list[Entry]:
    """Return one file of the corpus."""
    lines = (HERE / part / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Entry(**json.loads(line)) for line in lines]


def changed_files() -> list[str]:
    """Return the files that are no longer what they were when their hashes were committed."""
    said = [line.split() for hashes in HASHES for line in hashes.read_text(encoding="utf-8").splitlines()]
    return [name for digest, name in said if sha256((HERE / name).read_bytes()).hexdigest() != digest]
