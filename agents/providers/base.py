"""What a model provider is: the request it takes, the answer it gives, the usage it owes.

Callers know only this module. `complete` answers in one piece, `stream` as the text arrives; both raise
`qualisys.problems.Problem` for everything that can go wrong, and both leave the usage in an `Outcome`,
whatever happened, so that a budget can always be settled.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

#: Bytes of UTF-8 text that count as one token when a provider reports nothing. Models rarely need fewer, so
#: the estimate errs towards charging too much.
BYTES_PER_TOKEN = 3


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model. `messages` are `{"role", "content"}`, the first one with the role `system`.

    A non-empty `output_schema` (JSON Schema) asks for a JSON answer of that shape; `schema_name` labels it.
    """

    model: str
    messages: list[dict[str, str]]
    max_tokens: int
    schema_name: str = ""
    output_schema: dict[str, Any] | None = None


@dataclass(slots=True)
class Usage:
    """Tokens charged. `estimated`: the provider did not report them, so they were derived from bytes."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False


@dataclass(slots=True)
class Answer:
    """A whole answer. `truncated`: the model stopped because `max_tokens` was reached."""

    text: str
    usage: Usage
    truncated: bool


@dataclass(slots=True)
class Outcome:
    """What is known about a call beyond its text. The provider fills it; read it when the call is over.

    `finished`: the model said that it was done, so the text is whole. `usage` is final once `complete`
    returned or raised, or once the stream ended, raised or was closed; all zero: nothing was charged.
    """

    usage: Usage = field(default_factory=Usage)
    truncated: bool = False
    finished: bool = False
    #: The provider reported the final usage.
    reported: bool = False
    #: The request may have reached the model, so it may cost something.
    sent: bool = False
    #: Pieces of text that came so far; each has one token at least.
    pieces: int = 0
    #: Bytes the model produced beside its answer (reasoning): they are charged too.
    hidden_bytes: int = 0

    def report(self, input_tokens: Any, output_tokens: Any) -> None:
        """Take the provider's final figures; figures that make no sense count as not reported."""
        if is_count(input_tokens) and is_count(output_tokens):
            self.usage.input_tokens = input_tokens
            self.usage.output_tokens = output_tokens
            self.reported = True

    def settle(self, request: Request, text_bytes: int) -> None:
        """Replace what the provider left open by an estimate."""
        if self.reported or not self.sent:
            return
        guess = estimate(request, text_bytes + self.hidden_bytes)
        self.usage.input_tokens = self.usage.input_tokens or guess.input_tokens
        self.usage.output_tokens = max(self.usage.output_tokens, guess.output_tokens)
        self.usage.estimated = True


class Provider(Protocol):
    """A configured model provider."""

    name: str

    async def complete(self, request: Request, outcome: Outcome | None = None) -> Answer:
        """Return the whole answer. Cancelling the task closes the upstream connection at once."""
        ...

    def stream(self, request: Request, outcome: Outcome) -> AsyncGenerator[str, None]:
        """Yield the answer's text as it arrives: one piece per socket read, never empty.

        Use it inside `contextlib.aclosing`: closing the generator closes the upstream connection at once and
        settles `outcome`.
        """
        ...


def estimate(request: Request, output_bytes: int = 0) -> Usage:
    """Return a conservative usage for a call whose provider reported none."""
    size = sum(len(message["content"].encode(errors="replace")) for message in request.messages)
    if request.output_schema:
        size += len(orjson.dumps(request.output_schema))
    return Usage(_tokens(size), _tokens(output_bytes), estimated=True)


def is_count(value: Any) -> bool:
    """Tell whether `value` can be a number of tokens."""
    return type(value) is int and 0 <= value < 1 << 31


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)
