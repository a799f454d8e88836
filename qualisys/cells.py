"""How the platform console shows a value in lists and on pages: an icon, a state, a time, an exact text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

F = TypeVar("F", bound=Callable[..., Any])

_STATE_ICONS = {
    "healthy": "circle-check",
    "attention": "triangle-alert",
    "broken": "octagon-alert",
    "paused": "circle-pause",
    "quiet": "circle-dot",
}


def icon(name: str) -> SafeString:
    """Return an icon of the vendored set; decoration only, a word always goes with it."""
    sprite = static("vendor/lucide/sprite.svg")
    return format_html('<svg class="q-icon" aria-hidden="true"><use href="{}#{}"></use></svg>', sprite, name)


def state(kind: str, text: str) -> SafeString:
    """Return a labelled state; `kind` is healthy, attention, broken, paused or quiet."""
    sign = icon(_STATE_ICONS[kind])
    return format_html('<span class="q-state q-state--{}">{}{}</span>', kind, sign, text)


def moment(at: datetime | None, never: str = "never") -> SafeString:
    """Return a time relative to now, with the exact UTC on hover."""
    if at is None:
        return format_html('<span class="q-quiet">{}</span>', never)
    now = timezone.now()
    apart = timesince(min(at, now), max(at, now), depth=1)
    text = (
        "just now" if abs(now - at) < timedelta(minutes=1) else f"{apart} ago" if at < now else f"in {apart}"
    )
    return format_html(
        '<time class="q-time" datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S}",
        text,
    )


def code(text: str) -> SafeString:
    """Return an id or another exact value."""
    return format_html('<code class="q-code">{}</code>', text)


def block(text: str) -> SafeString:
    """Return text that is read as it is: a prompt, a schema."""
    return format_html('<pre class="q-block" tabindex="0">{}</pre>', text)


def column(title: str, *, ordering: str | None = None) -> Callable[[F], F]:
    """Name what a method shows in lists and on pages, and the field that sorts it."""

    def named(method: F) -> F:
        method.short_description = title  # type: ignore[attr-defined]
        if ordering is not None:
            method.admin_order_field = ordering  # type: ignore[attr-defined]
        return method

    return named
