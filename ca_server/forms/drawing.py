"""Draws the blank forms as Excel workbooks; where things stand is `layout`'s, what is live `formulas`' and `entries`'.

Only the entries are open; the rest of each sheet and the order of the sheets are protected, without a password, against
slips. A sheet that nobody sees says which form it is, for the reading, and holds the words of the drop-downs.
"""

import dataclasses
import math
from io import BytesIO
from typing import Final
from unicodedata import east_asian_width

from openpyxl import Workbook
from openpyxl.formatting.rule import Rule
from openpyxl.packaging.custom import StringProperty
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.workbook.protection import WorkbookProtection
from openpyxl.worksheet.header_footer import HeaderFooterItem
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from ca_server.domain.fields import Content, Field
from ca_server.domain.forms import APPLIED_ON, CN, Form
from ca_server.forms import entries, formulas, layout
from ca_server.forms.layout import ENTRIES, HINTS, LABELS, MARKS, Block
from ca_server.forms.stationery import Stationery
from ca_server.language import JAPANESE, Language, sentence

_WIDTHS: Final = {"A": 2, LABELS: 32, MARKS: 9, ENTRIES: 38, HINTS: 42}
"""The widths of the columns, in digits of the plain look."""
_WIDTH: Final = sum(_WIDTHS[column] for column in (LABELS, MARKS, ENTRIES, HINTS))
_LINE: Final = 18.75
"""The height in points of a line in the plain look; the fonts of Japanese Windows are tall."""
_A4: Final = 9

_YELLOW, _WHITE, _RED, _BLUE, _GREY, _PALE = "FFFF99", "FFFFFF", "C00000", "1F4E79", "595959", "F2F2F2"
_FONTS: Final = {JAPANESE: "Yu Gothic"}
_TEXT_FORMAT = "@"
_TEXTS: Final = (Content.TEXT, Content.FURIGANA, Content.CODE, Content.CN, Content.ADDRESS)
_FRAME: Final = Border(*(Side("thin", color="7F7F7F"),) * 4)


@dataclasses.dataclass(frozen=True)
class _Look:
    """How a text is written."""

    size: int = 11
    bold: bool = False
    color: str | None = None

    def font(self, language: Language) -> Font:
        return Font(_FONTS.get(language.code, "Calibri"), self.size, self.bold, color=self.color)


_PLAIN: Final = _Look()
_MARGINAL: Final = _Look(10, color=_GREY)
_STATUS: Final = _Look(11, bold=True, color=_RED)


def draw(form: Form, stationery: Stationery, language: Language) -> bytes:
    """Return the blank form as the content of an .xlsx file."""
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for number in range(1, form.sheets + 1):
        sheet = workbook.create_sheet(layout.sheet_title(form, number, language))
        _SheetDrawing(sheet, form, number, language).draw(stationery)
    _draw_identity(workbook, form, language)
    workbook.security = WorkbookProtection(lockStructure=True)
    properties = workbook.properties
    properties.creator = properties.lastModifiedBy = stationery.organization
    properties.title, properties.language = language.say(form.title), language.code
    identity = {"Form": form.kind.value, "Form version": str(layout.VERSION), "Form language": language.code}
    for name, value in identity.items():
        workbook.custom_doc_props.append(StringProperty(name=name, value=value))  # type: ignore[attr-defined]
    content = BytesIO()
    workbook.save(content)
    return content.getvalue()


def _draw_identity(workbook: Workbook, form: Form, language: Language) -> None:
    """Draw the sheet that nobody sees: what the form is, and a column for the words of each drop-down."""
    sheet = workbook.create_sheet(layout.IDENTITY_SHEET)
    sheet.sheet_state = "veryHidden"
    sheet.protection.sheet = True
    identity = {
        layout.KIND_CELL: form.kind.value,
        layout.VERSION_CELL: layout.VERSION,
        layout.LANGUAGE_CELL: language.code,
    }
    for address, value in identity.items():
        sheet[address] = value
    for column, field in zip("DEFG", (field for field in form.fields if field.choices), strict=False):
        for row, choice in enumerate(field.choices, start=1):
            sheet[f"{column}{row}"] = language.say(choice)
        words = f"{layout.IDENTITY_SHEET}!${column}$1:${column}${len(field.choices)}"
        name = entries.REASONS[field.content]
        workbook.defined_names[name] = DefinedName(name, attr_text=words)


