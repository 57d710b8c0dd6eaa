"""The inventory as files: what Excel makes of them, and that nothing in them is run."""

import csv
import dataclasses
import datetime
import io
import re
import zipfile

import openpyxl
import pytest

from ca_server.clock import DAY, moment
from ca_server.domain.inventory import Entry, Renewal, State
from ca_server.forms.inventory import csv_of, looks_like_a_formula, xlsx_of
from ca_server.language import Language, choose
from protocol.names import CommonName

NOW = 1_795_435_200
ENGLISH, JAPANESE = choose("en", {}), choose("ja", {})
ENTRY = Entry(
    CommonName.parse("F123456-001"),
    "みどり銀行",
    "営業部1号機",
    "PC-01",
    State.ACTIVE,
    None,
    NOW + 300 * DAY,
    Renewal.NOT_DUE,
    None,
)
UNFETCHED = dataclasses.replace(ENTRY, label=None, host_name=None, state=State.WAITING, not_after=None, renewal=None)
DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(A1)",
    '=HYPERLINK("x","y")',
    "=",
    "-",
]


def rows_of_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def workbook(*entries: Entry, language: Language = ENGLISH) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(xlsx_of(entries, language, moment(NOW))))


def part(content: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        return package.read(name).decode()


def with_label(text: str) -> Entry:
    return dataclasses.replace(ENTRY, label=text, host_name=text)


def test_a_csv_file_says_its_encoding_and_ends_its_lines_as_excel_wants() -> None:
    content = csv_of([ENTRY, UNFETCHED], ENGLISH)
    assert content.startswith(b"\xef\xbb\xbfCN,")
    assert content.endswith(b"\r\n")
    assert content.count(b"\n") == content.count(b"\r\n") == 3


def test_a_csv_file_holds_what_is_told_of_each_cn() -> None:
    assert rows_of_csv(csv_of([ENTRY, UNFETCHED], ENGLISH)) == [
        ["CN", "Institution", "PC label", "Host name seen", "Status", "Valid until", "Renewal"],
        ["F123456-001", "みどり銀行", "営業部1号機", "PC-01", "in use", "2027-09-19", "not due"],
        ["F123456-001", "みどり銀行", "", "", "waiting to be fetched", "", ""],
    ]


def test_a_comma_a_quote_and_a_line_break_stay_in_their_cell() -> None:
    assert rows_of_csv(csv_of([with_label('a,"b"\nc')], ENGLISH))[1][2] == 'a,"b"\nc'


@pytest.mark.parametrize("text", DANGEROUS)
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe_in_csv(text: str) -> None:
    row = rows_of_csv(csv_of([with_label(text)], ENGLISH))[1]
    assert row[2:4] == [f"'{text}", f"'{text}"]


@pytest.mark.parametrize("text", ["PC-01", "a=b", "営業部＝1号機", "'quoted", " =1", "", "１号機"])
def test_any_other_cell_stays_as_it_is(text: str) -> None:
    assert rows_of_csv(csv_of([with_label(text)], ENGLISH))[1][2] == text
    assert not looks_like_a_formula(text)


@pytest.mark.parametrize("text", [each for each in DANGEROUS if "\r" not in each])
def test_a_cell_that_begins_like_a_formula_is_text_in_a_workbook(text: str) -> None:
    content = xlsx_of([with_label(text)], ENGLISH, moment(NOW))
    sheet = part(content, "xl/worksheets/sheet1.xml")
    assert "<f>" not in sheet
    assert 't="str"' not in sheet
    cell = openpyxl.load_workbook(io.BytesIO(content)).active["C2"]
    assert (cell.data_type, cell.value, cell.quotePrefix) == ("s", text, True)


def test_a_carriage_return_before_a_formula_leaves_no_formula_in_a_workbook() -> None:
    sheet = part(xlsx_of([with_label("\r=1")], ENGLISH, moment(NOW)), "xl/worksheets/sheet1.xml")
    assert "<f>" not in sheet
    assert re.search(r't="inlineStr"><is><t[^>]*>[^<]*=1</t>', sheet)


@pytest.mark.parametrize("text", ["#N/A", "TRUE", "1", "2026-11-24"])
def test_a_text_that_looks_like_another_value_stays_text_in_a_workbook(text: str) -> None:
    cell = workbook(with_label(text)).active["C2"]
    assert (cell.data_type, cell.value) == ("s", text)


def test_the_end_is_a_real_date_and_none_where_there_is_none() -> None:
    sheet = workbook(ENTRY, UNFETCHED).active
    assert sheet["F2"].is_date
    assert sheet["F2"].value.date() == datetime.date(2027, 9, 19)
    assert sheet["F2"].number_format == "yyyy-mm-dd"
    assert sheet["F3"].value is None


def test_the_heading_stays_in_sight_and_the_columns_are_wide_enough_for_it() -> None:
    sheet = workbook(ENTRY, language=JAPANESE).active
    assert sheet.freeze_panes == "A2"
    assert all(sheet[f"{letter}1"].font.b for letter in "ABCDEFG")
    for letter in "ABCDEFG":
        assert sheet.column_dimensions[letter].width >= 2 * len(sheet[f"{letter}1"].value)


def test_a_workbook_says_when_it_was_made_and_not_who_runs_the_program() -> None:
    made = workbook(ENTRY).properties
    assert (made.creator, made.created) == ("Warifu", moment(NOW).replace(tzinfo=None))


def test_an_empty_list_is_its_heading() -> None:
    assert len(rows_of_csv(csv_of([], ENGLISH))) == 1
    assert workbook().active.max_row == 1
