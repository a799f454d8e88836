"""Reads a DOM snapshot and finds elements that may stand in for broken selectors."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser

from agents.demo.material import Material
from agents.demo.structured import find_fences

MAX_HTML = 50_000
MAX_ELEMENTS = 400
_INTERACTIVE = {
    "a",
    "button",
    "input",
    "select",
    "textarea",
    "label",
    "h1",
    "h2",
    "h3",
    "form",
    "ul",
    "table",
}
_ROLES = {
    "a": "link",
    "button": "button",
    "select": "combobox",
    "h1": "heading",
    "h2": "heading",
    "h3": "heading",
}
_NAMED_BY_TEXT = {"a", "button", "h1", "h2", "h3"}
_KEPT = (
    "for",
    "id",
    "data-testid",
    "data-test",
    "name",
    "aria-label",
    "role",
    "type",
    "class",
    "placeholder",
)
_LOOKS_HTML = re.compile(r"<(?:html|body|main|div|form|button|input|section)\b", re.IGNORECASE)
_BROKEN = re.compile(
    r"(?:locator|selector|element|getBy\w+)\s*\(?\s*[\"'`]([^\"'`]{1,200})[\"'`]\)?.{0,60}?"
    r"(?:not found|no match|not visible|timed? ?out|timeout|waited|failed|did not resolve)",
    re.IGNORECASE,
)
_ENVIRONMENTS = ("production", "staging", "test", "development")
_NOISE = frozenset(
    [
        "btn",
        "button",
        "link",
        "input",
        "field",
        "the",
        "and",
        "css",
        "primary",
        "secondary",
        "form",
        "div",
        "span",
        "icon",
        "item",
    ]
)


@dataclass(frozen=True, slots=True)
class Element:
    """An element with its attributes, visible text and markup as written."""

    tag: str
    attributes: dict[str, str]
    text: str
    markup: str
    label: str = ""

    @property
    def name(self) -> str:
        """The accessible name, as far as the markup shows it."""
        return self.attributes.get("aria-label") or (self.text if self.tag in _NAMED_BY_TEXT else self.label)

    @property
    def test_id(self) -> str | None:
        """The test id."""
        return self.attributes.get("data-testid") or self.attributes.get("data-test")

    @property
    def role(self) -> str | None:
        """The role, explicit or of the tag."""
        return self.attributes.get("role") or _ROLES.get(self.tag)

    def locators(self) -> list[tuple[str, str]]:
        """Return (strategy, locator) from the longest-lived to the shortest-lived."""
        found: list[tuple[str, str]] = []
        if self.label:
            found.append(("label", f"getByLabel('{self.label}')"))
        elif self.role and self.name:
            found.append(("role", f"getByRole('{self.role}', {{ name: '{self.name}' }})"))
        if self.test_id:
            found.append(("test_id", f"getByTestId('{self.test_id}')"))
        if self.tag in _NAMED_BY_TEXT and self.text and self.text != self.attributes.get("aria-label"):
            found.append(("text", f"getByText('{self.text}')"))
        if ident := self.attributes.get("id"):
            found.append(("css", f"#{ident}"))
        if name := self.attributes.get("name"):
            found.append(("css", f'{self.tag}[name="{name}"]'))
        return found


@dataclass(frozen=True, slots=True)
class Failure:
    """A selector that no longer matches, as a failure report words it."""

    selector: str
    line: str
    case: str
    environment: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[tuple[str, dict[str, str], str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = {name: value or "" for name, value in attrs if name in _KEPT}
        interesting = tag in _INTERACTIVE or "data-testid" in kept or "role" in kept
        if interesting and len(self.elements) + len(self._open) < MAX_ELEMENTS:
            markup = (self.get_starttag_text() or "")[:200]
            if tag == "input":
                self.elements.append(Element(tag, kept, "", markup))
            else:
                self._open.append((tag, kept, markup, []))

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self._open[-1][3].append(data.strip()[:80])

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            name, kept, markup, texts = self._open.pop()
            self.elements.append(Element(name, kept, " ".join(texts)[:80], markup))


def read_elements(material: Material) -> list[Element]:
    """Return the elements of all DOM snapshots in the material."""
    elements: list[Element] = []
    for document in material.documents:
        fences = [fence.text for fence in find_fences(document.text) if fence.language in {"html", "xml", ""}]
        for html in fences or [document.text]:
            if _LOOKS_HTML.search(html[:5_000]):
                reader = _Reader()
                reader.feed(html[:MAX_HTML])
                elements.extend(_labelled(reader.elements))
    return elements


def _labelled(elements: list[Element]) -> list[Element]:
    """Give fields the text of their labels; labels themselves are not acted on."""
    labels = {item.attributes.get("for", ""): item.text for item in elements if item.tag == "label"}
    return [
        replace(item, label=labels.get(item.attributes.get("id") or "?", ""))
        for item in elements
        if item.tag != "label"
    ]


def read_failures(material: Material) -> list[Failure]:
    """Return the broken selectors that failure reports name, each once."""
    found: dict[str, Failure] = {}
    for document in material.documents:
        section = ""
        for line in document.text.split("\n"):
            if line.startswith("#"):
                section = line
            if match := _BROKEN.search(line[:600]):
                case = re.search(r"\b[A-Z]{2,5}-\d{1,5}\b", line[: match.start()])
                place = f"{line} {section}".lower()
                where = next((name for name in _ENVIRONMENTS if re.search(rf"\b{name}\b", place)), "unknown")
                failure = Failure(
                    match.group(1), line.strip(" -*")[:300], case.group() if case else "", where
                )
                found.setdefault(match.group(1), failure)
    return list(found.values())


def candidates(selector: str, elements: list[Element]) -> list[tuple[float, Element]]:
    """Return the elements a broken selector may have meant, with a confidence; best first."""
    words = _words(selector)
    scored = []
    for element in elements:
        identity = {element.attributes.get("id", ""), element.test_id or ""} - {""}
        if selector.lstrip("#.") in identity:
            scored.append((0.97, element))
            continue
        shown = _words(f"{element.name} {element.text} {element.label}")
        named = _words(
            " ".join(
                [element.test_id or "", element.attributes.get("id", ""), element.attributes.get("name", "")]
            )
        )
        if words and words <= shown | named and element.tag in {"a", "button", "input", "select", "textarea"}:
            scored.append((0.82 if words <= shown else 0.74, element))
        elif words & (shown | named):
            scored.append((0.4, element))
    scored.sort(key=lambda pair: -pair[0])
    rivals = sum(score == scored[0][0] for score, _ in scored) if scored else 0
    if rivals > 1:
        return [(min(score, 0.55), element) for score, element in scored]
    return scored


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z]{3,}", text.lower()) if word not in _NOISE}
