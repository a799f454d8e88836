"""Chooses how to answer a chat request, and counts tokens the way the whole demo does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.demo import plain
from agents.demo.composers import COMPOSERS
from agents.demo.generic import conform
from agents.demo.material import read_messages
from agents.demo.room import dump, shorten

BYTES_PER_TOKEN = 4
#: Bytes of answer when the request sets no limit.
USUAL_ROOM = 64_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What the demo model says. `finish_reason` is "length" when max_tokens cut it off."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int

    @property
    def usage(self) -> dict[str, int]:
        """The usage object of the OpenAI API."""
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }


def compose(request: Mapping[str, Any]) -> Answer:
    """Return the answer to a chat completion request whose `messages` is a list of objects."""
    messages = request["messages"]
    limit = _limit(request)
    room = min(limit * BYTES_PER_TOKEN, USUAL_ROOM) if limit else USUAL_ROOM
    material = read_messages(messages, room)
    name, schema = _wanted(request.get("response_format"))
    if schema is None and name is None:
        text = plain.answer(material)
    else:
        composer = COMPOSERS.get(name or "")
        found = composer(material) if composer else None
        if found is not None:
            found = shorten(found, room)
        text = dump(
            conform(schema, material, found) if schema else found or {"answer": plain.answer(material)}
        )
    cut, reason = _cut(text, limit)
    spoken = sum(count_tokens(_words(message.get("content"))) for message in messages)
    return Answer(cut, reason, spoken, count_tokens(cut))


def count_tokens(text: str) -> int:
    """Estimate tokens: a quarter of the bytes, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def _limit(request: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = request.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _wanted(response_format: object) -> tuple[str | None, dict[str, Any] | None]:
    """Return the agent id and schema that are asked for; (None, None) for free text."""
    if not isinstance(response_format, dict) or response_format.get("type") in {None, "text"}:
        return None, None
    described = response_format.get("json_schema")
    if not isinstance(described, dict):
        return "", None
    schema = described.get("schema")
    return str(described.get("name") or ""), schema if isinstance(schema, dict) and schema else None


def _cut(text: str, limit: int | None) -> tuple[str, str]:
    data = text.encode("utf-8", "replace")
    if limit is None or len(data) <= limit * BYTES_PER_TOKEN:
        return data.decode(), "stop"
    return data[: limit * BYTES_PER_TOKEN].decode("utf-8", "ignore"), "length"


def _words(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))
