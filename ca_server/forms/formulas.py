"""The formulas by which a form tells what is still incomplete, in Excel as in LibreOffice, without macros.

A sheet is used when anything but its date is filled in; sheet 1 always is. On a used sheet a mandatory entry that is
blank is yellow, its section's red line names it, and the red line of the sheet says so at the top.
"""

from collections.abc import Mapping

from ca_server.domain.fields import Field
from ca_server.domain.forms import APPLIED_ON, CN, Form
from ca_server.forms import layout
from ca_server.forms.layout import LABELS, STATUS_ROW, Block
from ca_server.language import Language, sentence


def blank(cell: str) -> str:
    """Return the condition that a cell is blank as the reading sees it: neither kind of space fills it."""
    return f'TRIM(SUBSTITUTE({cell},"\u3000"," "))=""'


def used(form: Form, sheet: int) -> str:
    """Return the condition that a sheet is used."""
    if sheet == 1:
        return "TRUE"
    entries = [layout.cell(form, field) for field in form.fields if field != APPLIED_ON]
    column = f"{entries[0]}:{entries[-1]}"
    return f"COUNTBLANK({column})<ROWS({column})"


def missing(form: Form, sheet: int, field: Field) -> str:
    """Return the condition that a mandatory field of a sheet is blank although the sheet is used."""
    return f"AND({used(form, sheet)},{blank(layout.cell(form, field))})"


def from_sheet_1(form: Form, field: Field, language: Language) -> str:
    """Return the value of an entry on a later sheet: that of sheet 1, the administrator's once a CN is named."""
    first = _on(layout.sheet_title(form, 1, language), layout.cell(form, field))
    conditions = [blank(first)]
    if field != APPLIED_ON:
        conditions.append(blank(layout.cell(form, CN)))
    return f'=IF(OR({",".join(conditions)}),"",{first})'


def section_status(form: Form, sheet: int, block: Block, language: Language) -> str:
    """Return the red line of a section: the mandatory fields that are still blank."""
    names = {field: language.say(field.label) for field in block.section.fields if field.mandatory}
    if not names:
        return ""
    conditions = ",".join(blank(layout.cell(form, field)) for field in names)
    head = language.say(sentence("Still to fill in:"))
    listed = _listed({blank(layout.cell(form, field)): name for field, name in names.items()})
    return f'=IF(AND({used(form, sheet)},OR({conditions})),{_text(head)}&{listed},"")'


def sheet_status(form: Form, sheet: int, language: Language) -> str:
    """Return the red line of a sheet; that of sheet 1 tells of the others when its own entries are complete."""
    lines = [f'{LABELS}{block.status_row}<>""' for block in layout.blocks(form)]
    conditions = ",".join([blank(layout.cell(form, APPLIED_ON)), *lines])
    text = _text(language.say(sentence("This sheet is incomplete. Fill in the yellow entries.")))
    return (
        f"=IF(AND({used(form, sheet)},OR({conditions})),{text},{_others(form, language) if sheet == 1 else _text('')})"
    )


def _others(form: Form, language: Language) -> str:
    titles = [layout.sheet_title(form, number, language) for number in range(2, form.sheets + 1)]
    if not titles:
        return _text("")
    lines = {f'{_on(title, LABELS + str(STATUS_ROW))}<>""': title for title in titles}
    head = _text(language.say(sentence("Incomplete sheets:")))
    return f'IF(OR({",".join(lines)}),{head}&{_listed(lines)},"")'


def _listed(names: Mapping[str, str]) -> str:
    """Return the text that lists each name whose condition holds."""
    return "&".join(f'IF({condition},{_text(" • " + name)},"")' for condition, name in names.items())


def _on(title: str, cell: str) -> str:
    return f"'{title}'!{cell}"


def _text(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
