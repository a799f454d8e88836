"""A provider's failures in the vocabulary of the product.

The one place that decides which problem a status, an error code or a broken connection becomes. `reason` in a
`provider_error` tells callers (breaker, retry, fallback) what happened: `overloaded`, `unreachable`,
`bad_answer`, `model_not_found` or `refused`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from qualisys.problems import Problem, invalid

#: Most characters of a provider's own words that are passed on.
MAX_QUOTE = 300

#: Seconds to wait when a provider limits the rate without saying for how long.
DEFAULT_RETRY_AFTER = 5

#: A provider's prompt fragment of this many characters is recognised as such.
_FRAGMENT = 24

_CONTEXT = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|context (?:window|size|length)|"
    r"context limit|prompt is too long|input is too long|too many (?:input |prompt )?tokens",
    re.IGNORECASE,
)
_KEY_LIKE = re.compile(
    r"\bsk-[\w*.-]{4,}|\b(?:pk|rk|key|api|gsk|xox[abp]|gh[opsu])[-_](?=[\w*.-]*[\d*])[\w*.-]{4,}|bearer\s+\S+|"
    r"[\w+/=*.-]{32,}",
    re.IGNORECASE,
)

#: Error codes and types that come inside a body or a stream, as the status they would have had.
_STATUS_OF_KIND = {
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "request_too_large": 413,
    "overloaded_error": 529,
    "server_error": 500,
    "api_error": 500,
    "timeout_error": 504,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A provider's refusal: status (or what its code stands for), code, words, seconds to wait."""

    status: int
    kind: str
    text: str
    retry_after: int | None = None


def from_response(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Read an error response, whatever its body is."""
    try:
        error = orjson.loads(body)
    except orjson.JSONDecodeError:
        error = body.decode(errors="replace")
    kind, text = _kind_and_text(error)
    return Failure(status, kind, text, _retry_after(headers))


def from_document(document: Any) -> Failure:
    """Read an error that came inside a body or a stream under status 200."""
    kind, text = _kind_and_text(document)
    error = document.get("error") if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    status = code if type(code) is int and 400 <= code <= 599 else _STATUS_OF_KIND.get(kind.lower(), 0)
    return Failure(status, kind, text)


def refusal(provider: str, failure: Failure, quoted: str) -> Problem:
    """Return the problem for a provider's refusal; `quoted` is its text as `quote` made it."""
    status, said = failure.status, f" It said: {quoted}" if quoted else ""
    if status == 429:
        wait = failure.retry_after or DEFAULT_RETRY_AFTER
        detail = f"The model provider {provider} limits the rate of requests.{said}"
        headers = {"Retry-After": str(wait)}
        return Problem(
            "rate_limited", detail, headers=headers, extra={"scope": "provider", "provider": provider}
        )
    if status in (401, 403):
        detail = f"The model provider {provider} is not usable: the key was refused."
        return Problem("provider_not_configured", detail, extra={"provider": provider})
    if status in (400, 413, 422) and (status == 413 or _CONTEXT.search(f"{failure.kind} {failure.text}")):
        return _context_too_long()
    if status == 404 and "model" in f"{failure.kind} {failure.text}".lower():
        return failed(provider, "model_not_found", f"does not have this model.{said}")
    if status >= 500 or status == 408:
        return failed(provider, "overloaded", f"cannot take requests right now.{said}", failure.retry_after)
    if status == 0:
        return failed(provider, "bad_answer", f"reported an error in the middle of its answer.{said}")
    return failed(provider, "refused", f"refused the request (status {status}).{said}")


def failed(provider: str, reason: str, what: str, retry_after: int | None = None) -> Problem:
    """Return a `provider_error`; `what` continues the sentence "The model provider x"."""
    headers = {"Retry-After": str(retry_after)} if retry_after else None
    detail = f"The model provider {provider} {what}"
    return Problem("provider_error", detail, headers=headers, extra={"reason": reason, "provider": provider})


def not_configured(provider: str, detail: str) -> Problem:
    """Return the problem of a provider that cannot be used as it is set up."""
    return Problem("provider_not_configured", detail, extra={"provider": provider})


def quote(text: str, *, key: str, model: str, prompt: str) -> str:
    """Return a provider's words fit for callers: short, one line, without keys.

    Some providers echo the request they refuse. Who may run an agent may not read its prompt, so words that
    contain a piece of `prompt` are dropped altogether. `model` survives the search for key-like words.
    """
    line = " ".join((text.replace(key, "***") if key else text).split())[: 2 * MAX_QUOTE]
    secret = " ".join(prompt.split())
    if any(line[at : at + _FRAGMENT] in secret for at in range(len(line) - _FRAGMENT + 1)):
        return ""
    masked = _KEY_LIKE.sub(lambda found: found[0] if found[0].rstrip(".") in model else "***", line)
    return masked if len(masked) <= MAX_QUOTE else masked[: MAX_QUOTE - 1] + "…"


def _context_too_long() -> Problem:
    message = (
        "The input, with the agent's instructions and the conversation, is longer than the model can take."
    )
    return invalid("input", "context_too_long", message)


def _kind_and_text(document: Any) -> tuple[str, str]:
    """Return an error document's code and message; providers nest them in different ways."""
    error = document.get("error", document) if isinstance(document, dict) else document
    if isinstance(error, str):
        return "", error
    if not isinstance(error, dict):
        return "", ""
    code, kind = error.get("code"), error.get("type")
    text = error.get("message") or error.get("detail") or ""
    return str(code if isinstance(code, str) and code else kind or ""), text if isinstance(text, str) else ""


def _retry_after(headers: Mapping[str, str]) -> int | None:
    """Return whole seconds from `Retry-After` (seconds or a date), at most a day."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(math.ceil(seconds), 1), 86_400) if math.isfinite(seconds) else None
