"""The REST API: one Ninja instance that composes the apps' routers by name."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from qualisys.problems import CONTENT_TYPE, FieldError, Problem
from qualisys.responses import problem_response
from qualisys.text import read_json

JSON = "application/json; charset=utf-8"


class OrjsonParser(Parser):
    """Reads bodies strictly: no NaN, no lone surrogates, bounded depth, no NUL."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the JSON of the body; raise a `validation_error` for anything else."""
        return read_json(request.body)


class OrjsonRenderer(BaseRenderer):
    """Writes bodies fast, times as RFC 3339."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        """Return `data` as JSON."""
        return orjson.dumps(data, default=str, option=orjson.OPT_UTC_Z)


class Api(NinjaAPI):
    """Describes refusals as what they are: problem documents of their own media type."""

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        """Return the response whose headers a view may set; an empty text would be encoded for each request."""
        return HttpResponse(content_type=JSON)

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the description of every route."""
        schema = super().get_openapi_schema(**options)
        operations = [each for path in schema["paths"].values() for each in path.values()]
        for answers in (operation["responses"] for operation in operations):
            for status, answer in answers.items():
                if int(status) >= 400 and "application/json" in answer.get("content", {}):
                    answer["content"] = {CONTENT_TYPE: answer["content"].pop("application/json")}
        return schema


api = Api(
    title="QUALISYS",
    version="1",
    description="Governed AI agents: registry, runs, streams. Errors are RFC 9457 problem documents with a `code`.",
    docs_url="/docs",
    openapi_url="/openapi.json",
    parser=OrjsonParser(),
    renderer=OrjsonRenderer(),
    urls_namespace="api",
)


@api.exception_handler(Problem)
def refuse(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer with the problem's document."""
    return problem_response(problem, getattr(request, "request_id", ""))


@api.exception_handler(ValidationError)
def refuse_input(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Answer input that has the wrong shape, naming each field."""
    errors: list[FieldError] = [
        {
            "field": ".".join(
                str(part) for part in line["loc"] if part not in ("body", "query", "path", "data")
            )
            or "body",
            "rule": line["type"],
            "message": line["msg"].removeprefix("Value error, "),
        }
        for line in error.errors
    ]
    detail = f"{errors[0]['field']}: {errors[0]['message']}" if errors else "The request is not valid."
    return refuse(request, Problem("validation_error", detail, errors=errors))


@api.exception_handler(HttpError)
def refuse_http(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Answer what Ninja itself refuses."""
    if isinstance(error.__cause__, Problem):
        # Ninja wraps whatever the parser raises; the parser has said more.
        return refuse(request, error.__cause__)
    code = "not_authenticated" if error.status_code == 401 else "validation_error"
    return refuse(request, Problem(code, str(error)))


api.add_router("/auth", "tenants.api.auth")
api.add_router("/admin/agents", "versions.api.router")
api.add_router("/admin/agents", "agents.limits.api.of_agents")
api.add_router("/admin/limits", "agents.limits.api.router")
api.add_router("/admin/prices", "agents.api.prices")
api.add_router("/admin/stops", "agents.api.stops")
api.add_router("/admin/tenants", "tenants.overrides.api.support")
api.add_router("/admin/tenants", "tenants.limits.api.given")
api.add_router("/tenant", "tenants.limits.api.own")
api.add_router("/tenant/agents", "tenants.overrides.api.router")
api.add_router("/tenant/agents", "governance.api.trials")
api.add_router("/agents", "governance.api.agents")
api.add_router("/agents", "governance.health.api.agents")
api.add_router("/admin/agents", "governance.health.api.administration")
api.add_router("/tenant/spending", "governance.health.api.spending")
api.add_router("/runs", "governance.runs.api.router")
api.add_router("/conversations", "governance.runs.api.conversations")
