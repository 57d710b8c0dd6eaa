"""Where everything stands on the sheets of a form: one table, which the drawing fills and the reading looks up.

Every field has a row of its own and its entry in column D, so that the tab key walks down the form. The rows depend on
the form alone, never on an operator's configuration: a form drawn under another configuration is read all the same.
"""

import dataclasses
import functools
from typing import Final

from ca_server.domain.fields import Field
from ca_server.domain.forms import APPLIED_ON, Form, Section
from ca_server.language import Language, sentence

VERSION: Final = 1
"""Goes up when a cell moves or a field comes or goes; blank forms of another version are refused."""

LABELS, MARKS, ENTRIES, HINTS = "B", "C", "D", "E"
"""The columns: how a field is called, whether it is mandatory, what is typed, what to know."""

HEAD_ROW, TITLE_ROW, STATUS_ROW, ADDRESSEES_ROW, ACCEPTANCE_ROW, PRIVACY_ROW, NOTE_ROW = range(1, 8)
DATE_ROW: Final = 9
_FIRST_SECTION_ROW: Final = 11

IDENTITY_SHEET: Final = "_form"
"""The sheet that nobody sees: what the form is, and the words of its drop-downs."""
KIND_CELL, VERSION_CELL, LANGUAGE_CELL = "B1", "B2", "B3"


@dataclasses.dataclass(frozen=True)
class Block:
    """The rows of one section: its title, its red line, and its fields one below the other."""

    section: Section
    title_row: int

    @property
    def status_row(self) -> int:
        """Return the row of the line that tells what is still incomplete."""
        return self.title_row + 1

    @property
    def rows(self) -> dict[Field, int]:
        """Return the row of each field."""
        return {field: row for row, field in enumerate(self.section.fields, start=self.status_row + 1)}

    @property
    def end_row(self) -> int:
        """Return the row behind its last field, which is left empty."""
        return self.status_row + 1 + len(self.section.fields)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one field of one sheet stands in the workbook."""

    title: str
    """The title of the sheet."""
    cell: str


def blocks(form: Form) -> tuple[Block, ...]:
    """Return the sections of a form in their rows, the same on each of its sheets."""
    found: list[Block] = []
    row = _FIRST_SECTION_ROW
    for section in form.sections:
        found.append(Block(section, row))
        row = found[-1].end_row + 1
    return tuple(found)


def cell(form: Form, field: Field) -> str:
    """Return the cell in which a field is filled in, the same on each sheet of a form."""
    return f"{ENTRIES}{_rows(form)[field]}"


@functools.cache
def _rows(form: Form) -> dict[Field, int]:
    rows = {APPLIED_ON: DATE_ROW}
    for block in blocks(form):
        rows |= block.rows
    return rows


def sheet_title(form: Form, sheet: int, language: Language) -> str:
    """Return the title of a sheet, counted from 1, in the language of the form."""
    if form.sheets == 1:
        return language.say(sentence("Application form"))
    return language.say(sentence("Sheet {number}", number=sheet))


def place(form: Form, sheet: int, field: Field, language: Language) -> Place:
    """Return where a field of a sheet, counted from 1, stands in a form of that language."""
    return Place(sheet_title(form, sheet, language), cell(form, field))
