"""OpenAI's chat completions, spoken by OpenAI itself, vLLM and most other servers."""

from __future__ import annotations

import re
from typing import Any

from agents.providers import errors
from agents.providers.base import Outcome, Request
from agents.providers.http import HTTPProvider

#: OpenAI's own models that refuse `max_tokens`; every other server may not know the new name yet.
_NEW_LIMIT = re.compile(r"o\d|gpt-(?:[5-9]|\d\d)")

_NO_PATH = re.compile(r"(https?://[^/?#]+)/?")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")


class OpenAI(HTTPProvider):
    """`POST {base_url}/chat/completions`. A base URL without a path gets `/v1`."""

    __slots__ = ()

    def __init__(self, name: str, base_url: str = "", api_key: str = "") -> None:
        bare = _NO_PATH.fullmatch(base_url.strip())
        super().__init__(name, f"{bare[1]}/v1" if bare else base_url, api_key)

    default_base_url = "https://api.openai.com/v1"
    path = "chat/completions"

    def headers(self, api_key: str) -> dict[str, str]:
        """Return the bearer token, if there is a key."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the chat completion request."""
        body: dict[str, Any] = {
            "model": request.model,
            "messages": request.messages,
            self._limit_name(request.model): request.max_tokens,
        }
        if request.output_schema:
            name = _NOT_IN_NAME.sub("_", request.schema_name)[:64] or "answer"
            schema = {"name": name, "schema": request.output_schema, "strict": False}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        return body

    def read_answer(self, document: Any, outcome: Outcome) -> str:
        """Return the first choice's text, or its refusal: both are what the model said."""
        self._note_usage(document.get("usage"), outcome)
        choice = document["choices"][0]
        self._note_finish(choice.get("finish_reason"), outcome)
        message = choice["message"]
        text: str | None = message["content"]
        if text is not None:
            return text
        refusal: str = "" if outcome.truncated else message["refusal"]
        return refusal

    def read_event(self, event: Any, outcome: Outcome) -> str | None:
        """Return the piece of text in a chunk."""
        usage = event.get("usage")
        if usage:
            self._note_usage(usage, outcome)
        choices = event.get("choices")
        if not choices:
            return None
        choice = choices[0]
        finish = choice.get("finish_reason")
        if finish:
            self._note_finish(finish, outcome)
        delta = choice["delta"]
        return delta.get("content") or _unusual(delta, outcome)

    def _limit_name(self, model: str) -> str:
        own = self.upstream.url.host == "api.openai.com" and _NEW_LIMIT.match(model)
        return "max_completion_tokens" if own else "max_tokens"

    def _note_usage(self, usage: Any, outcome: Outcome) -> None:
        if usage:
            outcome.report(usage.get("prompt_tokens"), usage.get("completion_tokens"))

    def _note_finish(self, finish: Any, outcome: Outcome) -> None:
        if finish == "content_filter":
            raise errors.failed(self.name, "refused", "withheld the answer: its content filter fired.")
        outcome.finished = True
        outcome.truncated = finish == "length"


def _unusual(delta: dict[str, Any], outcome: Outcome) -> str | None:
    """Return a refusal's text; count reasoning, which is charged but no part of the answer."""
    reasoning = delta.get("reasoning_content") or delta.get("reasoning")
    if reasoning:
        outcome.hidden_bytes += len(reasoning.encode())
    return delta.get("refusal")
