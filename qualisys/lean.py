"""Hot routes through Ninja: what it declares and describes, without the layers that only other routes use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pydantic
from django.http import HttpRequest, HttpResponseBase

Run = Callable[..., Awaitable[HttpResponseBase]]


def lean(run: Run) -> Run:
    """Replace how Ninja runs a route; for `decorate_view`, on views that give a response of their own.

    Access and input are judged by the route's own declarations. What is left out: a response that might be changed
    meanwhile, throttles, and asking of what kind each part is; together a tenth of a whole run.
    """
    operation: Any = run.__self__  # type: ignore[attr-defined]
    (requires,) = operation.auth_callbacks

    async def answer(request: HttpRequest, **path: Any) -> HttpResponseBase:
        try:
            await requires(request)
            values = _values(operation, request, path)
            response: HttpResponseBase = await operation.view_func(request, **values)
        except Exception as error:
            response = operation.api.on_exception(request, error)
        return response

    return answer


def _values(operation: Any, request: HttpRequest, path: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    try:
        for model in operation.models:
            values |= model.resolve(request, operation.api, path).__dict__
    except pydantic.ValidationError:
        # Ninja finds the same once more, and words it.
        operation._get_values(request, path, None)
    return values
