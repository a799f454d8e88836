"""Mails about signing in: plain text and HTML of the same words, in the product's look."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)

_SUBJECTS = {
    "invitation": "You are invited to {0} on QUALISYS",
    "reset": "Choose a new password for {0}",
}


def send(kind: str, to: str, context: Mapping[str, Any]) -> None:
    """Send the mail of a kind (`invitation`, `reset`); raise OSError where the mail server cannot be reached."""
    if settings.EMAIL_BACKEND.endswith("dummy.EmailBackend"):
        logger.warning("EMAIL_URL is not set: a mail (%s) was not sent", kind)
        return
    tenant = context.get("tenant")
    subject = _SUBJECTS[kind].format(" ".join((tenant.name if tenant else "QUALISYS").split()))
    words = dict(context)
    text = render_to_string(f"tenants/mail/{kind}.txt", words)
    message = EmailMultiAlternatives(subject, text, settings.DEFAULT_FROM_EMAIL, [to])
    message.attach_alternative(render_to_string(f"tenants/mail/{kind}.html", words), "text/html")
    message.send()
