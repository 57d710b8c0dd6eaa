"""Reads a filled form: the file becomes texts, sheet by sheet, and the domain makes an application of them.

1. The file is opened under limits, as a stranger's (`package`, `spreadsheet`).
2. It must be our form, by what stands on the sheet that nobody sees.
3. Each entry becomes the text that a person sees there; a date may be a date, a day number or a text.
4. Nothing may stand on a sheet that is not the form's, or that is hidden: whoever examines the form would not see it.
5. The domain reads the texts by its rules, and whatever is wrong is told at once, by sheet, cell and field, in the
   language of the form: those who filled it in are to mend it.
"""

import datetime
from collections.abc import Mapping
from typing import Final

from ca_server.domain import forms
from ca_server.domain.applications import Application, Kind
from ca_server.domain.fields import Content, Field
from ca_server.domain.forms import APPLIED_ON, FORMS, Faulty, Form, Rules
from ca_server.errors import Invalid
from ca_server.forms import layout
from ca_server.forms.errors import UnreadableForm
from ca_server.forms.package import Package
from ca_server.forms.spreadsheet import CellType, Sheet, Spreadsheet, Value, parse
from ca_server.language import CODES, Language, choose, sentence

_DAY_ZERO_1900: Final = datetime.date(1899, 12, 30)  # true from March 1900: Excel counts a 29 February of that year
_DAY_ZERO_1904: Final = datetime.date(1904, 1, 1)
_LAST_DAY: Final = 100_000
"""A day number in the year 2173; what lies beyond is left to the domain as a number, which is no date."""

_NOT_OUR_FORM: Final = sentence("This workbook is none of our forms. Download the blank form and fill that in.")


def read_workbook(content: bytes, rules: Rules) -> Application:
    """Return the application that a filled form makes.

    Raises UnreadableForm when the file is none of our forms, and Invalid with every error in it: its keys name sheet,
    cell and field, its remedies are in the language of the form.
    """
    spreadsheet = parse(Package(content))
    form, language = _identity(spreadsheet)
    reading = _Reading(form, language, spreadsheet)
    texts = [reading.texts(number) for number in range(1, form.sheets + 1)]
    reading.require_nothing_unseen()
    try:
        application = forms.read(form, texts, language.code, rules)
    except Faulty as faulty:
        raise Invalid(reading.faults(faulty)) from faulty
    if own := reading.faults():
        raise Invalid(own)
    return application


def in_places(refused: Mapping[str, str], application: Application) -> dict[str, str]:
    """Return what the records say against a form by the cells in which it is mended, in the language of the form."""
    language, form = choose(application.language, {}), FORMS[application.kind]
    cells = {field.name: _named(form, 1, field, language) for field in form.fields}
    cells |= {f"cn {item.cn}": _named(form, item.sheet, forms.CN, language) for item in application.items if item.cn}
    who = form.sections[0]
    first, last = (layout.place(form, 1, field, language) for field in (who.fields[0], who.fields[-1]))
    cells["administrator"] = f"{first.title} {first.cell}–{last.cell} {language.say(who.title)}"
    cells["file"] = language.say(sentence("File"))
    cells["change"] = language.say(form.title)
    return {cells.get(name, name): language.say(remedy) for name, remedy in refused.items()}


def _named(form: Form, number: int, field: Field, language: Language) -> str:
    """Return how people are told of a cell: sheet, address, and how the field is called."""
    place = layout.place(form, number, field, language)
    return f"{place.title} {place.cell} {language.say(field.label)}"


def _identity(spreadsheet: Spreadsheet) -> tuple[Form, Language]:
    """Return which form it is, and in which language. Raises UnreadableForm when it is none of ours."""
    cells = next((sheet.cells for sheet in spreadsheet.sheets if sheet.title == layout.IDENTITY_SHEET), {})
    kind, version, code = (
        cells[address].text if address in cells else ""
        for address in (layout.KIND_CELL, layout.VERSION_CELL, layout.LANGUAGE_CELL)
    )
    if kind not in tuple(Kind) or code not in CODES:
        raise UnreadableForm(_NOT_OUR_FORM)
    if version != str(layout.VERSION):
        raise UnreadableForm(
            sentence("This form is of another version than is in use now. Download the blank form and fill that in.")
        )
    return FORMS[Kind(kind)], choose(code, {})


