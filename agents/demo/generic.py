"""Fills any JSON schema from the sentences of the input: what agents the demo model does not know get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import jsonschema_rs

from agents.demo import NOTICE
from agents.demo.material import Material
from agents.demo.patterns import matching
from agents.demo.reading import read_sentences

MAX_DEPTH = 10
MAX_ITEMS = 5
#: Values made per answer before only what is required is filled: recursive schemas have no end.
MAX_VALUES = 3_000
_NOTHING = "The input holds no text to quote."
_SUMMARY = re.compile(r"summary|overview|answer|conclusion|result", re.IGNORECASE)
_FORMATS = {
    "date-time": "1970-01-01T00:00:00Z",
    "date": "1970-01-01",
    "time": "00:00:00Z",
    "email": "nobody@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.org",
}


def conform(schema: dict[str, Any], material: Material, answer: Any = None) -> Any:
    """Return an answer valid against the schema, keeping what fits of a given answer.

    Schemas that contradict themselves, or need look-around patterns, get the nearest attempt.
    """
    validator = _validator(schema)
    if validator is None or (answer is not None and validator.is_valid(answer)):
        return answer if answer is not None else {"answer": NOTICE}
    attempt: Any = None
    for sparse in (False, True):
        attempt = _Filler(schema, material, sparse).fill(schema, answer, "", 0)
        if validator.is_valid(attempt):
            return attempt
    return attempt


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator | None:
    try:
        return jsonschema_rs.validator_for(schema)
    except (ValueError, jsonschema_rs.ValidationError, RecursionError):
        return None


class _Filler:
    """Walks a schema. `sparse` fills only what is required."""

    def __init__(self, root: dict[str, Any], material: Material, sparse: bool) -> None:
        self.root = root
        self.sparse = sparse
        self.values = 0
        texts = [sentence.text for sentence in read_sentences(material.documents)[:200]]
        self.texts = texts or [_NOTHING]
        self.next_text: Iterator[str] = cycle(self.texts)
        found = (
            match.group()
            for match in re.finditer(r"(?<![\w.])\d{1,9}(?:\.\d{1,4})?(?![\w.])", material.text[:50_000])
        )
        self.numbers = [float(number) for number, _ in zip(found, range(200), strict=False)]

    def fill(self, schema: Any, given: Any, name: str, depth: int) -> Any:
        """Return a value for a schema; `given` is used as far as it fits."""
        self.values += 1
        if depth > 3 * MAX_DEPTH:
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return given if given in schema["enum"] else schema["enum"][0]
        kind = self._kind(schema, given, depth)
        if kind == "object":
            return self._object(schema, given if isinstance(given, dict) else {}, depth)
        if kind == "array":
            return self._array(schema, given if isinstance(given, list) else [], name, depth)
        if kind == "string":
            return self._string(schema, given if isinstance(given, str) else None, name)
        if kind in {"integer", "number"}:
            return self._number(schema, given, kind == "integer")
        return (
            given if kind == "boolean" and isinstance(given, bool) else False if kind == "boolean" else None
        )

    def _enough(self, depth: int) -> bool:
        """Whether only what is required is still filled."""
        return self.sparse or depth >= MAX_DEPTH or self.values > MAX_VALUES

    def _resolved(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        """Follow references, take the first alternative, merge what must hold together."""
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return {"type": "null"} if depth > MAX_DEPTH else {}
        if isinstance(reference := schema.get("$ref"), str):
            return self._resolved(self._target(reference), depth + 1)
        merged = dict(schema)
        for word in ("anyOf", "oneOf"):
            if isinstance(choices := merged.pop(word, None), list) and choices:
                merged = {**merged, **self._resolved(choices[0], depth + 1)}
        for part in merged.pop("allOf", None) or []:
            found = self._resolved(part, depth + 1)
            properties = {**merged.get("properties", {}), **found.get("properties", {})}
            required = [*merged.get("required", []), *found.get("required", [])]
            merged = {**merged, **found, "properties": properties, "required": required}
        return merged

    def _target(self, reference: str) -> Any:
        target: Any = self.root
        for part in reference.removeprefix("#").strip("/").split("/"):
            if part:
                target = (
                    target.get(part.replace("~1", "/").replace("~0", "~"))
                    if isinstance(target, dict)
                    else None
                )
        return target

    def _kind(self, schema: dict[str, Any], given: Any, depth: int) -> str:
        kinds = schema.get("type")
        if isinstance(kinds, list) and kinds:
            if "null" in kinds and (given is None or depth >= MAX_DEPTH):
                return (
                    "null"
                    if self.sparse or depth >= MAX_DEPTH
                    else next((k for k in kinds if k != "null"), "null")
                )
            return next((str(kind) for kind in kinds if kind != "null"), "null")
        if isinstance(kinds, str):
            return kinds
        return "object" if "properties" in schema else "array" if "items" in schema else "string"

    def _object(self, schema: dict[str, Any], given: dict[str, Any], depth: int) -> dict[str, Any]:
        described = schema.get("properties")
        properties: dict[str, Any] = described if isinstance(described, dict) else {}
        required = [name for name in schema.get("required") or [] if isinstance(name, str)]
        names = (
            required
            if self._enough(depth)
            else [*properties, *(name for name in required if name not in properties)]
        )
        extra = schema.get("additionalProperties", {})
        filled = {
            name: self.fill(properties.get(name, extra), given.get(name), name, depth + 1) for name in names
        }
        missing = min(schema.get("minProperties", 0), 50) - len(filled)
        filled.update(
            {f"item{number}": self.fill(extra, None, "", depth + 1) for number in range(max(missing, 0))}
        )
        return filled

    def _array(self, schema: dict[str, Any], given: list[Any], name: str, depth: int) -> list[Any]:
        fewest, most = min(schema.get("minItems", 0), 200), schema.get("maxItems", max(MAX_ITEMS, len(given)))
        usual = 0 if self._enough(depth) else min(3 if depth < 4 else 1, len(self.texts))
        count = max(fewest, min(most, len(given) or usual))
        first = schema.get("prefixItems") or []
        rest = schema.get("items", {})
        items = [
            self.fill(
                first[number] if number < len(first) else rest,
                given[number] if number < len(given) else None,
                name,
                depth + 1,
            )
            for number in range(count)
        ]
        if schema.get("uniqueItems"):
            items = [item for number, item in enumerate(items) if item not in items[:number]]
        return items

    def _string(self, schema: dict[str, Any], given: str | None, name: str) -> str:
        if isinstance(pattern := schema.get("pattern"), str):
            return given if given and _fits(pattern, given) else matching(pattern)
        if schema.get("format") in _FORMATS:
            return given or _FORMATS[schema["format"]]
        text = given if given is not None else next(self.next_text)
        if given is None and _SUMMARY.search(name):
            text = f"{NOTICE} {self.texts[0]}"
        most = schema.get("maxLength")
        text = text[:most] if isinstance(most, int) else text
        return text.ljust(min(schema.get("minLength", 0), 10_000), ".")

    def _number(self, schema: dict[str, Any], given: Any, whole: bool) -> float | int:
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        step = schema.get("multipleOf") or (1 if whole else None)

        def fits(value: float) -> bool:
            if low is not None and (value < low or (value == low and "minimum" not in schema)):
                return False
            if high is not None and (value > high or (value == high and "maximum" not in schema)):
                return False
            return not step or value % step == 0

        offered = [given] if isinstance(given, int | float) and not isinstance(given, bool) else []
        near = [value for value in (low, 0, 1, high) if isinstance(value, int | float)]
        spread = [value + (step or 0.5) for value in near] + [value - (step or 0.5) for value in near]
        if step and low is not None:
            spread.append(step * (low // step + 1))
        value = next(
            (number for number in (*offered, *self.numbers, *near, *spread) if fits(number)), low or 0
        )
        return int(value) if whole or value == int(value) else value


def _fits(pattern: str, text: str) -> bool:
    try:
        return jsonschema_rs.is_valid({"type": "string", "pattern": pattern}, text)
    except (ValueError, jsonschema_rs.ValidationError):
        return False
