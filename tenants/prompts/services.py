"""Writes of prompt patterns: the platform's, audited by the table's trigger, tried before they are stored."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from qualisys import audit
from qualisys.access import Actor, check
from qualisys.problems import Problem, invalid
from tenants.models import PatternFamily, PromptPattern
from tenants.prompts import engine


def create_pattern(
    *, actor: Actor, name: str, family: str, pattern: str, note: str = "", enabled: bool = True
) -> PromptPattern:
    """Add a pattern; raise `validation_error` where it cannot be used, `conflict` if the name is taken."""
    check(actor, "tenants.add_promptpattern")
    _admit(family, pattern)
    try:
        with transaction.atomic():
            return PromptPattern.objects.create(
                name=name, family=family, pattern=pattern, note=note, enabled=enabled
            )
    except IntegrityError as error:
        raise Problem("conflict", f"There already is a pattern '{name}'.") from error


def update_pattern(
    *, actor: Actor, row: PromptPattern, family: str, pattern: str, note: str, reason: str = ""
) -> PromptPattern:
    """Change a pattern; its name stays, because the audit trail knows it by that."""
    check(actor, "tenants.change_promptpattern")
    _admit(family, pattern)
    with transaction.atomic(), audit.because(reason):
        locked = PromptPattern.objects.select_for_update().get(pk=row.pk)
        locked.family, locked.pattern, locked.note = family, pattern, note
        locked.save(update_fields=["family", "pattern", "note", "updated_at"])
    return locked


def set_pattern_enabled(
    *, actor: Actor, row: PromptPattern, enabled: bool, reason: str = ""
) -> PromptPattern:
    """Turn a pattern on or off for every prompt that is saved from now on."""
    check(actor, "tenants.change_promptpattern")
    with transaction.atomic(), audit.because(reason):
        locked = PromptPattern.objects.select_for_update().get(pk=row.pk)
        locked.enabled = enabled
        locked.save(update_fields=["enabled", "updated_at"])
    return locked


def _admit(family: str, pattern: str) -> None:
    if family not in PatternFamily.values:
        raise invalid("family", "family", f"Use one of {', '.join(PatternFamily.values)}.")
    try:
        engine.admit(pattern)
    except engine.BadPattern as error:
        raise invalid("pattern", "pattern", str(error)) from error
