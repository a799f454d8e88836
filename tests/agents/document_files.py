"""Real files for the tests of document extraction, ordinary and hostile."""

from __future__ import annotations

import io
import zipfile

import docx
import openpyxl
from fpdf import FPDF
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, NameObject

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def pdf(pages: int = 1, text: str = "The system shall export reports.", password: str | None = None) -> bytes:
    document = FPDF()
    document.set_font("Helvetica", size=12)
    for number in range(pages):
        document.add_page()
        if text:
            document.multi_cell(0, 8, f"{text} Page {number + 1}.")
    if password is not None:
        document.set_encryption(owner_password="owner", user_password=password)
    return bytes(document.output())


def word() -> bytes:
    document = docx.Document()
    document.add_heading("Scope", 2)
    document.add_paragraph("Before the table")
    document.add_paragraph("A point", style="List Bullet")
    table = document.add_table(2, 2)
    for place, text in (((0, 0), "Id"), ((0, 1), "Rule"), ((1, 0), "R1"), ((1, 1), "Shall work")):
        table.cell(*place).text = text
    document.add_paragraph("After the table")
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def sheet(rows: int = 1, sheets: int = 1) -> bytes:
    book = openpyxl.Workbook()
    for number in range(1, sheets):
        book.create_sheet(f"More {number}")
    for row in range(rows):
        book.worksheets[0].append([f"R{row}", "Shall\nwork", 3.5, None, True])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def with_part(archive: bytes, part: str, data: bytes) -> bytes:
    """Return the archive with one part replaced or added."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename != part:
                new.writestr(entry, old.read(entry))
        new.writestr(part, data)
    return file.getvalue()


def body(inside: str, before: str = "") -> bytes:
    return f'<?xml version="1.0"?>{before}<w:document {W}><w:body>{inside}</w:body></w:document>'.encode()


def slow_pdf() -> bytes:
    """Return a PDF whose one page takes a parser many seconds."""
    writer = PdfWriter(clone_from=io.BytesIO(pdf()))
    content = DecodedStreamObject()
    content.set_data(b"BT /F1 12 Tf " + b"(a) Tj 1 0 0 1 5 5 Tm " * 300_000 + b"ET")
    writer.pages[0][NameObject("/Contents")] = content
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()
