"""The inventory as files for Excel: CSV (RFC 4180, UTF-8 with the mark by which Excel knows it) and XLSX.

A label comes from people and a host name from whoever enrolled: a cell that begins like a formula is written as text in
both, or opening the list would run what a stranger wrote into it.
"""

import csv
import dataclasses
import datetime
import io
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ca_server.clock import day_in_tokyo
from ca_server.domain.inventory import Entry
from ca_server.language import Language, Sentence, sentence

if TYPE_CHECKING:  # it costs a quarter of a second, which only those pay who want a workbook
    from openpyxl.cell import Cell
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

Value = str | datetime.date | None

_DANGEROUS: Final = "=+-@\t\r"
_ERROR: Final = "#"
"""What the names of Excel's errors begin with, such as #N/A."""


@dataclasses.dataclass(frozen=True)
class _Column:
    """A column: its heading, its width in digits, and what it tells of a CN."""

    heading: Sentence
    width: int
    value: Callable[[Entry], Value]


_COLUMNS: Final = (
    _Column(sentence("CN"), 14, lambda entry: str(entry.cn)),
    _Column(sentence("Institution"), 28, lambda entry: entry.institution_name),
    _Column(sentence("PC label"), 28, lambda entry: entry.label),
    _Column(sentence("Host name seen"), 24, lambda entry: entry.host_name),
    _Column(sentence("Status"), 44, lambda entry: entry.state_words),
    _Column(sentence("Valid until"), 12, lambda entry: _day(entry.not_after)),
    _Column(sentence("Renewal"), 34, lambda entry: entry.renewal_words),
)


def _day(moment: int | None) -> datetime.date | None:
    return None if moment is None else day_in_tokyo(moment)


def _rows(entries: Iterable[Entry], language: Language) -> Iterator[list[Value]]:
    for entry in entries:
        values = [column.value(entry) for column in _COLUMNS]
        yield [language.say(value) if isinstance(value, str) else value for value in values]


def _headings(language: Language) -> list[str]:
    return [language.say(column.heading) for column in _COLUMNS]


def looks_like_a_formula(text: str) -> bool:
    """Tell whether a spreadsheet may run a text, by its first character: also a wide one, which Excel narrows."""
    return unicodedata.normalize("NFKC", text[:1]) in tuple(_DANGEROUS)


def csv_of(entries: Iterable[Entry], language: Language) -> bytes:
    """Return the inventory as CSV; an apostrophe before a dangerous cell makes it text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_headings(language))
    for row in _rows(entries, language):
        writer.writerow([_harmless(value) for value in row])
    return text.getvalue().encode("utf-8-sig")


def _harmless(value: Value) -> Value:
    return f"'{value}" if isinstance(value, str) and looks_like_a_formula(value) else value


def xlsx_of(entries: Iterable[Entry], language: Language, made_at: datetime.datetime) -> bytes:
    """Return the inventory as a workbook of one sheet with real dates and its heading always in sight."""
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    workbook.properties.creator = "Warifu"
    workbook.properties.created = made_at.astimezone(datetime.UTC).replace(tzinfo=None)
    sheet = workbook.create_sheet(language.say(sentence("List of certificates")))
    sheet.freeze_panes = "A2"
    for letter, column in zip("ABCDEFG", _COLUMNS, strict=True):
        sheet.column_dimensions[letter].width = column.width
    sheet.append(_bold(sheet, _headings(language)))
    for row in _rows(entries, language):
        sheet.append([_cell(sheet, value) for value in row])
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def _bold(sheet: "WriteOnlyWorksheet", headings: Sequence[str]) -> "list[Cell]":
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cells: list[Cell] = [WriteOnlyCell(sheet, heading) for heading in headings]
    for cell in cells:
        cell.font = Font(bold=True)
    return cells


def _cell(sheet: "WriteOnlyWorksheet", value: Value) -> "Cell | Value":
    """Return what stands in a cell; a text that Excel might take for something else is marked as text, for good."""
    from openpyxl.cell import WriteOnlyCell

    if not isinstance(value, str) or not (looks_like_a_formula(value) or value.startswith(_ERROR)):
        return value  # the library gives a date its format, and any other text its type, and that is quick
    cell: Cell = WriteOnlyCell(sheet)
    cell.value = value
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell
