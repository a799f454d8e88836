"""Anthropic's Messages API."""

from __future__ import annotations

from typing import Any

import orjson

from agents.providers import errors
from agents.providers.base import Outcome, Request, is_count
from agents.providers.http import HTTPProvider

VERSION = "2023-06-01"

_JSON_ONLY = (
    "Answer with JSON only: one document, valid against the JSON Schema below, with nothing before or after "
    "it and no code fence around it.\n\n"
)


class Anthropic(HTTPProvider):
    """`POST {base_url}/v1/messages`. A base URL that ends in `/v1` is accepted too."""

    __slots__ = ()

    def __init__(self, name: str, base_url: str = "", api_key: str = "") -> None:
        super().__init__(name, base_url.strip().rstrip("/").removesuffix("/v1"), api_key)

    default_base_url = "https://api.anthropic.com"
    path = "v1/messages"

    def headers(self, api_key: str) -> dict[str, str]:
        """Return key and API version."""
        return {"anthropic-version": VERSION, **({"x-api-key": api_key} if api_key else {})}

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the Messages request: the system prompt stands apart, and the schema is part of it."""
        system = [message["content"] for message in request.messages if message["role"] == "system"]
        if request.output_schema:
            system.append(_JSON_ONLY + orjson.dumps(request.output_schema).decode())
        body: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_tokens,
            "messages": [message for message in request.messages if message["role"] != "system"],
        }
        if system:
            body["system"] = "\n\n".join(system)
        if stream:
            body["stream"] = True
        return body

    def read_answer(self, document: Any, outcome: Outcome) -> str:
        """Return the text blocks, joined."""
        usage = document.get("usage") or {}
        outcome.report(_input_tokens(usage), usage.get("output_tokens"))
        stop = document["stop_reason"]
        if not stop:
            raise KeyError("stop_reason")
        self._note_stop(stop, outcome)
        return "".join([block["text"] for block in document["content"] if block["type"] == "text"])

    def read_event(self, event: Any, outcome: Outcome) -> str | None:
        """Return the piece of text in an event."""
        kind = event["type"]
        if kind == "content_block_delta":
            delta = event["delta"]
            text: str | None = delta.get("text")
            if not text:
                _count_thinking(delta, outcome)
            return text
        if kind == "message_start":
            usage = event["message"].get("usage") or {}
            outcome.usage.input_tokens = _input_tokens(usage) or 0
        elif kind == "message_delta":
            usage = event.get("usage") or {}
            outcome.report(_input_tokens(usage) or outcome.usage.input_tokens, usage.get("output_tokens"))
            stop = event["delta"].get("stop_reason")
            if stop:
                self._note_stop(stop, outcome)
        return None

    def _note_stop(self, stop: Any, outcome: Outcome) -> None:
        if stop == "refusal":
            raise errors.failed(self.name, "refused", "withheld the answer: the model declined to go on.")
        outcome.finished = True
        outcome.truncated = stop in ("max_tokens", "model_context_window_exceeded")


def _input_tokens(usage: dict[str, Any]) -> int | None:
    """Return all input tokens: those written to or read from the prompt cache are reported apart."""
    parts = [usage.get(f"{kind}input_tokens") or 0 for kind in ("", "cache_creation_", "cache_read_")]
    return sum(parts) if all(map(is_count, parts)) and any(parts) else None


def _count_thinking(delta: dict[str, Any], outcome: Outcome) -> None:
    """Count thinking, which is charged but no part of the answer."""
    thinking = delta.get("thinking")
    if thinking:
        outcome.hidden_bytes += len(thinking.encode())
