"""Files that are no form of ours, or damaged: each is refused in one way, with what to send instead."""

import struct
import zipfile

import pytest

from ca_server.domain.applications import Kind
from ca_server.forms.errors import UnreadableForm
from ca_server.forms.package import MOST_BYTES, MOST_PARTS
from ca_server.forms.reading import read_workbook
from tests.ca_server.forms.workbooks import RULES, blank, complete, filled, packed, parts

FILLED = filled(Kind.ISSUANCE, complete(Kind.ISSUANCE))
PARTS = parts(FILLED)
SHEET = "xl/worksheets/sheet1.xml"
TYPES = "[Content_Types].xml"
DAMAGED = "This file is damaged."
TOO_LARGE = "This file is larger than a filled form can be."
NO_WORKBOOK = "This file is no Excel workbook (.xlsx)."
OTHER_FORMAT = "This is a spreadsheet in another format."
MACROS = "This workbook holds macros, which no form does."
ENCRYPTED = "This workbook asks for a password to open it."


def refusal(content: bytes) -> str:
    with pytest.raises(UnreadableForm) as refused:
        read_workbook(content, RULES)
    return str(refused.value)


def with_type(kind: str) -> bytes:
    """Return a workbook that says it is another kind of document."""
    main = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    return packed(PARTS | {TYPES: PARTS[TYPES].replace(main, kind.encode())})


def with_sheet(text: str) -> bytes:
    """Return a workbook of which one sheet is this text."""
    return packed(PARTS | {SHEET: text.encode()})


def with_entry(name: str) -> bytes:
    """Return a workbook with one more entry, its name as it stands: the library would refuse or mend some."""
    placeholder = "?" * len(name)
    return packed(PARTS | {placeholder: b"<x/>"}).replace(placeholder.encode(), name.encode())


def patched(entry: str, offset: int, layout: str, value: int) -> bytes:
    """Return a workbook with one value of an entry in its central directory overwritten (APPNOTE 4.3.12)."""
    content = bytearray(FILLED)
    start = content.rindex(entry.encode()) - 46
    assert content[start : start + 4] == b"PK\x01\x02"
    struct.pack_into(layout, content, start + offset, value)
    return bytes(content)