class _Reading:
    """Reads the sheets of one form and gathers what is wrong with them as a workbook."""

    def __init__(self, form: Form, language: Language, spreadsheet: Spreadsheet) -> None:
        self._form = form
        self._language = language
        self._day_zero = _DAY_ZERO_1904 if spreadsheet.starts_1904 else _DAY_ZERO_1900
        self._titles = [layout.sheet_title(form, number, language) for number in range(1, form.sheets + 1)]
        self._sheets = {sheet.title: sheet for sheet in spreadsheet.sheets}
        self._of_cells: dict[tuple[int, Field], str] = {}
        self._of_sheets: dict[str, str] = {}
        if self._titles[0] not in self._sheets:
            raise UnreadableForm(_NOT_OUR_FORM)

    def texts(self, number: int) -> Mapping[str, str]:
        """Return the texts of a sheet by the names of its fields; a sheet that was taken out is blank."""
        sheet = self._sheets.get(self._titles[number - 1])
        if sheet is None:
            return {}
        texts = {}
        for field in self._form.fields:
            value = sheet.cells.get(layout.cell(self._form, field))
            if value is not None:
                texts[field.name] = self._text(number, field, value)
        if not sheet.visible and (number == 1 or texts.keys() - {APPLIED_ON.name}):
            self._hidden(sheet)
        return texts

    def _text(self, number: int, field: Field, value: Value) -> str:
        own_formula = number > 1 and field in (APPLIED_ON, *self._form.sections[0].fields)
        if value.type in (CellType.BOOLEAN, CellType.ERROR) or (value.is_calculated and not own_formula):
            remedy = sentence("This cell holds a value of Excel's own; delete it and type the entry anew.")
            self._of_cells[number, field] = self._language.say(remedy)
            return ""
        match value.type:
            case CellType.DATE:
                return value.text.partition("T")[0]
            case CellType.NUMBER:
                return _number(value.text, self._day_zero if field.content is Content.DATE else None)
            case _:
                return value.text

    def require_nothing_unseen(self) -> None:
        """Require that nothing stands on other sheets than the form's: an eleventh certificate, something hidden."""
        for title, sheet in self._sheets.items():
            if title in self._titles or title == layout.IDENTITY_SHEET or not sheet.cells:
                continue
            if not sheet.visible:
                self._hidden(sheet)
                continue
            remedy = sentence(
                "This sheet is none of the form's own. Delete it; what it applies for needs another form."
            )
            self._of_sheets[title] = self._language.say(remedy)

    def _hidden(self, sheet: Sheet) -> None:
        remedy = sentence("This sheet is hidden but holds entries. Show it, or delete what stands on it.")
        self._of_sheets[sheet.title] = self._language.say(remedy)

    def faults(self, faulty: Faulty | None = None) -> dict[str, str]:
        """Return all that is wrong, by sheet, cell and field: the workbook's own faults and the domain's."""
        remedies = {} if faulty is None else {(each.sheet, each.field): each.remedy for each in faulty.faults}
        spoken = {key: self._language.say(remedy) for key, remedy in remedies.items()} | self._of_cells
        fields = self._form.fields
        ordered = sorted(spoken, key=lambda key: (key[0], fields.index(key[1])))
        return self._of_sheets | {_named(self._form, *key, self._language): spoken[key] for key in ordered}


def _number(text: str, day_zero: datetime.date | None) -> str:
    """Return a number as a person sees it: 5 for 5.0, and the day when it counts days from `day_zero`."""
    try:
        number = float(text)
        whole = int(number)
    except (ValueError, OverflowError):  # not a number, or an infinite one
        return text
    if day_zero is not None and 0 < whole < _LAST_DAY:
        return (day_zero + datetime.timedelta(days=whole)).isoformat()
    return str(whole) if whole == number else text
