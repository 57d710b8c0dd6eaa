"""The paper side of an institution: its administrator fills the blank forms in, in the spreadsheet, by the keyboard.

Where a field stands is looked up in the form's layout; what is typed, and whether its cell takes it, is the person's.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from ca_server.domain.applications import Kind
from ca_server.domain.forms import FORMS
from ca_server.domain.reasons import ChangeReason, Reason
from ca_server.forms import layout
from ca_server.language import japanese
from tests.end_to_end.agency import Agency
from tests.end_to_end.spreadsheet import Copies, Entry, Spreadsheet, Step

Texts = Mapping[str, str]
"""What is entered on one sheet, by the names of the fields."""


class Pasted(str):
    """A text from the clipboard: the way past what a cell refuses when it is typed."""


class Clerk:
    """Somebody in the office of an institution, with the blank forms that the service wrote."""

    def __init__(self, agency: Agency, spreadsheet: Spreadsheet, folder: Path) -> None:
        self._agency = agency
        self._spreadsheet = spreadsheet
        self._folder = folder
        self._serials = itertools.count(1)

    def blank(self, kind: str) -> Path:
        """Return the blank form in Japanese, as the service writes it."""
        path = self._folder / f"{kind}.xlsx"
        if not path.exists():
            self._agency.ca("form", "new", kind, "--output", str(path), "--language", "ja")
        return path

    def fill(self, kind: str, *sheets: Texts) -> Path:
        """Return the form filled in: every entry was taken, and no red line is left."""
        path, steps = self.enter(kind, sheets)
        refused = [step.entry for step in steps if not step.took]
        assert not refused, refused
        assert not any(steps[-1].shown), steps[-1].shown
        return path

    def enter(self, kind: str, sheets: Sequence[Texts], copies: Copies = ()) -> tuple[Path, list[Step]]:
        """Enter texts, the sheets in their order, and return the workbook, with what the red lines said."""
        path = self._folder / f"{kind}-{next(self._serials)}.xlsx"
        entries = [
            Entry(*place(kind, number, field), text, isinstance(text, Pasted))
            for number, texts in enumerate(sheets, start=1)
            for field, text in texts.items()
        ]
        return path, self._spreadsheet.fill(self.blank(kind), path, entries, look=red_lines(kind), copies=copies)


def word(choice: Reason | ChangeReason) -> str:
    """Return what a drop-down offers for a reason."""
    return japanese().say(choice.label)


def place(kind: str, sheet: int, field: str) -> tuple[str, str]:
    """Return the title of the sheet and the cell in which a field is filled in."""
    form = FORMS[Kind(kind)]
    found = layout.place(form, sheet, next(each for each in form.fields if each.name == field), japanese())
    return found.title, found.cell


def red_lines(kind: str) -> list[tuple[str, str]]:
    """Return the cells that tell, in red, what is still incomplete: one at the head of each sheet, one each section."""
    form = FORMS[Kind(kind)]
    rows = [layout.STATUS_ROW, *(block.status_row for block in layout.blocks(form))]
    titles = [layout.sheet_title(form, number, japanese()) for number in range(1, form.sheets + 1)]
    return [(title, f"{layout.LABELS}{row}") for title in titles for row in rows]


def fault(kind: str, sheet: int, field: str) -> str:
    """Return how an error is named in what the applicant gets: by sheet, cell and field."""
    label = next(each.label for each in FORMS[Kind(kind)].fields if each.name == field)
    return f"{' '.join(place(kind, sheet, field))} {japanese().say(label)}"
