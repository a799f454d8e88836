"""Writes Playwright scripts from steps that say exactly enough; other cases stay with people."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from agents.demo.scripting.casebook import TestCase

_JUDGED = re.compile(
    r"\b(?:person judges|screen reader|usab|look and feel|unaided|exploratory|makes sense)\b", re.I
)
_QUOTED = r"[\"'“]([^\"'”]{1,120})[\"'”]"
_OPEN = re.compile(rf"^(?:open|go to|visit|navigate to)\s.*?{_QUOTED}", re.IGNORECASE)
_OPEN_PATH = re.compile(r"^(?:open|go to|visit|navigate to)\s.*?(/[\w/{}?=&.-]*)", re.IGNORECASE)
_CLICK = re.compile(
    rf"^(?:click|press|tap)\s.*?(button|link|tab|checkbox)?\s*{_QUOTED}(.{{0,30}})", re.IGNORECASE
)
_FILL = re.compile(
    rf"^(?:fill|enter|type)\s.*?(?:field\s+)?{_QUOTED}\s+(?:with|as|=)\s+(.{{1,120}})$", re.IGNORECASE
)
_CHOOSE = re.compile(rf"^(?:choose|select|pick)\s+(?:the\s+)?([\w -]{{2,40}}?)\s+{_QUOTED}", re.IGNORECASE)
_SEND = re.compile(r"^send\s+(GET|POST|PUT|PATCH|DELETE)\s+(\S+)(.*)$", re.IGNORECASE)
_TIMES = re.compile(r"\b(\d{1,3})\s+times\b")
_STATUS = re.compile(r"\b([1-5]\d\d)\b")
_SEEN = re.compile(rf"\b(heading|text|button|link|message|field)\b\s*{_QUOTED}", re.IGNORECASE)
_LISTED = re.compile(r"\b(?:listed|holds the value|is shown|are shown)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Script:
    """A script file, or the reason why the case stays manual."""

    case: TestCase
    kind: str
    code: str
    needs: tuple[str, ...]
    reason: str = ""
    keywords: bool = False


def write_script(case: TestCase) -> Script:
    """Return the script of a case; `code` is empty when only a person can judge it.

    A case whose steps name no elements becomes a script of keywords: the steps stay as they are worded, and
    `needs` lists those that have to be bound to the page once.
    """
    if _JUDGED.search(case.text):
        return Script(case, "ui", "", (), "Needs the judgement of a person.")
    if not case.steps:
        return Script(case, "ui", "", (), "It has no steps.")
    api = any(_SEND.match(action) for action, _ in case.steps)
    lines: list[str] = []
    needs: dict[str, None] = {}
    for number, (action, expected) in enumerate(case.steps, 1):
        written = (
            _api_step(case, number, action, expected, needs) if api else _page_step(action, expected, needs)
        )
        if written is None:
            return _keywords(case)
        lines += [f"  // {number}. {action}", *(f"  {line}" for line in written)]
    fixture = "request" if api else "page"
    head = [
        "import { expect, test } from '@playwright/test';",
        "",
        f"// {case.id}" + (f", proves {', '.join(case.traces)}" if case.traces else ""),
        f"test({_js(f'{case.id} {case.title}')}, async ({{ {fixture} }}) => {{",
    ]
    return Script(case, "api" if api else "ui", "\n".join([*head, *lines, "});", ""]), ("BASE_URL", *needs))


def _keywords(case: TestCase) -> Script:
    lines = [
        "import { test } from '@playwright/test';",
        "import { perform, verify } from '../pages/keywords';",
        "",
        f"// {case.id}" + (f", proves {', '.join(case.traces)}" if case.traces else ""),
        f"test({_js(f'{case.id} {case.title}')}, async ({{ page }}) => {{",
    ]
    needs: list[str] = []
    for action, expected in case.steps:
        lines.append(f"  await perform(page, {_js(action)});")
        needs.append(f"perform: {action}")
        if expected:
            lines.append(f"  await verify(page, {_js(expected)});")
            needs.append(f"verify: {expected}")
    return Script(
        case, "ui", "\n".join([*lines, "});", ""]), ("BASE_URL", *dict.fromkeys(needs)), keywords=True
    )


def _page_step(action: str, expected: str, needs: dict[str, None]) -> list[str] | None:
    act = _act(action, needs)
    if act is None:
        return None
    check = _check(expected, act)
    return None if check is None else [act, *check]


def _act(action: str, needs: dict[str, None]) -> str | None:
    if found := _OPEN.match(action) or _OPEN_PATH.match(action):
        return f"await page.goto({_js(found.group(1))});"
    if found := _FILL.match(action):
        return f"await page.getByLabel({_js(found.group(1))}).fill({_value(found.group(2), needs)});"
    if found := _CLICK.match(action):
        role = (found.group(1) or "button").lower()
        first = ".first()" if "first" in found.group(3) else ""
        return f"await page.getByRole({_js(role)}, {{ name: {_js(found.group(2))} }}){first}.click();"
    if found := _CHOOSE.match(action):
        label = found.group(1).strip()
        return f"await page.getByLabel({_pattern(label)}).selectOption({{ label: {_js(found.group(2))} }});"
    return None


def _check(expected: str, act: str) -> list[str] | None:
    """Return the assertions of a step; None when the expectation names nothing to look for."""
    lines = []
    for kind, name in _SEEN.findall(expected):
        role = {"heading": "heading", "button": "button", "link": "link"}.get(kind.lower())
        found = (
            f"page.getByRole('{role}', {{ name: {_js(name)} }})" if role else f"page.getByText({_js(name)})"
        )
        lines.append(f"await expect({found}).toBeVisible();")
    if lines or not expected:
        return lines
    if ".fill(" in act:
        locator, value = act.removeprefix("await ").removesuffix(");").split(".fill(", 1)
        return [f"await expect({locator}).toHaveValue({value});"]
    if ".selectOption(" in act and _LISTED.search(expected):
        return ["await expect(page.getByRole('listitem').first()).toBeVisible();"]
    return None


def _api_step(
    case: TestCase, number: int, action: str, expected: str, needs: dict[str, None]
) -> list[str] | None:
    found, status = _SEND.match(action), _STATUS.search(expected)
    if not found or not status:
        return None
    method, path, rest = found.group(1).lower(), found.group(2), found.group(3)
    options = ""
    if method in {"post", "put", "patch"}:
        name = f"{case.id.replace('-', '_')}_BODY_{number}"
        needs[name] = None
        options = f", {{ data: JSON.parse(process.env.{name} ?? '{{}}') }}"
    call = f"const answer{number} = await request.{method}({_js(path)}{options});"
    check = f"expect(answer{number}.status()).toBe({status.group(1)});"
    if times := _TIMES.search(rest):
        return [f"for (let turn = 0; turn < {times.group(1)}; turn += 1) {{", f"  {call}", f"  {check}", "}"]
    return [call, check]


def _value(text: str, needs: dict[str, None]) -> str:
    """Return a literal, or a variable of the environment for what must not be in code."""
    quoted = re.match(_QUOTED, text.strip())
    if quoted and "password" not in text.lower():
        return _js(quoted.group(1))
    name = "TEST_" + (
        re.sub(r"\W+", "_", text.replace("test ", "").replace("the ", "")).strip("_").upper()[:30] or "VALUE"
    )
    needs[name] = None
    return f"process.env.{name} ?? ''"


def _pattern(label: str) -> str:
    """Return a JavaScript pattern for a label of letters, digits, spaces and hyphens."""
    return f"/{label}/i"


def _js(text: str) -> str:
    """Return a JavaScript string literal in single quotes."""
    return "'" + json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"
