"""One `Idempotency-Key`, one effect: the first request does the work, the others get its answer.

The claim and the stored answer live in Redis for a day, under the caller and the key. The fingerprint of method,
path and body travels with them, so the same key with another body is refused.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from qualisys import redis as qredis
from qualisys.problems import Problem, invalid
from qualisys.redis import RedisUnavailable, Script

logger = logging.getLogger(__name__)

DAY = 24 * 3600
#: Seconds a claim holds without an answer; longer than any synchronous run.
CLAIM = 180
#: Seconds a duplicate waits for the first one's answer.
WAIT = 130

_KEY = re.compile(r"[\x21-\x7e]{1,200}")

#: KEYS name. ARGV claim. Gives up a claim, if it is still ours.
_TAKE_BACK = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")

Inner = Callable[[Any], Awaitable[Any]]


async def once(request: HttpRequest, key: str, inner: Inner) -> HttpResponseBase:
    """Answer `request` through `inner` unless this key did it already; raise `conflict` where it cannot be told."""
    identity = getattr(request, "identity", None)
    if identity is None:
        return await inner(request)  # type: ignore[no-any-return]
    if not _KEY.fullmatch(key):
        raise invalid("Idempotency-Key", "format", "Use 1 to 200 printable characters without spaces.")
    tenant = identity.tenant.id if identity.tenant else "platform"
    name = f"idem:{tenant}:{identity.user_id}:{sha256(key.encode()).hexdigest()}"
    fingerprint = sha256(f"{request.method} {request.get_full_path()}\n".encode() + request.body).hexdigest()
    redis = qredis.client()
    claim = orjson.dumps({"fingerprint": fingerprint, "by": secrets.token_hex(8)})
    try:
        claimed = await redis.call("SET", name, claim, "NX", "EX", CLAIM)
    except RedisUnavailable:
        # A frozen server will still read the claim; what follows on the same connection takes it back.
        redis.run_soon(_TAKE_BACK, [name], [claim])
        raise
    if claimed is None:
        answer = await _answer_of(name, fingerprint)
        if isinstance(answer, HttpResponse):
            return answer
        request.continued_run = answer  # type: ignore[attr-defined]
        return await inner(request)  # type: ignore[no-any-return]
    try:
        response = await inner(request)
    except BaseException:
        redis.run_soon(_TAKE_BACK, [name], [claim])
        raise
    if getattr(response, "retriable", False):
        redis.run_soon(_TAKE_BACK, [name], [claim])
        return response  # type: ignore[no-any-return]
    try:
        await redis.call("SET", name, _stored(fingerprint, response), "EX", DAY)
    except RedisUnavailable:
        # What was asked for has happened: its answer is worth more than the record of it.
        logger.warning("an answer was given, but could not be kept for its Idempotency-Key")
    return response  # type: ignore[no-any-return]


async def _answer_of(name: str, fingerprint: str) -> HttpResponse | UUID:
    """Return the first request's answer, or the run whose stream it began."""
    deadline = asyncio.get_running_loop().time() + WAIT
    pause = 0.01
    while asyncio.get_running_loop().time() < deadline:
        raw = await qredis.client().call("GET", name)
        if raw is None:
            break
        stored = orjson.loads(raw)
        if stored["fingerprint"] != fingerprint:
            raise Problem("conflict", "This Idempotency-Key was used for another request. Use a new one.")
        if "run_id" in stored:
            return UUID(stored["run_id"])
        if "status" in stored:
            response = HttpResponse(base64.b64decode(stored["body"]), status=stored["status"])
            for header, value in stored["headers"].items():
                response[header] = value
            return response
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.25)
    raise Problem(
        "conflict",
        "The first request with this key has not been answered. Try again.",
        headers={"Retry-After": "5"},
    )


def _stored(fingerprint: str, response: HttpResponse) -> bytes:
    if hasattr(response, "run_id"):
        # A stream cannot be stored, but its run can be joined.
        return orjson.dumps({"fingerprint": fingerprint, "run_id": str(response.run_id)})
    return orjson.dumps(
        {
            "fingerprint": fingerprint,
            "status": response.status_code,
            "headers": dict(response.items()),
            "body": base64.b64encode(response.content).decode(),
        }
    )
