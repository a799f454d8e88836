"""The lean door of the API: Django's URLs and views without a thread per request.

Django's stock ASGI handler gives every request a thread and every synchronous middleware two more hops. Hot
routes need neither: this handler authenticates once, enters the tenancy context and calls the view on the loop.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any, Protocol, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.http.request import split_domain_port
from django.urls import ResolverMatch, get_resolver
from django.utils.module_loading import import_string
from psycopg_pool import PoolTimeout

from qualisys import audit, idempotency, tenancy
from qualisys.middleware import request_id_from
from qualisys.problems import Problem
from qualisys.redis import RedisUnavailable
from qualisys.responses import problem_response

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
View = Callable[..., Awaitable[HttpResponseBase]]

MAX_BODY = 16 * 1024 * 1024
#: Seconds a request is under way before it is noticed that its caller has gone.
PATIENCE = 0.1
#: Stands for a body that was too large to keep.
_TOO_LARGE = b"\x00too large"


#: Takes what is to be done once the caller has hung up.
Listen = Callable[[Callable[[], object]], None]


class Streaming(Protocol):
    """A response that writes itself, so that a relayed chunk passes no layer it does not need."""

    async def stream(self, send: Send, listen: Listen) -> None: ...


class ApiHandler(ASGIHandler):
    """Serves `/api/` and `/v1/`."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Use one async function where the pages have a list of middleware."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain = cast(Any, self._respond)
        self._authenticate = import_string(settings.AUTHENTICATOR)
        self._credentials = import_string(settings.AUTHENTICATOR.rsplit(".", 1)[0] + ".Credentials")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the request, answer it, and notice when the caller is gone."""
        body = await _read_body(receive)
        if body is None:
            return
        caller = _Caller(receive)
        request = ASGIRequest(dict(scope), io.BytesIO(body))
        request.too_large = body is _TOO_LARGE  # type: ignore[attr-defined]
        request.listen = caller.listen  # type: ignore[attr-defined]
        try:
            response = await self._respond(request)
            if hasattr(response, "stream"):
                await cast(Streaming, response).stream(send, caller.listen)
            else:
                if isinstance(response, HttpResponse) and response.content:
                    response["Content-Length"] = str(len(response.content))
                # Not closed: Django's signal would tidy up database connections that the loop never opens.
                await self.send_response(response, send)
        finally:
            caller.forget()

    async def _respond(self, request: ASGIRequest) -> HttpResponseBase:
        request_id = request_id_from(request.META.get("HTTP_X_REQUEST_ID"))
        request.request_id = request_id  # type: ignore[attr-defined]
        try:
            response = await self._inside(request, request_id)
            if isinstance(response, HttpResponseNotAllowed):
                raise _not_allowed(request, response["Allow"])
        except Problem as problem:
            response = problem_response(problem, request_id)
        except Http404:
            response = problem_response(Problem("not_found", "There is nothing at this address."), request_id)
        except RedisUnavailable:
            detail = "A part of the installation is away. Nothing was started; try again in a few seconds."
            response = problem_response(
                Problem("guard_unavailable", detail, headers={"Retry-After": "2"}), request_id
            )
        except (OperationalError, InterfaceError, PoolTimeout):
            logger.exception("request %s %s: no database", request.method, request.path)
            detail = "The database is away. Nothing was changed; try again in a few seconds."
            response = problem_response(
                Problem("unavailable", detail, headers={"Retry-After": "5"}), request_id
            )
        except Exception:
            logger.exception("request %s %s failed", request.method, request.path)
            detail = "The fault is on our side and was logged. Give your administrator the request id."
            response = problem_response(Problem("internal_error", detail), request_id)
        response["X-Request-Id"] = request_id
        response["X-Content-Type-Options"] = "nosniff"
        return response

    async def _view(self, request: HttpRequest) -> HttpResponseBase:
        """Call the view of an address; the usual ones are looked up once."""
        request.resolver_match, view = _resolve(request.path_info)
        return await view(request, *request.resolver_match.args, **request.resolver_match.kwargs)

    async def _inside(self, request: ASGIRequest, request_id: str) -> HttpResponseBase:
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise Problem("validation_error", "NUL characters are not accepted in an address.")
        if request.too_large:  # type: ignore[attr-defined]
            raise Problem("payload_too_large", f"A request may have {MAX_BODY // 1024 // 1024} MB at most.")
        headers = {key.decode("latin1"): value.decode("latin1") for key, value in request.scope["headers"]}
        host = _host_of(headers.get("host", ""))
        identity = await self._authenticate(self._credentials(host, headers))
        request.identity = identity  # type: ignore[attr-defined]
        if identity is not None and identity.kind == "session":
            _check_origin(request, headers)
        if identity is None:
            # Nobody's data is in reach: what anyone may call enters the context it needs by itself.
            return await self._view(request)
        context = identity.tenant or tenancy.platform("platform API")
        with tenancy.use(context), audit.acting(audit.Actor(identity.actor_id, request_id)):
            if request.method == "POST" and "idempotency-key" in headers:
                return await idempotency.once(request, headers["idempotency-key"], self._view)
            return await self._view(request)


@lru_cache(maxsize=512)
def _host_of(header: str) -> str:
    return split_domain_port(header)[0]


@lru_cache(maxsize=512)
def _resolve(path: str) -> tuple[ResolverMatch, View]:
    match = get_resolver().resolve(path)
    return match, match.func if iscoroutinefunction(match.func) else sync_to_async(match.func)


def _not_allowed(request: HttpRequest, allowed: str) -> Problem:
    detail = f"{str(request.method)[:20]} is not possible here; {allowed} is."
    return Problem("method_not_allowed", detail, headers={"Allow": allowed})


async def _read_body(receive: Receive) -> bytes | None:
    """Return the request's body, or None if the caller left meanwhile. Past the limit nothing is kept."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts) if size <= MAX_BODY else _TOO_LARGE


class _Caller:
    """Notices when the caller hangs up. Only routes that wait pay for it, and only if they wait for a while."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def listen(self, hung_up: Callable[[], object]) -> None:
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._begin, hung_up)

    def forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self, hung_up: Callable[[], object]) -> None:
        self._task = asyncio.create_task(self._listen(hung_up))

    async def _listen(self, hung_up: Callable[[], object]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        hung_up()


def _check_origin(request: HttpRequest, headers: dict[str, str]) -> None:
    """A browser's session is only good from the product's own pages: same origin and CSRF token."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    from ninja.utils import check_csrf

    if check_csrf(request) is not None:
        raise Problem(
            "permission_denied", "The CSRF token is missing or wrong. Reload the page and try again."
        )
