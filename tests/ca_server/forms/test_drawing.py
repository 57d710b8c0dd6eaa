"""The blank forms as files: what is open, what is offered, what is checked, and whose name stands on them."""

import dataclasses
import functools
import io
from collections.abc import Iterator

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from ca_server.domain.applications import Kind
from ca_server.domain.fields import Field
from ca_server.domain.forms import APPLIED_ON, COUNT, FORMS, Form
from ca_server.forms import entries, layout
from ca_server.forms.drawing import draw
from ca_server.forms.formulas import blank as blank_condition
from tests.ca_server.forms.workbooks import BOTH, JAPANESE, LANGUAGES, STATIONERY, blank

LONGEST_ERROR, LONGEST_ERROR_TITLE = 255, 32  # ISO/IEC 29500-1 §18.3.1.32
LONGEST_FORMULA, LONGEST_LITERAL = 8192, 255

each_form = pytest.mark.parametrize(("kind", "code"), BOTH)


@functools.cache
def opened(kind: Kind, code: str = "ja") -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(blank(kind, code)))


def own_sheets(kind: Kind, code: str = "ja") -> Iterator[tuple[int, Worksheet]]:
    workbook = opened(kind, code)
    for number in range(1, FORMS[kind].sheets + 1):
        yield number, workbook[layout.sheet_title(FORMS[kind], number, LANGUAGES[code])]


def cells(form: Form) -> dict[str, Field]:
    return {layout.cell(form, field): field for field in form.fields}


def validations(sheet: Worksheet) -> dict[str, openpyxl.worksheet.datavalidation.DataValidation]:
    return {str(each.sqref): each for each in sheet.data_validations.dataValidation}


@each_form
def test_a_form_has_its_sheets_and_one_that_nobody_sees(kind: Kind, code: str) -> None:
    titles = [layout.sheet_title(FORMS[kind], number, LANGUAGES[code]) for number in range(1, FORMS[kind].sheets + 1)]
    workbook = opened(kind, code)
    assert workbook.sheetnames == [*titles, layout.IDENTITY_SHEET]
    assert [sheet.sheet_state for sheet in workbook] == ["visible"] * len(titles) + ["veryHidden"]


def test_the_sheets_of_ten_certificates_are_counted() -> None:
    assert opened(Kind.REVOCATION).sheetnames[:10] == [f"{number}枚目" for number in range(1, 11)]
    assert opened(Kind.REPLACEMENT, "en").sheetnames[:10] == [f"Sheet {number}" for number in range(1, 11)]


@each_form
def test_only_the_entries_are_open_and_no_password_is_needed_for_the_rest(kind: Kind, code: str) -> None:
    workbook = opened(kind, code)
    assert workbook.security.lockStructure
    for number, sheet in own_sheets(kind, code):
        assert sheet.protection.sheet
        assert sheet.protection.password is None
        unlocked = {cell.coordinate for row in sheet.iter_rows() for cell in row if not cell.protection.locked}
        locked = set() if number == 1 else {layout.cell(FORMS[kind], APPLIED_ON)}
        assert unlocked == {*cells(FORMS[kind])} - locked


@each_form
def test_each_entry_stands_beside_its_label_below_the_one_before(kind: Kind, code: str) -> None:
    form = FORMS[kind]
    rows = [int(cell.removeprefix(layout.ENTRIES)) for cell in cells(form)]
    assert rows == sorted(set(rows))
    for _, sheet in own_sheets(kind, code):
        labels = [sheet[f"{layout.LABELS}{row}"].value for row in rows]
        assert labels == [LANGUAGES[code].say(field.label) for field in form.fields]


@each_form
def test_each_entry_is_checked_with_a_remedy(kind: Kind, code: str) -> None:
    for _, sheet in own_sheets(kind, code):
        checks = validations(sheet)
        assert checks.keys() == cells(FORMS[kind]).keys()
        for each in checks.values():
            assert each.showErrorMessage
            assert each.errorStyle == "stop"
            assert 0 < len(each.error) <= LONGEST_ERROR
            assert 0 < len(each.errorTitle) <= LONGEST_ERROR_TITLE


@each_form
def test_a_drop_down_offers_the_reasons_in_the_language_of_the_form(kind: Kind, code: str) -> None:
    workbook = opened(kind, code)
    offering = {cell: field for cell, field in cells(FORMS[kind]).items() if field.choices}
    assert len(offering) == (kind is not Kind.ISSUANCE)
    for cell, field in offering.items():
        check = validations(workbook.worksheets[0])[cell]
        ((title, words),) = workbook.defined_names[check.formula1].destinations
        assert check.type == "list"
        assert title == layout.IDENTITY_SHEET
        assert [row[0].value for row in workbook[title][words]] == [LANGUAGES[code].say(each) for each in field.choices]


@each_form
def test_exactly_the_mandatory_entries_turn_yellow(kind: Kind, code: str) -> None:
    for _, sheet in own_sheets(kind, code):
        rules = {str(each.sqref): each.rules for each in sheet.conditional_formatting}
        assert rules.keys() == {cell for cell, field in cells(FORMS[kind]).items() if field.mandatory}
        for cell, (rule,) in rules.items():
            assert rule.dxf.fill.bgColor.rgb == "00FFFF99"
            assert blank_condition(cell) in rule.formula[0]


