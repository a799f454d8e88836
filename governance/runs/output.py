"""What the model said, held against the agent's schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson

from qualisys.problems import FieldError
from qualisys.text import MAX_DEPTH, clean, clean_json, deeper_than, unstorable

_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?```\s*\Z", re.DOTALL)

#: Violations named at most, to the caller and to the model that repairs them.
NAMED = 20


def parse(text: str) -> Any:
    """Return the JSON value in `text`, with or without a code fence; raise ValueError where there is none."""
    fenced = _FENCE.match(text)
    value = orjson.loads(fenced.group(1) if fenced else text)
    if deeper_than(value, MAX_DEPTH):
        raise ValueError("nested too deeply to be written again")
    return clean_json(value) if unstorable(value) else value


def check(text: str, validator: jsonschema_rs.Validator) -> tuple[Any, list[FieldError]]:
    """Return the structured output and what is wrong with it; None where it is not even JSON."""
    try:
        value = parse(text)
    except ValueError:
        return None, [{"field": "output", "rule": "json", "message": "The answer is not a JSON document."}]
    errors: list[FieldError] = [
        {
            "field": ".".join(["output", *(str(part) for part in error.instance_path)]),
            "rule": str(error.schema_path[-1]) if error.schema_path else "schema",
            "message": clean(error.message[:300]),
        }
        for error in islice(validator.iter_errors(value), NAMED)
    ]
    return value, errors


def repair_message(errors: list[FieldError]) -> str:
    """Return what the model is told to mend."""
    lines = "\n".join(f"- {error['field']}: {error['message']}" for error in errors)
    return (
        "Your answer does not match the required JSON schema:\n"
        f"{lines}\n"
        "Answer again with the whole corrected JSON document and nothing else."
    )


def context_text(text: str, documents: Sequence[Mapping[str, Any]]) -> str:
    """Return what the model reads as the person's message: the text, then each document, fenced as data."""
    blocks = [
        f'<document name="{document["name"]}">\n{_fenced(str(document["text"]))}\n</document>'
        for document in documents
    ]
    return "\n\n".join([text, *blocks] if text else blocks)


def _fenced(text: str) -> str:
    """Keep a document from closing its own fence."""
    return re.sub(r"<(/?)document", r"<\1 document", text)
