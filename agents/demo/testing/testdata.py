"""Synthetic, visibly artificial data for the fields that stories mention."""

from __future__ import annotations

import re
from typing import Any

from agents.demo.released import Story

#: word in the stories -> (field, artificial value, how a real value would be treated)
_FIELDS = (
    (r"e-?mail", "e-mail", "test.person.01@example.org", "synthetic"),
    (r"password", "password", "Correct-Horse-Test-01", "synthetic"),
    (r"one-time code", "one-time code", "000000", "synthetic"),
    (r"date of birth|born", "date of birth", "1990-02-28", "masked"),
    (r"patient number|customer number|account number|member number", "number", "TEST-0000001", "tokenised"),
    (r"phone|text message|sms", "telephone", "+1 555 0100", "masked"),
    (r"card", "card number", "4111 1111 1111 1111", "tokenised"),
    (r"address", "address", "1 Test Street, Testville", "masked"),
    (r"attachment|file|upload", "file", "test-document-01.pdf (1 page, 12 kB)", "none"),
    (r"amount|price|invoice", "amount", "10.00", "none"),
    (r"appointment|booking|slot", "appointment", "Test clinic, tomorrow 09:20", "none"),
    (r"message|comment|reason", "text", "This is a test text of the test team.", "none"),
)


def synthetic_data(stories: list[Story]) -> list[dict[str, Any]]:
    """Return the main test person, and one without rights when there are stories."""
    if not stories:
        return []
    text = " ".join(f"{story.want} {' '.join(item.text for item in story.criteria)}" for story in stories)
    fields = [
        {"field": name, "value": value, "masking": masking}
        for pattern, name, value, masking in _FIELDS
        if re.search(pattern, text, re.IGNORECASE)
    ]
    personas = list(dict.fromkeys(story.persona for story in stories if story.persona)) or ["user"]
    name = {
        "field": "name",
        "value": f"Test-{personas[0].title().replace(' ', '-')}-01",
        "masking": "synthetic",
    }
    stranger = {"field": "name", "value": "Test-Stranger-01", "masking": "synthetic"}
    return [
        {
            "name": "Test person",
            "purpose": f"A {personas[0]} with everything in order",
            "fields": [name, *fields],
        },
        {
            "name": "Stranger",
            "purpose": "Signed in, but without any right to the records above",
            "fields": [stranger],
        },
    ]
