"""What a form tells while it is filled in, as LibreOffice calculates it: red lines, yellow entries, checks."""

import datetime
import io
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import openpyxl
import pytest

from ca_server.domain.applications import Kind
from ca_server.domain.forms import ADDRESS, APPLIED_ON, CN, FORMS, INSTITUTION, REVOCATION_ON
from ca_server.forms import entries, formulas, layout
from ca_server.forms.package import Package
from ca_server.forms.spreadsheet import Sheet, parse
from tests.ca_server.forms.workbooks import APPLIED_ON as TODAY
from tests.ca_server.forms.workbooks import LANGUAGES, WHO, Entries, complete, day, filled

pytestmark = pytest.mark.slow

BESIDE = "H"  # a column of no form's, where the test asks whether the entry in its row is yellow
CODES = {
    "F123456": True, "f123456": True, "Ｆ１２３４５６": True,
    "F12345": False, "F1234567": False, "G123456": False, "1234567": False, "F1E+003": False, "F12345 ": False,
    "F-12345": False, "F12.345": False, "": False,
}  # fmt: skip
CNS = {
    "F123456-001": True, "f123456-999": True, "Ｆ１２３４５６－００１": True,
    "F123456-000": False, "F123456-1": False, "F123456-0001": False, "F123456001": False, "F123456-0.1": False,
    "F123456_001": False, "F12345-0001": False,
}  # fmt: skip
ADDRESSES = {"yamada@midori.example": True, "ｙ＠ｍ．ｅｘａｍｐｌｅ": True, "yamada": False, "y@m@example": False}
DESIRED = {
    day("2026-12-11"): True, day("2026-12-14"): True, day("2027-03-31"): True,
    day("2026-12-10"): False, day("2026-12-01"): False, day("2025-12-22"): False,
    day("2026-12-19"): False, day("2026-12-20"): False, "2026/12/21": False, "soon": False,
}  # fmt: skip
CHECKS = [
    (field, value, taken)
    for field, values in ((INSTITUTION, CODES), (CN, CNS), (ADDRESS, ADDRESSES), (REVOCATION_ON, DESIRED))
    for value, taken in values.items()
]

FULL = complete(Kind.REVOCATION)
HALF = [{**FULL[0], "furigana": "", "email": "\u3000 "}, {"revocation_on": day("2026-12-21")}, FULL[2]]
REST = [FULL[0], {"cn": "F123456-002"}, FULL[2]]
CHANGE = complete(Kind.ADMINISTRATOR_CHANGE, "en")
FORMS_FILLED: dict[str, tuple[Kind, str, list[Entries]]] = {
    "blank": (Kind.REVOCATION, "ja", []),
    "half": (Kind.REVOCATION, "ja", HALF),
    "rest": (Kind.REVOCATION, "ja", REST),
    "full": (Kind.REVOCATION, "ja", FULL),
    "english": (Kind.ADMINISTRATOR_CHANGE, "en", [{**CHANGE[0], "change_reason": "", "new_furigana": ""}]),
    **{f"full {kind}": (kind, "en", complete(kind, "en")) for kind in Kind if kind is not Kind.REVOCATION},
}


def asking(kind: Kind, code: str, sheets: list[Entries]) -> bytes:
    """Return a form that also tells beside each mandatory entry whether it is yellow."""

    def ask(workbook: openpyxl.Workbook) -> None:
        form = FORMS[kind]
        for number in range(1, form.sheets + 1):
            sheet = workbook[layout.sheet_title(form, number, LANGUAGES[code])]
            for field in (field for field in form.fields if field.mandatory):
                row = layout.cell(form, field).removeprefix(layout.ENTRIES)
                sheet[BESIDE + row] = "=" + formulas.missing(form, number, field)

    return filled(kind, sheets, code, ask)


