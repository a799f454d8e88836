"""Text of uploaded files: real PDF, Word and Excel files, hostile ones first."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from agents.documents import LIMITS, TYPES, Limits, check_name, extract
from qualisys.problems import Problem
from tests.agents.document_files import body, pdf, sheet, slow_pdf, with_part, word

EVERYTHING = [*TYPES, "markdown", "text"]


async def refused(name: str, data: bytes, limits: Limits = LIMITS, allowed: list[str] | None = None) -> str:
    """Return the rule that refuses the file."""
    with pytest.raises(Problem) as caught:
        await extract(name, data, allowed=EVERYTHING if allowed is None else allowed, limits=limits)
    (error,) = caught.value.errors
    assert caught.value.code == "validation_error"
    assert error["field"] == f"files.{name}"
    assert error["message"].endswith(".")
    return error["rule"]


async def read(name: str, data: bytes) -> str:
    return await extract(name, data, allowed=EVERYTHING)


def parsers() -> list[int]:
    """Return the ids of this process's parser processes that are alive."""
    found = []
    for child in psutil.Process(os.getpid()).children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found += [child.pid for part in child.cmdline() if part.endswith("worker.py")]
    return found


@pytest.fixture(autouse=True)
def no_parser_left() -> Iterator[None]:
    yield
    assert parsers() == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "..",
        "a/b.txt",
        "..\\b.txt",
        "/etc/passwd",
        "a\0.txt",
        "a\n.txt",
        "a\u202etxt.md",
        "\ud800.md",
        "a" * 201,
    ],
)
def test_check_name__path_control_or_length__refused(name: str) -> None:
    with pytest.raises(Problem) as caught:
        check_name(name)
    assert caught.value.errors[0]["rule"] == "file_name"


@pytest.mark.parametrize(
    "name", ["requirements v2 (final).docx", "Лист 1.xlsx", "要件.pdf", "a" * 196 + ".txt"]
)
def test_check_name__ordinary__accepted(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["run.exe", "noextension", ".pdf", "old.doc", "page.html"])
async def test_extract__unknown_type__refused(name: str) -> None:
    assert await refused(name, b"text") == "file_type"


async def test_extract__type_the_agent_does_not_list__refused() -> None:
    assert await refused("a.csv", b"a,b", allowed=["pdf", "markdown"]) == "file_type"
    assert await refused("a.txt", b"a", allowed=[]) == "file_type"


@pytest.mark.parametrize("kind", ["pdf", "docx", "xlsx", "csv", "md", "txt", "json"])
async def test_extract__content_of_another_type__refused(kind: str) -> None:
    for data in {"pdf": [word()], "docx": [pdf(), sheet(), b"text"], "xlsx": [word()]}.get(
        kind, [pdf(), word()]
    ):
        assert await refused(f"a.{kind}", data) == "file_type"


@pytest.mark.parametrize("kind", TYPES)
async def test_extract__empty_file__refused(kind: str) -> None:
    assert await refused(f"a.{kind}", b"") == "file_empty"


async def test_extract__beyond_ten_megabytes__refused_unread() -> None:
    assert await refused("a.txt", b"a" * (LIMITS.bytes + 1)) == "file_too_large"
    assert await refused("a.pdf", b"a" * (LIMITS.bytes + 1)) == "file_too_large"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"\xff\xfeabc", "file_not_utf8"),
        (b"caf\xe9", "file_not_utf8"),
        (b"a\0b", "file_not_utf8"),
        (b" \n", "file_empty"),
        (b"a" * 1_000_001, "file_too_long"),
    ],
)
async def test_extract__no_plain_text__refused(data: bytes, rule: str) -> None:
    assert await refused("a.md", data) == rule


@pytest.mark.parametrize(
    "data",
    [
        b"{'a': 1}",
        b'{"a": 1',
        b'"\\ud800"',
        b"[" * 101 + b"]" * 101,
        b"[" * 9_000 + b"]" * 9_000,
        b'{"a":' * 101 + b"1" + b"}" * 101,
    ],
)
async def test_extract__json_broken_or_too_deep__refused(data: bytes) -> None:
    assert await refused("a.json", data) == "file_broken"


async def test_extract__encrypted_pdf__refused() -> None:
    assert await refused("a.pdf", pdf(password="secret")) == "file_encrypted"


@pytest.mark.parametrize("kind", ["docx", "xlsx"])
async def test_extract__encrypted_office_file__refused(kind: str) -> None:
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + "EncryptedPackage".encode("utf-16-le")
    assert await refused(f"a.{kind}", data) == "file_encrypted"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", b"%PDF-1.7\n" + b"\x80junk" * 999),
        ("a.docx", word()[:-60]),
        ("a.xlsx", sheet()[:400]),
        ("a.docx", with_part(word(), "word/document.xml", b"<not xml")),
        ("a.xlsx", with_part(sheet(), "xl/workbook.xml", b"<not xml")),
    ],
)
async def test_extract__broken_file__refused(name: str, data: bytes) -> None:
    assert await refused(name, data) == "file_broken"


