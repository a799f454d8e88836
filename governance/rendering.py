"""Model output as safe HTML: Markdown in, a short list of tags out.

What a model writes is hostile input. Nothing of it may load, run, pose as the portal or lead anywhere but to the
open web: raw HTML stays text, images become their description, links are marked as foreign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

TAGS: Final = frozenset(
    {
        "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
        "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
    }
)  # fmt: skip
ATTRIBUTES: Final = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES: Final = frozenset({"http", "https", "mailto"})

_ABSOLUTE = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
#: Control characters, escape sequences of terminals among them; tab and newline stay.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """Return the text without control characters, so that pasting it into a terminal is harmless."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def markdown(text: str) -> SafeString:
    """Return the Markdown as HTML that is safe to put into a page."""
    html = nh3.clean(
        _renderer.render(plain(text)),
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        attribute_filter=_keep,
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return mark_safe(html)  # noqa: S308 - cleaned one line above


def tokens(text: str) -> Sequence[Token]:
    """Return what the Markdown consists of, for files that are not HTML; raw HTML in it is text."""
    return _renderer.parse(plain(text))


def _keep(tag: str, name: str, value: str) -> str | None:
    # A relative address would make the model's link one of the portal's own.
    return None if name == "href" and not _ABSOLUTE.match(value) else value


def _described(tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Render an image as its description: fetching it would tell its host who reads this, and when."""
    return f"[image: {escape(tokens[index].content or 'without description')}]"


def _lowered(tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Render a heading below the page's own first two levels."""
    token = tokens[index]
    level = min(int(token.tag[1]) + 2, 6)
    return f"<{'/' if token.nesting < 0 else ''}h{level}>"


def _made() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.renderer.rules.update(image=_described, heading_open=_lowered, heading_close=_lowered)  # type: ignore[attr-defined]
    return made


_renderer = _made()