def checking() -> bytes:
    """Return a workbook that has the checks of entries in cells beside them."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet["D1"] = TODAY
    for row, (field, value, _) in enumerate(CHECKS, start=2):
        sheet[f"A{row}"] = value
        sheet[f"A{row}"].number_format = "yyyy-mm-dd" if isinstance(value, datetime.date) else "@"
        condition = entries.check(field, f"A{row}", "D1", 100).formula
        sheet[f"B{row}"] = f'=IF(IFERROR({condition},FALSE),"taken","refused")'
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


@pytest.fixture(scope="module")
def calculated(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Sheet]]:
    """The sheets of every workbook above, calculated and saved by LibreOffice."""
    if shutil.which("soffice") is None:
        pytest.skip("needs the Debian package libreoffice-calc")
    folder = tmp_path_factory.mktemp("calculated")
    contents = {name: asking(*what) for name, what in FORMS_FILLED.items()} | {"checks": checking()}
    files = {name: folder / f"{name}.xlsx" for name in contents}
    for name, file in files.items():
        file.write_bytes(contents[name])
    profile = f"-env:UserInstallation=file://{folder / 'profile'}"
    command = ["soffice", "--headless", profile, "--convert-to", "xlsx", "--outdir", folder / "out", *files.values()]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    return {name: sheets_of(folder / "out" / file.name) for name, file in files.items()}


def sheets_of(file: Path) -> dict[str, Sheet]:
    return {sheet.title: sheet for sheet in parse(Package(file.read_bytes())).sheets}


def shown(sheet: Sheet, cell: str) -> str:
    return sheet.cells[cell].text if cell in sheet.cells else ""


def red(sheet: Sheet, kind: Kind = Kind.REVOCATION) -> list[str]:
    """Return the red line of a sheet, and those of its sections."""
    rows = [layout.STATUS_ROW, *(block.status_row for block in layout.blocks(FORMS[kind]))]
    return [shown(sheet, f"{layout.LABELS}{row}") for row in rows]


def yellow(sheet: Sheet, kind: Kind = Kind.REVOCATION) -> set[str]:
    rows = {layout.cell(FORMS[kind], field).removeprefix(layout.ENTRIES): field for field in FORMS[kind].fields}
    return {field.name for row, field in rows.items() if shown(sheet, BESIDE + row) == "1"}


Calculated = Mapping[str, Mapping[str, Sheet]]


def test_on_a_blank_form_every_mandatory_entry_of_sheet_1_is_yellow_and_named_in_red(calculated: Calculated) -> None:
    sheet = calculated["blank"]["1枚目"]
    assert yellow(sheet) == {field.name for field in FORMS[Kind.REVOCATION].fields if field.mandatory}
    assert red(sheet) == [
        "このシートには未入力の必須項目があります。黄色の欄に入力してください。",
        "未入力の項目があります: • 金融機関名 • 金融機関基本コード • 管理者のふりがな • 管理者の姓 • 管理者の名"
        " • 管理者の電子メールアドレス",
        "未入力の項目があります: • 証明書の CN • 失効理由",
    ]


@pytest.mark.parametrize("number", range(2, 11))
def test_on_a_sheet_that_is_not_used_nothing_is_yellow_or_red(calculated: Calculated, number: int) -> None:
    for sheet in (calculated["blank"][f"{number}枚目"], calculated["half"]["4枚目"], calculated["full"]["2枚目"]):
        assert yellow(sheet) == set()
        assert red(sheet) == ["", "", ""]


def test_what_is_filled_in_is_white_and_spaces_fill_nothing(calculated: Calculated) -> None:
    sheet = calculated["half"]["1枚目"]
    assert yellow(sheet) == {"furigana", "email"}
    assert red(sheet)[1:] == ["未入力の項目があります: • 管理者のふりがな • 管理者の電子メールアドレス", ""]


def test_a_sheet_with_any_entry_is_used_and_its_blanks_are_named(calculated: Calculated) -> None:
    sheet = calculated["half"]["2枚目"]
    assert {"cn", "reason"} < yellow(sheet)
    assert red(sheet)[2] == "未入力の項目があります: • 証明書の CN • 失効理由"


def test_sheet_1_tells_of_other_sheets_that_are_incomplete(calculated: Calculated) -> None:
    assert red(calculated["rest"]["1枚目"]) == ["未入力の必須項目が残っているシート: • 2枚目", "", ""]
    assert red(calculated["rest"]["2枚目"])[2] == "未入力の項目があります: • 失効理由"


def test_a_complete_form_has_nothing_yellow_or_red(calculated: Calculated) -> None:
    for number in (1, 2, 3):
        sheet = calculated["full"][f"{number}枚目"]
        assert (yellow(sheet), red(sheet)) == (set(), ["", "", ""])


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.REVOCATION])
def test_each_other_kind_of_form_can_be_completed(calculated: Calculated, kind: Kind) -> None:
    for number in range(1, FORMS[kind].sheets + 1):
        sheet = calculated[f"full {kind}"][layout.sheet_title(FORMS[kind], number, LANGUAGES["en"])]
        assert (yellow(sheet, kind), {*red(sheet, kind)}) == (set(), {""})


def test_an_english_form_tells_in_english(calculated: Calculated) -> None:
    assert red(calculated["english"]["Application form"], Kind.ADMINISTRATOR_CHANGE) == [
        "This sheet is incomplete. Fill in the yellow entries.",
        "",
        "Still to fill in: • Reason for the change",
        "Still to fill in: • Furigana of the new administrator",
    ]


def test_the_date_of_sheet_1_stands_on_every_sheet(calculated: Calculated) -> None:
    cell = layout.cell(FORMS[Kind.REVOCATION], APPLIED_ON)
    for number in range(1, 11):
        assert shown(calculated["full"][f"{number}枚目"], cell) == shown(calculated["full"]["1枚目"], cell) == "46357"
        assert shown(calculated["blank"][f"{number}枚目"], cell) == ""


def test_the_administrator_of_sheet_1_stands_on_the_sheets_that_name_a_certificate(calculated: Calculated) -> None:
    for field in FORMS[Kind.REVOCATION].sections[0].fields:
        cell = layout.cell(FORMS[Kind.REVOCATION], field)
        assert shown(calculated["full"]["3枚目"], cell) == WHO[field.name]
        assert shown(calculated["full"]["2枚目"], cell) == ""


@pytest.mark.parametrize(("row", "check"), list(enumerate(CHECKS, start=2)))
def test_an_entry_is_taken_or_refused(calculated: Calculated, row: int, check: tuple[object, object, bool]) -> None:
    sheet = calculated["checks"]["Sheet"]
    assert shown(sheet, f"B{row}") == ("taken" if check[2] else "refused"), check
