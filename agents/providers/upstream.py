"""The way to a provider's endpoint: one POST, one retry where that is safe, failures told as problems."""

from __future__ import annotations

import asyncio
import errno
import io
import random

import aiohttp
from yarl import URL

from agents.providers import errors, session
from agents.providers.base import Outcome, Request
from qualisys.problems import Problem

#: Bytes of an error response that are read.
MAX_ERROR = 64 << 10

#: Seconds before the one retry, as a range.
RETRY_PAUSE = (0.1, 0.3)

#: Seconds to wait for the end of a response whose last event has been read, so its connection can be reused.
DRAIN = 0.05

#: Statuses that say that the request was turned away before any work was done.
_RETRIED_STATUSES = {503, 529}

#: What a connection fails with before the provider has answered a byte.
_RETRIED_ERRORS = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE}

#: Beyond this many bytes aiohttp wants a body to be a file, which it sends in parts.
_LARGE_BODY = 1 << 20


class Upstream:
    """A provider's endpoint: where it is, how to authenticate, what its failures mean."""

    __slots__ = ("_headers", "_key", "_name", "url")

    def __init__(self, name: str, base_url: str, path: str, headers: dict[str, str], key: str) -> None:
        self._name = name
        self._key = key
        self._headers = {"Content-Type": "application/json", **headers}
        self.url = _endpoint(name, base_url, path)

    def __repr__(self) -> str:
        return f"Upstream({self._name!r})"

    async def send(self, body: bytes, request: Request, outcome: Outcome) -> aiohttp.ClientResponse:
        """Return the response once it says 200. After a time-out, or a byte of it, there is no retry."""
        for last in (False, True):
            outcome.sent = True
            try:
                response = await self._post(body)
                if response.status == 200:
                    return response
                outcome.sent = False
                problem, again = await self._read_refusal(response, request)
            except (aiohttp.ClientError, OSError) as error:
                outcome.sent = not isinstance(
                    error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
                )
                problem, again = self._unreachable(error), _never_answered(error)
            if last or not again:
                break
            await asyncio.sleep(random.uniform(*RETRY_PAUSE))  # noqa: S311 - jitter, not a secret
        raise problem

    def refused(self, failure: errors.Failure, request: Request) -> Problem:
        """Return the problem for a refusal, in the provider's own words where these are fit for callers."""
        prompt = request.messages[0]["content"] if request.messages else ""
        quoted = errors.quote(failure.text, key=self._key, model=request.model, prompt=prompt)
        return errors.refusal(self._name, failure, quoted)

    def bad(self, what: str) -> Problem:
        """Return the problem for an answer that cannot be used; `what` continues the sentence."""
        return errors.failed(self._name, "bad_answer", what)

    async def _post(self, body: bytes) -> aiohttp.ClientResponse:
        data = body if len(body) <= _LARGE_BODY else io.BytesIO(body)
        http = await session.current()
        # Redirects are refused: they would carry the key to wherever they point.
        return await http.post(self.url, data=data, headers=self._headers, allow_redirects=False)

    async def _read_refusal(self, response: aiohttp.ClientResponse, request: Request) -> tuple[Problem, bool]:
        """Return the problem in an error response, and whether trying again at once makes sense."""
        body = b""
        try:
            while len(body) < MAX_ERROR and (data := await response.content.readany()):
                body += data
        finally:
            response.close()
        failure = errors.from_response(response.status, response.headers, body)
        soon = failure.retry_after is None or failure.retry_after <= 1
        return self.refused(failure, request), soon and response.status in _RETRIED_STATUSES

    def _unreachable(self, error: Exception) -> Problem:
        if isinstance(error, aiohttp.ClientResponseError):
            return self.bad("sent something that is not HTTP.")
        why = "connecting took too long" if isinstance(error, TimeoutError) else "the connection failed"
        return errors.failed(self._name, "unreachable", f"cannot be reached: {why}.")


async def drain(response: aiohttp.ClientResponse) -> None:
    """Read to the end of a response that is over but for its last bytes, so its connection can be reused."""
    if response.content.is_eof():
        return
    try:
        async with asyncio.timeout(DRAIN):
            while await response.content.readany():
                pass
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass  # the connection is closed instead


def _endpoint(name: str, base_url: str, path: str) -> URL:
    try:
        url = URL(base_url.strip().rstrip("/"))
        usable = url.scheme in ("http", "https") and bool(url.host)
    except ValueError:
        usable = False
    if not usable:
        raise errors.not_configured(name, f"The base URL of {name} is not an http or https address.")
    return url / path


def _never_answered(error: Exception) -> bool:
    """Tell whether the connection was refused or reset before a byte of the answer came."""
    if isinstance(error, TimeoutError):
        return False
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # otherwise it holds the part of the answer that came
    return isinstance(error, OSError) and error.errno in _RETRIED_ERRORS
