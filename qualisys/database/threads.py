"""Crossing from the event loop to the database and back, without holding a connection."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
_executor = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="database")


async def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in a database thread with the caller's context and give its connection back.

    Everything one unit of work needs belongs in one call: context, query and transaction share a thread.
    """
    context = contextvars.copy_context()
    call = partial(_run, context, partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_executor, call)


def _run(context: contextvars.Context, call: Callable[[], T]) -> T:
    try:
        return context.run(call)
    finally:
        connections.close_all()
