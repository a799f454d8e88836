"""Reads an OpenAPI description for weaknesses of its design."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from agents.demo.security.findings import Finding
from agents.demo.security.knowledge import WEAKNESSES

_METHODS = ("get", "post", "put", "patch", "delete")
_SENSITIVE = re.compile(
    r"^(?:ssn|social_security|password\w*|pwd|hash|secret\w*|token|api_?key|card_?number|cvv|iban|diagnosis)$|password",
    re.I,
)
_PRIVILEGED = re.compile(
    r"^(?:role|roles|is_?admin|admin|permissions?|owner(?:_id)?|balance|status|verified)$", re.I
)
_ADDRESS = re.compile(r"(?:^|_)(?:url|uri|callback|webhook|target|source_url|redirect)(?:$|_)", re.I)
_SIGN_IN = re.compile(r"login|sign-?in|session|token|auth", re.I)


def read_api(document: dict[str, Any], text: str) -> Iterator[Finding]:
    """Yield the findings of one description. `text` is the description as written, for quotes."""
    for server in _list(document.get("servers")):
        address = str(server.get("url") or "") if isinstance(server, dict) else ""
        if address.startswith("http://"):
            yield _found("plain_http", f"servers: {address}", _quote(text, address), 0.9, before=address)
    schemes = _dict(_dict(document.get("components")).get("securitySchemes"))
    for name, scheme in schemes.items():
        if isinstance(scheme, dict) and scheme.get("in") == "query":
            yield _found(
                "secret_in_url", f"securitySchemes.{name}", _quote(text, f'"{scheme.get("name")}"'), 0.9
            )
    secured = bool(document.get("security"))
    for path, item in _dict(document.get("paths")).items():
        for method in _METHODS:
            operation = _dict(item).get(method)
            if isinstance(operation, dict):
                yield from _operation(document, text, str(path), method, operation, secured)


def _operation(
    document: dict[str, Any], text: str, path: str, method: str, operation: dict[str, Any], secured: bool
) -> Iterator[Finding]:
    place = f"{method.upper()} {path}"
    declared = operation.get("security", secured)
    sign_in = method == "post" and bool(_SIGN_IN.search(path))
    quote = _quote(text, f'"{path}"')
    if not declared and not sign_in:
        yield _found("open_operation", place, _quote(text, f'"{operation.get("operationId")}"', quote), 0.7)
    if "{" in path and declared:
        yield _found("object_access", place, quote, 0.5)
    if sign_in and "429" not in _dict(operation.get("responses")):
        yield _found("no_rate_limit", place, quote, 0.5)
    for parameter in _list(operation.get("parameters")):
        name = str(_dict(parameter).get("name") or "")
        if _ADDRESS.search(name):
            yield _found("server_request", f"{place} ?{name}", _quote(text, f'"{name}"'), 0.6)
    yield from _bodies(document, text, place, method, operation)


def _bodies(
    document: dict[str, Any], text: str, place: str, method: str, operation: dict[str, Any]
) -> Iterator[Finding]:
    """Look at what an operation answers and at what it accepts."""
    for name in _fields(document, _schemas(operation.get("responses"))):
        if _SENSITIVE.search(name):
            yield _found("sensitive_output", f"{place} -> {name}", _quote(text, f'"{name}"'), 0.7)
    sent = _fields(document, _schemas({"body": operation.get("requestBody")}))
    for name in sent:
        if _PRIVILEGED.search(name) and method in {"post", "put", "patch"}:
            yield _found("mass_assignment", f"{place} <- {name}", _quote(text, f'"{name}"'), 0.6)
    if any(value.get("format") == "binary" and "maxLength" not in value for value in sent.values()):
        yield _found("file_upload", place, _quote(text, '"binary"'), 0.5)


def _found(key: str, place: str, evidence: str, confidence: float, before: str | None = None) -> Finding:
    return Finding(WEAKNESSES[key], [place], evidence, "openapi", confidence, before=before)


def _schemas(responses: object) -> list[dict[str, Any]]:
    return [
        _dict(_dict(media).get("schema"))
        for answer in _dict(responses).values()
        for media in _dict(_dict(answer).get("content")).values()
    ]


def _fields(document: dict[str, Any], schemas: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the properties of schemas, following one reference."""
    fields: dict[str, dict[str, Any]] = {}
    for schema in schemas:
        reference = str(schema.get("$ref") or "")
        target = _dict(_dict(document.get("components")).get("schemas")).get(reference.rsplit("/", 1)[-1])
        for name, value in _dict((_dict(target) if reference else schema).get("properties")).items():
            fields[str(name)] = _dict(value)
    return fields


def _quote(text: str, words: str, otherwise: str = "") -> str:
    """Return the line of the description that contains the words, as written."""
    at = text.find(words)
    if at < 0:
        return otherwise or words.strip('"')
    start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    line = text[start : len(text) if end < 0 else end].strip()
    return line if len(line) <= 300 else text[at : at + 200]


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def parse_api(text: str) -> dict[str, Any] | None:
    """Return the description when the text is OpenAPI in JSON."""
    if '"paths"' not in text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("paths"), dict) else None
