"""What leaves as a file."""

from __future__ import annotations

from django.http import HttpResponse


def attachment(content: bytes, kind: str, name: str) -> HttpResponse:
    """Return a file to be kept, under this name, by nobody on the way."""
    headers = {
        "Content-Type": kind,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(content, headers=headers)
