"""What providers that answer JSON over HTTP and stream server-sent events have in common.

A provider says how a request is written and how an answer is read; sending, cutting, limits, failures and
settling are here. This is the hot path of every run: per chunk it does what it must and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import aiohttp
import orjson

from agents.providers import errors
from agents.providers.base import Answer, Outcome, Request
from agents.providers.sse import DataLines, LineTooLongError
from agents.providers.upstream import Upstream, drain
from qualisys.problems import Problem, invalid

#: Largest answer accepted, in bytes.
MAX_ANSWER = 8 << 20

#: What reading a document of an unexpected shape raises.
_MISSHAPEN = (KeyError, IndexError, TypeError, AttributeError)

#: A payload shorter than this may be blank or the end marker of OpenAI's stream.
_SHORT = 9


class HTTPProvider(ABC):
    """A provider behind a JSON API. Subclasses fill in what is abstract here."""

    __slots__ = ("name", "upstream")

    def __init__(self, name: str, base_url: str = "", api_key: str = "") -> None:
        self.name = name
        key = api_key.strip()
        if not (key.isascii() and key.isprintable()):
            raise errors.not_configured(name, f"The key of {name} contains characters that no key has.")
        self.upstream = Upstream(name, base_url or self.default_base_url, self.path, self.headers(key), key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    #: Where the provider is when nothing else is configured.
    default_base_url: ClassVar[str]

    #: What follows the base URL.
    path: ClassVar[str]

    @abstractmethod
    def headers(self, api_key: str) -> dict[str, str]:
        """Return the headers that authenticate; `api_key` is empty when none is configured."""

    @abstractmethod
    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the JSON body of a call."""

    @abstractmethod
    def read_answer(self, document: Any, outcome: Outcome) -> str:
        """Return the text of a whole answer; note usage and truncation in `outcome`.

        A missing or odd field may raise whatever indexing it raises: that becomes a bad answer.
        """

    @abstractmethod
    def read_event(self, event: Any, outcome: Outcome) -> str | None:
        """Return the text in one streamed document, if any; note what else it says in `outcome`.

        `outcome.finished` must become true with the event that says why the model stopped.
        """

    async def complete(self, request: Request, outcome: Outcome | None = None) -> Answer:
        """Return the whole answer. Cancelling the task closes the upstream connection at once."""
        outcome = outcome or Outcome()
        size = 0
        try:
            response = await self.upstream.send(self._encode(request, stream=False), request, outcome)
            try:
                data = await self._read_all(response, outcome)
            finally:
                response.close()
            text = self._read_document(data, request, outcome)
            size = _size(text)
        finally:
            outcome.settle(request, size)
        return Answer(text, outcome.usage, outcome.truncated)

    async def stream(self, request: Request, outcome: Outcome) -> AsyncGenerator[str, None]:
        """Yield the answer's text, one piece per socket read. Closing the generator closes the connection."""
        response: aiohttp.ClientResponse | None = None
        answer = _StreamedAnswer(self, request, outcome)
        try:
            response = await self.upstream.send(self._encode(request, stream=True), request, outcome)
            read = response.content.readany
            while not answer.ended:
                try:
                    data = await read()
                except (aiohttp.ClientError, OSError):
                    data = b""
                text = answer.feed(data)
                if text:
                    yield text
                if answer.problem is not None:
                    raise answer.problem
            await drain(response)
        finally:
            if response is not None:
                response.close()
            outcome.settle(request, answer.size)

    def _encode(self, request: Request, *, stream: bool) -> bytes:
        try:
            return orjson.dumps(self.body(request, stream=stream))
        except TypeError:  # lone surrogates
            raise invalid("input", "not_utf8", "The text contains characters that are not valid.") from None

    async def _read_all(self, response: aiohttp.ClientResponse, outcome: Outcome) -> bytes:
        parts: list[bytes] = []
        try:
            while data := await response.content.readany():
                parts.append(data)
                outcome.hidden_bytes += len(data)
                if outcome.hidden_bytes > MAX_ANSWER:
                    raise self.upstream.bad("sent an answer that is too long.")
        except (aiohttp.ClientError, OSError):
            raise self.upstream.bad("broke off in the middle of its answer.") from None
        return b"".join(parts)

    def _read_document(self, data: bytes, request: Request, outcome: Outcome) -> str:
        try:
            document = orjson.loads(data)
            outcome.hidden_bytes = 0  # they were counted as they came, in case they would stay unread
            if document.get("error"):
                raise self.upstream.refused(errors.from_document(document), request)
            return _clean(_checked(self.read_answer(document, outcome)))
        except orjson.JSONDecodeError:
            raise self.upstream.bad("sent an answer that is not JSON.") from None
        except _MISSHAPEN:
            raise self.upstream.bad("sent an answer of an unknown shape.") from None


class _StreamedAnswer:
    """Turns socket reads into text. Text that came before a failure is returned before the failure counts."""

    __slots__ = ("_lines", "_outcome", "_provider", "_request", "ended", "problem", "size")

    def __init__(self, provider: HTTPProvider, request: Request, outcome: Outcome) -> None:
        self._provider = provider
        self._request = request
        self._outcome = outcome
        self._lines = DataLines()
        self.ended = False
        self.problem: Problem | None = None
        #: Bytes of text so far.
        self.size = 0

    def feed(self, data: bytes) -> str:
        """Return the text in a socket read, "" for none; no data means that the connection is over."""
        pieces: list[str] = []
        try:
            if data or not self._outcome.finished:
                self._decode(self._lines.feed(data or b"\n"), pieces)
            if not data:
                self.ended = True
                if not self._outcome.finished:
                    self._fail("broke off in the middle of its answer.")
        except Problem as problem:
            self.problem = problem
        except LineTooLongError:
            self._fail("sent a line that is too long.")
        except orjson.JSONDecodeError:
            self._fail("sent an event that is not JSON.")
        except _MISSHAPEN:
            self._fail("sent an event of an unknown shape.")
        self._outcome.pieces += len(pieces)
        return self._accept("".join(pieces)) if pieces else ""

    def _accept(self, text: str) -> str:
        self.size += len(text) if text.isascii() else len(text.encode())
        if self.size > MAX_ANSWER:
            self._fail("sent an answer that is too long.")
        return _clean(text)

    def _decode(self, payloads: list[bytes], pieces: list[str]) -> None:
        read_event, loads, outcome = self._provider.read_event, orjson.loads, self._outcome
        for payload in payloads:
            if len(payload) < _SHORT:
                stripped = payload.strip()
                if stripped == b"[DONE]":
                    self.ended = outcome.finished = True
                    return
                if not stripped:
                    continue
            event = loads(payload)
            if event.get("error"):
                raise self._provider.upstream.refused(errors.from_document(event), self._request)
            text = read_event(event, outcome)
            if text:
                if type(text) is not str:
                    raise TypeError
                pieces.append(text)

    def _fail(self, what: str) -> None:
        self.problem = self._provider.upstream.bad(what)


def _checked(text: Any) -> str:
    if type(text) is not str:
        raise TypeError
    return text


def _clean(text: str) -> str:
    """Replace NUL, which PostgreSQL cannot store and no reader needs."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
