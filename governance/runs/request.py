"""What somebody asks an agent, checked before anything is started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from agents import documents
from agents.registry import Agent
from qualisys.problems import Problem, invalid

#: Bytes of UTF-8 that the text and all documents of a run may have together.
MAX_INPUT = 2 * 1024 * 1024
MAX_FILES = 10
MAX_PARAMETERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A checked request; `documents` are {name, sha256, text}."""

    input: str
    documents: Sequence[Mapping[str, Any]] = ()
    conversation_id: UUID | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: The conversation begins with this run, although its id is known already.
    begins: bool = False


async def prepare(
    agent: Agent,
    *,
    text: str,
    files: Sequence[Upload] = (),
    conversation_id: UUID | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> RunRequest:
    """Return the request with its files read; raise a `validation_error` that names what cannot be used."""
    if not text.strip() and not files:
        raise invalid("input", "required", "Write something or attach a file.")
    if len(files) > MAX_FILES:
        raise invalid("files", "count", f"Attach {MAX_FILES} files at most.")
    if parameters and len(orjson.dumps(parameters)) > MAX_PARAMETERS:
        raise invalid("parameters", "size", f"Parameters may have {MAX_PARAMETERS // 1024} kB at most.")
    read = await _read_all(agent, files)
    size = len(text.encode()) + sum(len(document["text"].encode()) for document in read)
    if size > MAX_INPUT:
        raise Problem(
            "payload_too_large",
            f"Text and documents have {size:,} bytes; {MAX_INPUT:,} are the most an agent reads.",
        )
    return RunRequest(text, read, conversation_id, parameters or {})


async def _read_all(agent: Agent, files: Sequence[Upload]) -> list[dict[str, Any]]:
    """Read the files within the agent's time limit: reading is part of what the caller waits for."""
    if not files:
        return []
    seconds = agent.timeout_seconds
    try:
        async with asyncio.timeout(seconds):
            return [await _read(agent, upload) for upload in files]
    except TimeoutError:
        raise invalid(
            "files", "file_timeout", f"Reading the files took more than {seconds} seconds."
        ) from None


async def _read(agent: Agent, upload: Upload) -> dict[str, Any]:
    content = await documents.extract(upload.name, upload.data, allowed=agent.input_types)
    return {"name": upload.name, "sha256": sha256(upload.data).hexdigest(), "text": content}