class _SheetDrawing:
    """Draws one sheet of a form."""

    def __init__(self, sheet: Worksheet, form: Form, number: int, language: Language) -> None:
        self._sheet = sheet
        self._form = form
        self._number = number
        self._language = language
        self._administrator = form.sections[0].fields

    def draw(self, stationery: Stationery) -> None:
        for column, width in _WIDTHS.items():
            self._sheet.column_dimensions[column].width = width
        self._draw_head(stationery)
        self._draw_field(APPLIED_ON, layout.DATE_ROW, stationery)
        for place, block in enumerate(layout.blocks(self._form), start=1):
            self._draw_block(place, block, stationery)
        self._protect()
        self._set_up_print()

    def _draw_head(self, stationery: Stationery) -> None:
        form, organization = self._form, stationery.organization
        version = sentence("{kind}, version {version}", kind=form.kind.value, version=layout.VERSION)
        self._line(layout.HEAD_ROW, self._say(version), look=_MARGINAL)
        self._line(layout.TITLE_ROW, self._say(form.title), look=_Look(16, bold=True), height=30)
        self._sheet[f"{LABELS}{layout.TITLE_ROW}"].alignment = Alignment("center", "center")
        status = formulas.sheet_status(form, self._number, self._language)
        self._line(layout.STATUS_ROW, status, look=_STATUS, height=2 * _LINE)
        addressees = [sentence("To {addressee}", addressee=name) for name in stationery.addressees or (organization,)]
        self._line(layout.ADDRESSEES_ROW, *map(self._say, addressees))
        acceptance = sentence(
            "We accept the CP/CPS of {organization} ({url}) and apply as follows.",
            organization=organization,
            url=stationery.cps_url,
        )
        self._line(layout.ACCEPTANCE_ROW, self._say(acceptance))
        if stationery.privacy_url is not None:
            privacy = sentence(
                "What you write here is handled as our privacy policy says: {url}", url=stationery.privacy_url
            )
            self._line(layout.PRIVACY_ROW, self._say(privacy))
        note = sentence("Yellow entries are mandatory; they turn white when they are filled in.")
        if self._number > 1:
            note = sentence(
                "Use this sheet only for another certificate: begin with its CN; the administrator's entries follow."
            )
        self._line(layout.NOTE_ROW, self._say(note), look=_MARGINAL)

    def _draw_block(self, place: int, block: Block, stationery: Stationery) -> None:
        title = f"{place}. {self._say(block.section.title)}"
        self._line(block.title_row, title, look=_Look(bold=True, color=_WHITE), height=22)
        for column in (LABELS, MARKS, ENTRIES, HINTS):
            self._sheet[f"{column}{block.title_row}"].fill = PatternFill("solid", _BLUE)
        status = formulas.section_status(self._form, self._number, block, self._language)
        if status:
            self._line(block.status_row, status, look=_STATUS, height=2 * _LINE)
        for field, row in block.rows.items():
            self._draw_field(field, row, stationery)

    def _draw_field(self, field: Field, row: int, stationery: Stationery) -> None:
        cell = layout.cell(self._form, field)
        check = entries.check(field, cell, layout.cell(self._form, APPLIED_ON), stationery.most_certificates)
        hint = self._say(check.hint)
        self._write(f"{LABELS}{row}", self._say(field.label))
        if field.mandatory:
            self._write(f"{MARKS}{row}", self._say(sentence("Required")), _Look(10, bold=True))
        else:
            self._write(f"{MARKS}{row}", self._say(sentence("Optional")), _MARGINAL)
        self._write(f"{HINTS}{row}", hint, _MARGINAL)
        self._sheet.row_dimensions[row].height = max(2, _lines(hint, _WIDTHS[HINTS])) * 0.95 * _LINE
        self._draw_entry(field, cell)
        validation = check.validation(self._language)
        validation.add(cell)
        self._sheet.add_data_validation(validation)

    def _draw_entry(self, field: Field, cell: str) -> None:
        """Draw the cell that is filled in; on a later sheet, what sheet 1 says is filled in by a formula."""
        entry = self._sheet[cell]
        repeated = self._number > 1 and field in (APPLIED_ON, *self._administrator)
        if repeated:
            entry.value = formulas.from_sheet_1(self._form, field, self._language)
        if field.content is Content.DATE:
            entry.number_format = self._date_format
        elif field.content in _TEXTS and not repeated:
            entry.number_format = _TEXT_FORMAT
        entry.font = _Look(12).font(self._language)
        entry.alignment = Alignment("left", "center", shrink_to_fit=True, indent=1)
        entry.border = _FRAME
        if repeated and field == APPLIED_ON:
            entry.fill = PatternFill("solid", _PALE)
        else:
            entry.protection = Protection(locked=False)
        if field.mandatory:
            condition = formulas.missing(self._form, self._number, field)
            yellow = DifferentialStyle(fill=PatternFill("solid", _YELLOW, _YELLOW))
            self._sheet.conditional_formatting.add(cell, Rule("expression", dxf=yellow, formula=[condition]))

    @property
    def _date_format(self) -> str:
        return 'yyyy"年"m"月"d"日"' if self._language.code == JAPANESE else "[$-409]d mmmm yyyy"

    def _protect(self) -> None:
        self._sheet.protection.sheet = True
        first = layout.cell(self._form, APPLIED_ON if self._number == 1 else CN)
        selection = self._sheet.sheet_view.selection[0]
        selection.activeCell = selection.sqref = first
        self._sheet.sheet_view.showGridLines = False

    def _set_up_print(self) -> None:
        sheet = self._sheet
        sheet.page_setup.paperSize, sheet.page_setup.orientation = _A4, "portrait"
        sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
        sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
        sheet.print_options.horizontalCentered = True
        sheet.print_area = f"{LABELS}{layout.HEAD_ROW}:{HINTS}{layout.blocks(self._form)[-1].end_row}"
        sheet.print_title_rows = f"{layout.HEAD_ROW}:{layout.TITLE_ROW}"
        margins = sheet.page_margins
        margins.left = margins.right = 0.5
        margins.top = 0.6
        margins.bottom = 0.8
        footer = HeaderFooterItem()
        footer.left.text, footer.right.text = self._form.kind.value, "&A"
        sheet.HeaderFooter.oddFooter = footer

    def _line(self, row: int, *lines: str, look: _Look = _PLAIN, height: float = 0) -> None:
        """Write lines of text across the whole width of a row."""
        self._sheet.merge_cells(f"{LABELS}{row}:{HINTS}{row}")
        text = "\n".join(lines)
        self._write(f"{LABELS}{row}", text, look)
        self._sheet.row_dimensions[row].height = height or (_lines(text, _WIDTH) + 0.4) * _LINE

    def _write(self, cell: str, text: str, look: _Look = _PLAIN) -> None:
        written = self._sheet[cell]
        written.value = text
        written.font = look.font(self._language)
        written.alignment = Alignment("left", "center", wrap_text=True, indent=cell.startswith(HINTS))

    def _say(self, text: str) -> str:
        return self._language.say(text)


def _lines(text: str, width: int) -> int:
    """Return how many lines of so many digits a text needs; a Japanese sign is as wide as two."""
    columns = (sum(2 if east_asian_width(sign) in "WFA" else 1 for sign in line) for line in text.split("\n"))
    return sum(max(1, math.ceil(count / width)) for count in columns)
