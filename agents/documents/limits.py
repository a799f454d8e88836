"""How much of a document is read, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

MAX_BYTES = 10 << 20
MAX_PAGES = 200
MAX_SHEETS = 50
MAX_CELLS = 200_000
MAX_CHARACTERS = 1_000_000

#: Office files are archives: bytes after unpacking, and entries.
MAX_UNPACKED = 100 << 20
MAX_ENTRIES = 5_000

#: Times the size an archive may grow to; small ones may grow more, since they stay small.
MAX_RATIO = 100
RATIO_FREE = 10 << 20

#: Seconds until a parser is killed, seconds of CPU and bytes of address space it may use.
WALL_SECONDS = 20.0
CPU_SECONDS = 20
MEMORY = 512 << 20

#: Levels of nesting in a JSON file.
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one extraction; tests lower them."""

    bytes: int = MAX_BYTES
    pages: int = MAX_PAGES
    sheets: int = MAX_SHEETS
    cells: int = MAX_CELLS
    characters: int = MAX_CHARACTERS
    unpacked: int = MAX_UNPACKED
    entries: int = MAX_ENTRIES
    ratio: int = MAX_RATIO
    ratio_free: int = RATIO_FREE
    wall_seconds: float = WALL_SECONDS
    cpu_seconds: int = CPU_SECONDS
    memory: int = MEMORY
    depth: int = MAX_DEPTH


LIMITS = Limits()
