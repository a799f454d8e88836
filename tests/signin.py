"""What tests of signing in share: no brake from the test before, codes as an app shows them, and the mailbox."""

from __future__ import annotations

import email
import os
import time
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pyotp
import redis
from django.utils import timezone

from qualisys import tenancy
from tenants.sessions import ORIGIN, SessionStore
from tenants.signin import factors
from tests.portal import wait_for


def release_brake() -> None:
    """Forget every attempt that was counted."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    for counter in client.scan_iter("signin:*"):
        client.delete(counter)


def code(secret: str, steps: int = 0) -> str:
    """Return what an authenticator app shows now, or `steps` half minutes from now."""
    return pyotp.TOTP(secret).generate_otp(int(time.time()) // 30 + steps)


def with_factor(user_id: UUID) -> tuple[str, list[str]]:
    """Turn the second factor on, with a code of the past; return the secret and the recovery codes."""
    secret = factors.begin(user_id=user_id)
    return secret, factors.confirm(user_id=user_id, code=code(secret, -1))


def let_age(key: str, tenant: tenancy.Tenant, minutes: int) -> None:
    """Move the beginning of the session with this key into the past."""
    with tenancy.use(tenant):
        session = SessionStore(key)
        began = timezone.now() - timedelta(minutes=minutes)
        session[ORIGIN] = {**session[ORIGIN], "began": began.isoformat()}
        session.save()


def mails_to(address: str) -> list[Message]:
    """Return the mails that were sent to an address, oldest first."""
    folder = Path(os.environ["QUALISYS_HOME"]) / "mail"
    found = []
    for path in sorted(folder.glob("*.log"), key=lambda each: each.stat().st_mtime_ns):
        for part in path.read_bytes().split(b"-" * 79):
            message = email.message_from_bytes(part.strip())
            if message["To"] == address:
                found.append(message)
    return found


def mail_to(address: str, count: int = 1) -> Message:
    """Wait for the `count`-th mail to an address and return it."""
    wait_for(lambda: len(mails_to(address)) >= count, 20, f"mail to {address}")
    return mails_to(address)[count - 1]


def texts(message: Message) -> tuple[str, str]:
    """Return the plain text and the HTML of a mail."""
    parts = {
        part.get_content_type(): bytes(part.get_payload(decode=True)).decode()
        for part in message.walk()
        if not part.is_multipart()
    }
    return parts["text/plain"], parts["text/html"]


def link_in(message: Message) -> str:
    """Return the path of the link that a mail carries."""
    address = next(line for line in texts(message)[0].splitlines() if line.startswith("http"))
    return str(httpx.URL(address).path)


def send(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Send a form of a page, as its own script-free browser would."""
    if "csrftoken" not in client.cookies:
        client.get("/sign-in/")
    return client.post(path, data={"csrfmiddlewaretoken": client.cookies["csrftoken"], **fields})
