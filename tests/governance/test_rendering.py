"""Model output as HTML: hostile first, then what should still be readable."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from governance.rendering import TAGS, markdown, plain

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![alt](https://evil.example/pixel.png)",
    "![alt][ref]\n\n[ref]: https://evil.example/pixel.png",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<svg/onload=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "<javascript:alert(1)>",
    "<style>body{display:none}</style>",
    "<form action=/sign-out/ method=post><button>x</button></form>",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "`</code><script>alert(1)</script>`",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    '[x](https://ok.example/ "\\" onmouseover=alert(1) \\"")',
    "# <b onclick=alert(1)>x</b>",
]


class Elements(HTMLParser):
    """What a browser would make of some HTML: (tag, attributes) of every element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown__hostile_text__makes_no_element_that_acts(text: str) -> None:
    for tag, attributes in Elements(markdown(text)).found:
        assert tag in TAGS
        assert set(attributes) <= {"href", "title", "start", "rel", "target"}
        assert (attributes.get("href") or "https://").startswith(("https://", "http://", "mailto:"))


def test_markdown__relative_link__loses_its_address() -> None:
    assert "href" not in markdown("[sign out](/sign-out/) [up](../x) [here](#main) [host](//evil.example/)")


def test_markdown__class_and_id_in_html__stay_text() -> None:
    html = markdown('<div class="notice" id="main">Your session ended</div>')
    assert "<div" not in html
    assert "&lt;div" in html


def test_markdown__terminal_escapes__are_removed() -> None:
    assert "\x1b" not in markdown("\x1b]0;owned\x07\x1b[2Jtext\x9b31m")
    assert plain("a\x00\x1b[31m\r\nb\tc\x7f") == "a[31m\nb\tc"


def test_markdown__link_to_the_web__opens_elsewhere_without_a_trace() -> None:
    html = markdown("[site](https://ok.example/page)")
    assert 'href="https://ok.example/page"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html


def test_markdown__usual_text__is_formatted() -> None:
    html = markdown(
        "# Title\n\n**bold** `code`\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n~~gone~~"
    )
    for part in (
        "<h3>Title</h3>",
        "<strong>bold</strong>",
        "<code>code</code>",
        "<li>one</li>",
        "<td>1</td>",
    ):
        assert part in html
    assert "<s>gone</s>" in html


def test_markdown__image__is_replaced_by_its_description() -> None:
    html = markdown('![a "chart"](https://evil.example/x.png) ![](x.png)')
    assert '[image: a "chart"]' in html.replace("&quot;", '"')
    assert "[image: without description]" in html
