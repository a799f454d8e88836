"""What kinds of change do to rows, to the running application and to everybody who waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effect:
    """The consequences of one change.

    `compatible`: the previous application version keeps working. `lock`: none, writes, reads_and_writes, unknown.
    `flags` are what the risk score counts: loss, unconditional, overwrites, breaks, full_lock, writes_lock,
    validates, privileges, not_repeatable.
    """

    note: str
    reversible: bool = True
    data_loss: bool = False
    compatible: bool = True
    lock: str = "none"
    flags: frozenset[str] = frozenset()


def _flags(words: str) -> frozenset[str]:
    return frozenset(words.split())


_EVERYBODY = "reads_and_writes"

ADDITIVE = Effect("Purely additive.")
UNKNOWN = Effect("Not classified by the rules; read it by hand.", lock="unknown")

DROP_ROWS = Effect(
    "Rows go with it; only a backup brings them back.", False, True, False, _EVERYBODY, _flags("loss breaks")
)
DROP_OTHER = Effect("Whatever uses it breaks.", compatible=False, lock=_EVERYBODY, flags=_flags("breaks"))
DROP_INDEX = Effect("Queries that use it get slower.", lock=_EVERYBODY)
DROP_COLUMN = Effect(
    "Its values go with it; only a backup brings them back.",
    False,
    True,
    False,
    _EVERYBODY,
    _flags("loss breaks full_lock"),
)
DROP_CONSTRAINT = Effect("Wrong rows are no longer refused; adding it again may fail.", lock=_EVERYBODY)

ADD_COLUMN = Effect("Short lock; no rewrite.", lock=_EVERYBODY)
ADD_REQUIRED = Effect(
    "Fails on a table with rows, and the previous version cannot insert.",
    compatible=False,
    lock=_EVERYBODY,
    flags=_flags("breaks validates"),
)
ADD_REWRITE = Effect(
    "Rewrites the table and blocks everybody while it does.", lock=_EVERYBODY, flags=_flags("full_lock")
)
NARROW = Effect(
    "May rewrite the table and blocks everybody while it does. Longer or larger values do not fit.",
    False,
    True,
    False,
    _EVERYBODY,
    _flags("full_lock loss"),
)
RETYPE = Effect(
    "May rewrite the table and blocks everybody while it does.", lock=_EVERYBODY, flags=_flags("full_lock")
)
REQUIRE = Effect(
    "Reads every row; fails when one is empty.", lock=_EVERYBODY, flags=_flags("validates full_lock")
)
RENAME = Effect(
    "Short lock, but the previous application version fails at once.",
    compatible=False,
    lock=_EVERYBODY,
    flags=_flags("breaks"),
)
CONSTRAIN = Effect(
    "Reads every row under the lock; fails when one breaks it.",
    lock=_EVERYBODY,
    flags=_flags("validates full_lock"),
)
CONSTRAIN_LATER = Effect("Checked for new rows only; validate it in a second step.", lock=_EVERYBODY)
ALTER_OTHER = Effect(
    "Takes the strongest lock, as most ALTER TABLE do.", lock=_EVERYBODY, flags=_flags("full_lock")
)

INDEX = Effect(
    "Blocks writes while it is built; how long depends on the size of the table.",
    lock="writes",
    flags=_flags("writes_lock"),
)
INDEX_ONLINE = Effect("Built without blocking.")
UNIQUE = Effect(
    "Blocks writes while it is built. Fails when existing rows hold duplicates.",
    compatible=False,
    lock="writes",
    flags=_flags("writes_lock validates"),
)
UNIQUE_ONLINE = Effect(
    "Built without blocking. Fails when existing rows hold duplicates.",
    compatible=False,
    flags=_flags("validates"),
)

INSERT = Effect("Adds rows; running it twice adds them twice.", flags=_flags("not_repeatable"))
INSERT_ONCE = Effect("Adds rows once.")
UPDATE = Effect("Overwrites values; the old ones are gone.", False, True, flags=_flags("overwrites"))
UPDATE_ALL = Effect("Overwrites every row.", False, True, flags=_flags("unconditional loss"))
DELETE = Effect("Removes rows; only a backup brings them back.", False, True, flags=_flags("loss"))
DELETE_ALL = Effect("Removes every row.", False, True, flags=_flags("loss unconditional"))
TRUNCATE = Effect("Removes every row.", False, True, lock=_EVERYBODY, flags=_flags("loss unconditional"))

GRANT = Effect("A right is given.", flags=_flags("privileges"))
GRANT_ALL = Effect("Everybody who can connect gets the right.", flags=_flags("privileges"))
REVOKE = Effect("A right is taken away.", compatible=False)
