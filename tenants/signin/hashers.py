"""How passwords are kept: Argon2id, so that a stolen table costs memory and time for every single guess."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2Hasher(Argon2PasswordHasher):
    """Twice OWASP's minimum in time at its larger memory: about 80 ms and 46 MiB for each check.

    One lane, because a portal checks many people's passwords beside each other rather than one in parallel.
    """

    time_cost = 2
    memory_cost = 46 * 1024
    parallelism = 1
