"""What a workbook says: its sheets and the values of their cells, as text (SpreadsheetML, ISO/IEC 29500-1 §18).

Of the standard's many parts only those are parsed in which values stand: the workbook, the texts that sheets share,
the sheets. Formats, names and drawings stay closed, so that a form needs neither trust nor time for them. A formula
counts by the value that the program saved beside it; without one it is blank.
"""

import dataclasses
import posixpath
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from xml.etree.ElementTree import Element

from ca_server.forms.errors import UnreadableForm
from ca_server.forms.package import DAMAGED, TOO_LARGE, Package

MOST_ROWS: Final = 1000
"""Rows in which a value may stand; a form has some thirty."""

_LONGEST_TITLE: Final = 31
MOST_SIGNS: Final = 32_767
"""Characters that a cell can hold (ECMA-376, Excel's own limit)."""

_NAMESPACES: Final = (
    "{http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "{http://purl.oclc.org/ooxml/spreadsheetml/main",  # as a strict workbook calls it
)
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_", re.ASCII)  # ISO/IEC 29500-1 §22.4.2.4, ST_Xstring
_ADDRESS = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})", re.ASCII)
_SHARED_STRINGS = "/sharedStrings"
_EXTERNAL = "External"


class CellType(StrEnum):
    """What a value is, by the words of ISO/IEC 29500-1 §18.18.11; texts of three kinds are one here."""

    TEXT = "str"
    NUMBER = "n"
    DATE = "d"
    BOOLEAN = "b"
    ERROR = "e"


@dataclasses.dataclass(frozen=True)
class Value:
    """The value of a cell, as the file spells it."""

    type: CellType
    text: str
    is_calculated: bool = False
    """Whether a formula stands behind it, so that the program may show another value than it saved."""


@dataclasses.dataclass(frozen=True)
class Sheet:
    """One sheet and the values of those of its cells that have one."""

    title: str
    visible: bool
    cells: Mapping[str, Value]


@dataclasses.dataclass(frozen=True)
class Spreadsheet:
    """The sheets of a workbook in their order."""

    sheets: tuple[Sheet, ...]
    starts_1904: bool
    """Whether days are counted from 1904 instead of 1900, as Excel for the Mac once did."""


def parse(package: Package) -> Spreadsheet:
    """Return what a workbook says. Raises UnreadableForm."""
    root = package.xml(package.main)
    targets = _targets(package)
    shared = [part for kind, part in targets.values() if kind.endswith(_SHARED_STRINGS)]
    texts = [_text(item) for part in shared for item in _all(package.xml(part), "si")]
    sheets = tuple(_sheet(package, each, targets, texts) for each in _all(root, "sheets/sheet"))
    if len({sheet.title.casefold() for sheet in sheets}) < len(sheets):
        raise UnreadableForm(DAMAGED)
    starts_1904 = any(each.get("date1904") in ("1", "true") for each in _all(root, "workbookPr"))
    return Spreadsheet(sheets, starts_1904)


def _targets(package: Package) -> dict[str, tuple[str, str]]:
    """Return what the workbook refers to by id: the type and the part's name (ISO/IEC 29500-2 §6.5)."""
    folder, name = posixpath.split(package.main)
    root = package.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
    found = {}
    for each in root.findall("{*}Relationship"):
        if each.get("TargetMode") != _EXTERNAL:
            part = posixpath.normpath(posixpath.join("/", folder, each.get("Target", "")))
            found[each.get("Id", "")] = (each.get("Type", ""), part.removeprefix("/"))
    return found


def _sheet(package: Package, element: Element, targets: Mapping[str, tuple[str, str]], texts: list[str]) -> Sheet:
    reference = next((value for name, value in element.items() if name.endswith("}id")), "")
    if reference not in targets:
        raise UnreadableForm(DAMAGED)
    root = package.xml(targets[reference][1])
    cells: dict[str, Value] = {}
    for each in _all(root, "sheetData/row/c"):
        value = _value(each, texts)
        if value is None:
            continue
        address = _require_address(each.get("r", ""))
        if address in cells:
            raise UnreadableForm(DAMAGED)
        cells[address] = value
    return Sheet(_require_title(element.get("name", "")), element.get("state", "visible") == "visible", cells)


def _require_title(text: str) -> str:
    """Return the title of a sheet, which errors and mails tell: no longer than Excel allows, and on one line."""
    if not (0 < len(text) <= _LONGEST_TITLE and text.isprintable()):
        raise UnreadableForm(DAMAGED)
    return text


def _require_address(text: str) -> str:
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise UnreadableForm(DAMAGED)
    if len(match[1]) > 2 or int(match[2]) > MOST_ROWS:
        raise UnreadableForm(TOO_LARGE)
    return text


def _value(element: Element, texts: list[str]) -> Value | None:
    """Return the value of a cell, None when it is blank."""
    kind = element.get("t", CellType.NUMBER)
    text = "".join(each.text or "" for each in _all(element, "v"))
    if kind == "inlineStr":
        kind, text = CellType.TEXT, "".join(_text(each) for each in _all(element, "is"))
    elif kind == "s":
        kind, text = CellType.TEXT, _shared(text, texts)
    if not text.strip():
        return None
    if kind not in tuple(CellType):
        raise UnreadableForm(DAMAGED)
    return Value(CellType(kind), text, bool(_all(element, "f")))


def _shared(index: str, texts: list[str]) -> str:
    if not index:
        return ""
    if not (index.isascii() and index.isdigit() and len(index) < 7 and int(index) < len(texts)):
        raise UnreadableForm(DAMAGED)
    return texts[int(index)]


def _text(item: Element) -> str:
    """Return a text without its formats, and without the reading that Japanese Excel keeps of what was typed (rPh).

    Raises UnreadableForm for one that is longer than a cell can be: many cells may share it.
    """
    text = "".join(part.text or "" for part in (*_all(item, "t"), *_all(item, "r/t")))
    if len(text) > MOST_SIGNS:
        raise UnreadableForm(TOO_LARGE)
    return _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), text)


def _all(element: Element, path: str) -> list[Element]:
    """Return the elements below, of SpreadsheetML alone: what others add to a workbook no program shows."""
    space, brace, _ = element.tag.rpartition("}")
    if space not in _NAMESPACES:
        raise UnreadableForm(DAMAGED)
    return element.findall("/".join(f"{space}{brace}{name}" for name in path.split("/")))
