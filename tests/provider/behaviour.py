"""What the provider is asked to do with a call: defaults, then `/control`, then the model's suffix.

A suffix follows an `@`: `any-model@chunks=100,interval=5`. Counts of chunks start at 0, and -1 means never.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One call's script. Times are milliseconds."""

    # The answer: `chunks` pieces, by default numbered words of `size` characters ("0000 0001 ").
    chunks: int = 20
    size: int = 5
    echo: str = ""  # system | user (the last user message) | all: answer with what was asked
    answer: str = ""  # base64url of the text to answer
    named: str = ""  # name of a text given to /control under "answers"
    invalid: int = 0  # the first N calls of a conversation answer something that no schema accepts
    length: bool = False  # stopped by max_tokens
    ptok: int = 12  # input tokens reported
    ctok: int = -1  # output tokens reported; -1: the number of chunks
    nousage: bool = False  # report no usage

    # Pace.
    latency: float = 0.0  # before the headers
    ttft: float = 0.0  # between headers and the first piece
    interval: float = 0.0  # between pieces
    batch: int = 1  # pieces per write without an interval; 0: all in one
    drip: float = 0.0  # every byte of the body on its own

    # Failing.
    status: int = 0  # answer with this status
    first: int = 0  # ... but only the first N calls of this model; 0: all
    kind: str = ""  # error code; by default what a provider says for the status
    says: str = ""  # key | prompt: the error text repeats the caller's key, or its system prompt
    retry_after: str = ""
    drop: int = 0  # close the connection of the first N calls of this model before any byte
    hang: bool = False  # never send headers
    stall: int = -1  # after N pieces send nothing more
    cut: int = -1  # after N pieces close the socket
    fault: int = -1  # after N pieces send an error event (`kind`)
    garbage: int = -1  # after N pieces send an event that is not JSON; the whole answer is not JSON either
    noise: bool = False  # comments, other fields, unknown events, CRLF: all legal
    empty: bool = False  # no choices, no content
    missing: bool = False  # documents without the fields they should have
    nofinish: bool = False  # end properly, but without saying that the answer is whole
    nodone: bool = False  # no end marker
    linger: bool = False  # do not end the response after the end marker

    @property
    def text(self) -> str:
        """The text that `answer` carries."""
        return base64.urlsafe_b64decode(self.answer + "=" * (-len(self.answer) % 4)).decode()


_TYPES = {field.name: type(field.default) for field in fields(Behaviour)}


def changed(behaviour: Behaviour, settings: dict[str, Any]) -> Behaviour:
    """Return the behaviour with some settings changed; unknown names raise, so that a typo fails its test."""
    return replace(behaviour, **{name: _typed(name, value) for name, value in settings.items()})


def of_model(model: str, defaults: Behaviour) -> Behaviour:
    """Return what a model's suffix asks for."""
    _, _, suffix = model.partition("@")
    return changed(defaults, dict(_pair(part) for part in suffix.split(",") if part))


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip(), value


def _typed(name: str, value: Any) -> Any:
    if name not in _TYPES:
        raise ValueError(f"unknown setting {name!r}")
    wanted: Any = _TYPES[name]
    return bool(int(value)) if wanted is bool else wanted(value)
