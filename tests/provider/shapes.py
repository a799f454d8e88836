"""The two wire formats, as bytes."""

from __future__ import annotations

import math
from typing import Any, Protocol

import orjson

STATUS_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class Shape(Protocol):
    """How one API writes answers."""

    def whole(self, text: str, usage: tuple[int, int] | None, *, length: bool) -> bytes:
        """Return the body of an answer in one piece."""
        ...

    def opening(self, usage: tuple[int, int] | None) -> bytes:
        """Return what a stream begins with."""
        ...

    def piece(self, text: str) -> bytes:
        """Return the event of one piece of text."""
        ...

    def finish(self, usage: tuple[int, int] | None, *, length: bool) -> bytes:
        """Return the events that say that the answer is whole, and what it cost."""
        ...

    def done(self) -> bytes:
        """Return the end marker."""
        ...

    def error(self, status: int, kind: str, message: str) -> dict[str, Any]:
        """Return an error document, for a response's body or an event."""
        ...


class OpenAIShape:
    """Chat completions."""

    _CHUNK = {"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1, "model": "test"}

    def whole(self, text: str, usage: tuple[int, int] | None, *, length: bool) -> bytes:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "length" if length else "stop"}
        document = {"id": "chatcmpl-test", "object": "chat.completion", "model": "test", "choices": [choice]}
        return orjson.dumps(document | ({"usage": _openai_usage(usage)} if usage else {}))

    def opening(self, usage: tuple[int, int] | None) -> bytes:
        return self._event(
            [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
        )

    def piece(self, text: str) -> bytes:
        return self._event([{"index": 0, "delta": {"content": text}, "finish_reason": None}])

    def finish(self, usage: tuple[int, int] | None, *, length: bool) -> bytes:
        end = self._event([{"index": 0, "delta": {}, "finish_reason": "length" if length else "stop"}])
        return end + (self._event([], usage=_openai_usage(usage)) if usage else b"")

    def done(self) -> bytes:
        return b"data: [DONE]\n\n"

    def error(self, status: int, kind: str, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": kind, "code": kind, "param": None}}

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: " + orjson.dumps({**self._CHUNK, "choices": choices, **more}) + b"\n\n"


class AnthropicShape:
    """Messages."""

    _MESSAGE = {
        "id": "msg_test",
        "type": "message",
        "role": "assistant",
        "model": "test",
        "stop_sequence": None,
    }

    def whole(self, text: str, usage: tuple[int, int] | None, *, length: bool) -> bytes:
        content = [{"type": "text", "text": text}]
        stop = "max_tokens" if length else "end_turn"
        document = {**self._MESSAGE, "content": content, "stop_reason": stop}
        return orjson.dumps(document | ({"usage": _anthropic_usage(usage)} if usage else {}))

    def opening(self, usage: tuple[int, int] | None) -> bytes:
        message: dict[str, Any] = {**self._MESSAGE, "content": [], "stop_reason": None}
        if usage:
            message["usage"] = _anthropic_usage((usage[0], 1))
        block = {"index": 0, "content_block": {"type": "text", "text": ""}}
        return self._event("message_start", message=message) + self._event("content_block_start", **block)

    def piece(self, text: str) -> bytes:
        return self._event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def finish(self, usage: tuple[int, int] | None, *, length: bool) -> bytes:
        delta = {"stop_reason": "max_tokens" if length else "end_turn", "stop_sequence": None}
        more = {"usage": {"output_tokens": usage[1]}} if usage else {}
        return self._event("content_block_stop", index=0) + self._event("message_delta", delta=delta, **more)

    def done(self) -> bytes:
        return self._event("message_stop")

    def error(self, status: int, kind: str, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": kind, "message": message}}

    def _event(self, kind: str, **fields: Any) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


SHAPES: dict[str, Shape] = {"/chat/completions": OpenAIShape(), "/messages": AnthropicShape()}

NOISE = (
    b": a comment\r\n\r\nid: 7\r\nretry: 1000\r\n\r\nevent: ping\r\ndata: "
    b'{"type": "ping", "object": "ping"}\r\n\r\nnonsense without a colon\n\n'
)


def cut(text: str, count: int) -> list[str]:
    """Return the text in at most `count` pieces of about the same length."""
    step = max(1, math.ceil(len(text) / max(1, count)))
    return [text[at : at + step] for at in range(0, len(text), step)]


def numbered(count: int, size: int) -> list[str]:
    """Return `count` words that tell their place: a gap or a repeat shows."""
    return [f"{number:0{size - 1}d} " for number in range(count)]


def _openai_usage(usage: tuple[int, int]) -> dict[str, int]:
    return {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}


def _anthropic_usage(usage: tuple[int, int]) -> dict[str, int]:
    return {"input_tokens": usage[0], "output_tokens": usage[1]}