@each_form
def test_formulas_and_their_texts_are_no_longer_than_excel_takes(kind: Kind, code: str) -> None:
    for _, sheet in own_sheets(kind, code):
        formulas = [cell.value for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
        formulas += [each.formula1 for each in validations(sheet).values()]
        assert all(len(formula) <= LONGEST_FORMULA for formula in formulas)
        assert all(len(text) <= LONGEST_LITERAL for formula in formulas for text in formula.split('"')[1::2])


@each_form
def test_a_form_prints_on_a4_pages_one_page_wide(kind: Kind, code: str) -> None:
    for _, sheet in own_sheets(kind, code):
        setup = sheet.page_setup
        assert (setup.paperSize, setup.orientation, setup.fitToWidth, setup.fitToHeight) == (9, "portrait", 1, 0)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        last = max(int(cell.removeprefix(layout.ENTRIES)) for cell in cells(FORMS[kind]))
        assert sheet.print_area.endswith(f"$B$1:$E${last + 1}")
        assert sheet.print_title_rows == "$1:$2"


@each_form
def test_typing_begins_where_there_is_something_to_type(kind: Kind, code: str) -> None:
    for number, sheet in own_sheets(kind, code):
        begin = sheet.sheet_view.selection[0].activeCell
        assert cells(FORMS[kind])[begin].name == ("applied_on" if number == 1 else "cn")


@each_form
def test_a_workbook_says_which_form_it_is(kind: Kind, code: str) -> None:
    workbook = opened(kind, code)
    sheet = workbook[layout.IDENTITY_SHEET]
    told = [sheet[cell].value for cell in (layout.KIND_CELL, layout.VERSION_CELL, layout.LANGUAGE_CELL)]
    assert told == [kind.value, layout.VERSION, code]
    assert [each.value for each in workbook.custom_doc_props] == [kind.value, str(layout.VERSION), code]


@each_form
def test_a_workbook_is_the_operators(kind: Kind, code: str) -> None:
    properties = opened(kind, code).properties
    assert properties.creator == properties.lastModifiedBy == STATIONERY.organization
    assert properties.title == LANGUAGES[code].say(FORMS[kind].title)


def lines(content: bytes) -> list[str]:
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    return [str(sheet[f"{layout.LABELS}{row}"].value or "") for row in range(1, 8)]


def test_a_form_names_addressees_cps_and_privacy_policy() -> None:
    written = lines(blank(Kind.ISSUANCE))
    assert written[3] == "割符監督庁 認証担当 殿\n登録局 殿"
    assert written[4] == "割符監督庁 の CP/CPS（https://ca.example/cps）に同意し、次のとおり申請します。"
    assert "https://ca.example/privacy" in written[5]


def test_a_form_without_addressees_goes_to_the_organisation_and_without_a_policy_names_none() -> None:
    plain = dataclasses.replace(STATIONERY, addressees=(), privacy_url=None)
    written = lines(draw(FORMS[Kind.ISSUANCE], plain, LANGUAGES["en"]))
    assert written[3] == "To 割符監督庁"
    assert written[5] == ""


def test_a_long_line_has_the_height_that_it_needs() -> None:
    wordy = dataclasses.replace(STATIONERY, organization="割" * 64, cps_url="https://ca.example/" + "c" * 100)
    short, long = (
        openpyxl.load_workbook(io.BytesIO(draw(FORMS[Kind.ISSUANCE], each, JAPANESE))).worksheets[0]
        for each in (STATIONERY, wordy)
    )
    row = layout.ACCEPTANCE_ROW
    assert long.row_dimensions[row].height >= 2 * short.row_dimensions[row].height


def test_the_count_keeps_to_the_operators_limit() -> None:
    few = dataclasses.replace(STATIONERY, most_certificates=7)
    sheet = openpyxl.load_workbook(io.BytesIO(draw(FORMS[Kind.ISSUANCE], few, JAPANESE))).worksheets[0]
    check = validations(sheet)[layout.cell(FORMS[Kind.ISSUANCE], COUNT)]
    assert (check.type, check.operator, check.formula1, check.formula2) == ("whole", "between", "1", "7")


def test_japanese_keyboards_are_set_for_what_is_typed() -> None:
    form = FORMS[Kind.REVOCATION]
    checks = validations(opened(Kind.REVOCATION).worksheets[0])
    keyboards = {field.name: checks[cell].imeMode for cell, field in cells(form).items()}
    assert {name for name, keyboard in keyboards.items() if keyboard == "halfAlpha"} == {
        "applied_on",
        "institution",
        "email",
        "cn",
        "revocation_on",
    }
    assert keyboards["furigana"] == "hiragana"


def test_the_names_of_the_drop_downs_are_those_of_fields_with_choices() -> None:
    contents = {field.content for form in FORMS.values() for field in form.fields if field.choices}
    assert contents == entries.REASONS.keys()
