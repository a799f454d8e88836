"""Runs `worker.py` on one file: a process without the product's code or environment, killed when late."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from agents.documents.limits import Limits
from agents.documents.refusals import refuse
from qualisys.problems import Problem

#: Parsers at work at once, per event loop.
PARSERS = 2

_WORKER = Path(__file__).with_name("worker.py")
_READ = 1 << 16

#: Most bytes of UTF-8 that a character takes.
_BYTES_PER_CHARACTER = 4

_slots: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


async def parse(name: str, kind: str, data: bytes, limits: Limits) -> str:
    """Return the text of a pdf, docx or xlsx file. Waiting for a free parser does not count as parsing."""
    async with _slot():
        try:
            async with asyncio.timeout(limits.wall_seconds):
                output = await _run(kind, data, limits)
        except TimeoutError:
            raise refuse(name, "file_timeout") from None
    text = output[1:].decode(errors="replace")
    if not output.startswith(b"+"):
        raise _refusal(name, text)
    # PostgreSQL cannot store NUL, and no reader needs it.
    return text.replace("\0", "")


async def _run(kind: str, data: bytes, limits: Limits) -> bytes:
    """Return what the worker wrote: `+` and the text, `-` and why not, or nothing when it died."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(_WORKER), kind, json.dumps(asdict(limits)),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8"}, cwd="/",
    )  # fmt: skip
    try:
        await _write(process, data)
        output = await _read(process, limits.characters * _BYTES_PER_CHARACTER + _READ)
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == -signal.SIGXCPU:
        raise TimeoutError
    return output


async def _write(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it died early; what it wrote, or did not, says why


async def _read(process: asyncio.subprocess.Process, most: int) -> bytes:
    assert process.stdout is not None
    parts, size = [], 0
    while part := await process.stdout.read(_READ):
        parts.append(part)
        size += len(part)
        if size > most:
            process.kill()
            return b""
    return b"".join(parts)


def _refusal(name: str, document: str) -> Problem:
    """Return the problem that the worker reported; one that cannot be read means that it died."""
    try:
        refusal = json.loads(document)
        return refuse(name, refusal["rule"], refusal["detail"])
    except (ValueError, KeyError, TypeError):
        return refuse(name, "file_broken", "its parser gave up")


def _slot() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    slot = _slots.get(loop)
    if slot is None:
        for ended in [other for other in list(_slots) if other.is_closed()]:
            _slots.pop(ended, None)
        slot = _slots[loop] = asyncio.Semaphore(PARSERS)
    return slot
