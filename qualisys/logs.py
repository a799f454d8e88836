"""Log lines: one JSON object each, so that a request can be followed by its id."""

from __future__ import annotations

import logging

import structlog

from qualisys import audit, tenancy


def add_context(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Add the tenant and the request to a log line."""
    context = tenancy.current()
    if isinstance(context, tenancy.Tenant):
        event["tenant"] = context.schema
    if request_id := audit.actor().request_id:
        event["request_id"] = request_id
    return event


def formatter() -> logging.Formatter:
    """Return the formatter of every handler."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_context,
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
