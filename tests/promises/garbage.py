"""What nobody sends by mistake."""

from __future__ import annotations

import json

import httpx2 as httpx

PROBLEM = "application/problem+json"

DEEP = '{"a":' * 1000 + "1" + "}" * 1000

#: What takes the place of a value, as JSON text.
VALUES: dict[str, str] = {
    "NUL": r'"a\u0000b"',
    "NUL in a key": r'{"a\u0000b": 1}',
    "lone surrogate": r'"a\ud800b"',
    "lone surrogate in a key": r'{"\udc00": 1}',
    "depth 1000": DEEP,
    "depth 101": '{"a":' * 101 + "1" + "}" * 101,
    "list of depth 1000": "[" * 1000 + "]" * 1000,
    "huge integer": "1" + "0" * 400,
    "huge number": "1e308",
    "beyond 64 bits": "1e40",
    "minus a lot": "-1e40",
    "true": "true",
    "null": "null",
    "list": "[]",
    "object": "{}",
    "empty": '""',
    "controls": r'"\u0001\u001b[31m\u202e\ufeff\ufffe"',
    "duplicate keys": r'{"a": 1, "a": "\u0000"}',
    "schema of itself": '{"$ref": "#"}',
    "foreign reference": '{"$ref": "file:///etc/passwd"}',
    "slow pattern": '{"type": "string", "pattern": "^(a+)+$"}',
    "bad pattern": '{"pattern": "(("}',
    "template": '"{{7*7}}${7*7}%s%n"',
}

#: Whole bodies that are none.
RAW: dict[str, bytes] = {
    "nothing": b"",
    "NUL": b"\x00",
    "NUL after": b"{}\x00",
    "not UTF-8": b'{"input": "\xff"}',
    "surrogate in UTF-8": b'{"input": "\xed\xa0\x80"}',
    "UTF-16": '{"input": "x"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"input": "x"}',
    "null": b"null",
    "a number": b"1",
    "a list": b"[]",
    "a text": b'"x"',
    "cut": b'{"input": "',
    "two": b"{}{}",
    "NaN": b'{"input": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "1e999": b'{"input": 1e999}',
    "depth 1000": DEEP.encode(),
    "depth 100,000": b"[" * 100_000,
    "a form": b"input=hello&a=b",
    "XML": b"<?xml version='1.0'?><a/>",
    "100,000 keys": json.dumps({str(n): n for n in range(100_000)}).encode(),
    "10 MB": b'{"input": "' + b"x" * 10_500_000 + b'"}',
    "17 MB": b'{"input": "' + b"x" * 17_000_000 + b'"}',
}

#: What a model may say.
ANSWERS: dict[str, str] = {
    "NUL": "a\x00b",
    "NUL inside": r'{"a": "\u0000"}',
    "NUL in a key": r'{"\u0000": 1}',
    "lone surrogate": r'{"a": "\ud800"}',
    "a huge number": '{"a": 1e40}',
    "a duplicate": '{"a": 1, "a": 2}',
    "deep": '{"a":' * 300 + "1" + "}" * 300,
    "very deep": DEEP,
    "terminal escapes": "\x1b[2J\x07\u202e\ufeff",
}


def refused(answer: httpx.Response) -> bool:
    """Tell whether this is a refusal of ours: below 500, a problem document without a traceback."""
    return (
        400 <= answer.status_code < 500
        and answer.headers["content-type"] == PROBLEM
        and answer.json()["status"] == answer.status_code
        and "Traceback" not in answer.text
    )