async def test_extract__external_entity__refused_and_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("CANARY-5512")
    before = f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]>'
    data = with_part(word(), "word/document.xml", body("<w:p><w:r><w:t>&x;</w:t></w:r></w:p>", before))
    assert await refused("a.docx", data) == "file_broken"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_extract__entity_bomb__refused(encoding: str) -> None:
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    declared = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE d [<!ENTITY e0 "ha">{entities}]><d>&e9;</d>'
    )
    assert (
        await refused("a.docx", with_part(word(), "word/document.xml", declared.encode(encoding)))
        == "file_broken"
    )
    assert (
        await refused("a.xlsx", with_part(sheet(), "xl/workbook.xml", declared.encode(encoding)))
        == "file_broken"
    )


@pytest.mark.parametrize(("name", "whole"), [("a.docx", word()), ("a.xlsx", sheet())])
async def test_extract__archive_bomb__refused(name: str, whole: bytes) -> None:
    assert await refused(name, with_part(whole, "bomb.bin", bytes(110 << 20))) == "file_too_large"
    assert await refused(name, with_part(whole, "bomb.bin", bytes(20 << 20))) == "file_too_large"


async def test_extract__too_many_pages_sheets_or_cells__refused() -> None:
    assert await refused("a.pdf", pdf(201)) == "file_too_long"
    assert await refused("a.xlsx", sheet(sheets=51)) == "file_too_long"
    assert await refused("a.xlsx", sheet(rows=9), Limits(cells=30)) == "file_too_long"


async def test_extract__too_much_text__refused() -> None:
    for name, data in (("a.pdf", pdf(4)), ("a.docx", word()), ("a.xlsx", sheet(9)), ("a.txt", b"a" * 101)):
        assert await refused(name, data, Limits(characters=50)) == "file_too_long"


@pytest.mark.parametrize(("name", "data"), [("a.pdf", pdf(text="")), ("a.xlsx", sheet(0))])
async def test_extract__no_text_inside__refused(name: str, data: bytes) -> None:
    assert await refused(name, data) == "file_empty"


async def test_extract__takes_too_long__killed() -> None:
    data = slow_pdf()
    started = time.monotonic()
    assert await refused("a.pdf", data, Limits(wall_seconds=0.5)) == "file_timeout"
    assert time.monotonic() - started < 1.5
    assert parsers() == []


async def test_extract__takes_too_much_cpu__killed() -> None:
    assert await refused("a.pdf", slow_pdf(), Limits(cpu_seconds=1)) == "file_timeout"


async def test_extract__takes_too_much_memory__refused() -> None:
    assert await refused("a.pdf", pdf(), Limits(memory=70 << 20)) == "file_too_large"


async def test_extract__cancelled__parser_killed() -> None:
    task = asyncio.create_task(read("a.pdf", slow_pdf()))
    await asyncio.sleep(0.3)
    assert len(parsers()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert parsers() == []


async def test_extract__many_at_once__two_parsers_at_most() -> None:
    tasks = [asyncio.create_task(read("a.docx", word())) for _ in range(6)]
    most = 0
    while not all(task.done() for task in tasks):
        most = max(most, len(parsers()))
        await asyncio.sleep(0.005)
    assert {len(task.result()) for task in tasks} == {len(tasks[0].result())}
    assert most == 2


async def test_extract__pdf__pages_in_order() -> None:
    expected = "The system shall export reports. Page 1.\n\nThe system shall export reports. Page 2."
    assert await read("Reqs.PDF", pdf(2)) == expected
    assert await read("a.pdf", b"\xef\xbb\xbf\r\n" + pdf(2)) == expected


async def test_extract__pdf_that_needs_no_password__read() -> None:
    assert await read("a.pdf", pdf(password="")) == "The system shall export reports. Page 1."


async def test_extract__docx__headings_lists_and_tables_in_order() -> None:
    expected = "## Scope\nBefore the table\n- A point\nId | Rule\nR1 | Shall work\nAfter the table"
    assert await read("a.docx", word()) == expected


async def test_extract__docx_with_tracked_changes__as_if_accepted() -> None:
    inserted = "<w:ins><w:r><w:t>must</w:t></w:r></w:ins><w:r><w:tab/><w:t>sign in</w:t></w:r>"
    deleted = "<w:del><w:r><w:delText>may</w:delText></w:r></w:del>"
    words = f"<w:p><w:r><w:t>Users </w:t></w:r>{deleted}{inserted}</w:p>"
    changes = f"<w:sdt><w:sdtContent>{words}</w:sdtContent></w:sdt>"
    assert (
        await read("a.docx", with_part(word(), "word/document.xml", body(changes))) == "Users must\tsign in"
    )


async def test_extract__xlsx__rows_with_tabs() -> None:
    assert (
        await read("a.xlsx", sheet(2)) == "## Sheet\nR0\tShall work\t3.5\t\tTrue\nR1\tShall work\t3.5\t\tTrue"
    )


async def test_extract__plain_types__as_they_are() -> None:
    assert await read("a.csv", b"a,b\r\n1,2\r\n") == "a,b\r\n1,2\r\n"
    assert await read("a.markdown", "# Ü".encode("utf-8-sig")) == "# Ü"
    assert await read("a.txt", "# Ü".encode("utf-16")) == "# Ü"
    assert await read("app.log", b"ERROR x") == "ERROR x"
    nested = b"[" * 100 + b'"]]]\\"["' + b"]" * 100
    assert await read("a.json", nested) == nested.decode()