def ole(stream: str) -> bytes:
    """Return what begins and is named like a file of the old Office."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + stream.encode("utf-16-le") + bytes(1000)


OTHER_FILES = {
    "nothing": (b"", NO_WORKBOOK),
    "csv": ("申込日,金融機関名\n2026/12/01,みどり銀行\n".encode("cp932"), NO_WORKBOOK),
    "pdf": (b"%PDF-1.7\n...", NO_WORKBOOK),
    "html": (b"<html><table><tr><td>DCM902</td></tr></table></html>", NO_WORKBOOK),
    "xml": (b"<?xml version='1.0'?><Workbook/>", NO_WORKBOOK),
    "an archive of a workbook": (packed({"form.xlsx": FILLED}), NO_WORKBOOK),
    "docx": (
        with_type("application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"),
        NO_WORKBOOK,
    ),
    "xls": (ole("Workbook"), OTHER_FORMAT),
    "xlsb": (with_type("application/vnd.ms-excel.sheet.binary.macroEnabled.main"), OTHER_FORMAT),
    "ods": (packed({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}), OTHER_FORMAT),
    "with a password": (ole("EncryptedPackage"), ENCRYPTED),
    "xlsm": (with_type("application/vnd.ms-excel.sheet.macroEnabled.main+xml"), MACROS),
    "xlsm renamed inside": (packed(PARTS | {"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0"}), MACROS),
    "sheet of Excel 4 macros": (
        packed(
            PARTS
            | {
                TYPES: PARTS[TYPES].replace(
                    b"</Types>",
                    b'<Override PartName="/xl/m.xml" ContentType="application/vnd.ms-excel.macrosheet+xml"/></Types>',
                )
            }
        ),
        MACROS,
    ),
}

DAMAGE = {
    "cut off in the middle": FILLED[: len(FILLED) // 2],
    "cut off at the end": FILLED[:-1],
    "with something behind it": FILLED + b"\0",
    "with a comment": FILLED[:-2] + struct.pack("<H", 5) + b"hello",
    "a zip64 archive": FILLED[:-22] + b"PK\x06\x07" + bytes(16) + FILLED[-22:],
    "a length that lies": patched(SHEET, 24, "<I", 50),
    "a length that promises more": patched(SHEET, 24, "<I", 90_000),
    "a checksum that lies": patched(SHEET, 16, "<I", 0),
    "an entry that begins elsewhere": patched(SHEET, 42, "<I", 7),
    "another compression": patched(SHEET, 10, "<H", zipfile.ZIP_LZMA),
    "a part twice": with_entry(SHEET),
    "a part twice, in other case": with_entry(SHEET.upper()),
    "an absolute name": with_entry("/etc/passwd"),
    "a name that climbs": with_entry("xl/../../etc/passwd"),
    "a name of Windows": with_entry("xl\\worksheets\\sheet9.xml"),
    "a name with a drive": with_entry("C:/x.xml"),
    "a name with a NUL": with_entry("xl/x.xml\0.txt"),
    "no such part": packed({name: text for name, text in PARTS.items() if name != SHEET}),
    "no relations": packed({name: text for name, text in PARTS.items() if name != "xl/_rels/workbook.xml.rels"}),
    "no XML": with_sheet("PK"),
    "XML cut off": with_sheet(PARTS[SHEET].decode()[:-9]),
    "an encoding that nobody knows": with_sheet("<?xml version='1.0' encoding='klingon'?><worksheet/>"),
    "an address that is none": with_sheet(
        '<worksheet><sheetData><row><c r="D0"><v>1</v></c></row></sheetData></worksheet>'
    ),
    "no address": with_sheet("<worksheet><sheetData><row><c><v>1</v></c></row></sheetData></worksheet>"),
    "a type that is none": with_sheet(
        '<worksheet><sheetData><row><c r="D1" t="x"><v>1</v></c></row></sheetData></worksheet>'
    ),
    "two sheets of one name": packed(
        PARTS
        | {"xl/workbook.xml": PARTS["xl/workbook.xml"].replace("申請書".encode(), b"x").replace(b'"_form"', b'"X"', 1)}
    ),
    "a sheet that lies elsewhere": packed(
        PARTS
        | {
            "xl/_rels/workbook.xml.rels": PARTS["xl/_rels/workbook.xml.rels"].replace(
                b'Target="/xl/worksheets/sheet1.xml"', b'TargetMode="External" Target="https://evil.example/sheet1.xml"'
            )
        }
    ),
    "a document type": with_sheet("<!DOCTYPE worksheet><worksheet/>"),
}


@pytest.mark.parametrize("what", OTHER_FILES)
def test_another_kind_of_file_is_refused_with_what_to_send_instead(what: str) -> None:
    content, remedy = OTHER_FILES[what]
    assert refusal(content).startswith(remedy)


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_refused(what: str) -> None:
    assert refusal(DAMAGE[what]).startswith(DAMAGED)


def test_an_encrypted_entry_asks_for_a_file_without_password() -> None:
    assert refusal(patched(SHEET, 8, "<H", 1)).startswith(ENCRYPTED)


def test_a_part_may_lie_there_unpacked() -> None:
    assert read_workbook(packed(PARTS, zipfile.ZIP_STORED), RULES) == read_workbook(FILLED, RULES)


def test_a_form_of_ten_sheets_keeps_far_from_the_limits() -> None:
    form = blank(Kind.REPLACEMENT)
    assert len(form) * 100 < MOST_BYTES
    assert len(parts(form)) * 5 < MOST_PARTS
