"""The blank forms in the hands of a person: what can be typed where, what the red lines say, how they print."""

import dataclasses
from pathlib import Path

import pytest

from tests.end_to_end.agency import Agency
from tests.end_to_end.paper import Clerk, place, red_lines
from tests.end_to_end.spreadsheet import Entry, Spreadsheet

PAGES = {"DCM902": 1, "DCM903": 10, "DCM904": 10, "DCM905": 1}


@pytest.fixture(scope="module")
def clerk(agency: Agency, spreadsheet: Spreadsheet, tmp_path_factory: pytest.TempPathFactory) -> Clerk:
    return Clerk(agency, spreadsheet, tmp_path_factory.mktemp("paper"))


@pytest.mark.parametrize("kind", PAGES)
def test_nothing_can_be_typed_beside_the_entries(
    clerk: Clerk, spreadsheet: Spreadsheet, tmp_path: Path, kind: str
) -> None:
    title, cell = place(kind, 1, "institution_name")
    locked = [Entry(title, f"{column}{cell[1:]}", "上書き") for column in "BCE"]
    locked += [Entry(*red, "") for red in red_lines(kind)[:2]] + [Entry(title, "F40", "欄外")]
    entered = [*locked, Entry(title, cell, "みどり銀行")]
    steps = spreadsheet.fill(clerk.blank(kind), tmp_path / "filled.xlsx", entered)
    assert [step.entry for step in steps if step.took] == entered[-1:]


def test_a_red_line_stands_as_long_as_a_mandatory_entry_is_blank(
    clerk: Clerk, spreadsheet: Spreadsheet, tmp_path: Path
) -> None:
    texts = {
        "applied_on": "2026/12/22",
        "institution_name": "みどり銀行",
        "institution": "F200001",
        "furigana": "やまだ たろう",
        "family_name": "山田",
        "given_name": "太郎",
        "email": "yamada@midori.example",
        "count": "2",
    }
    entries = [Entry(*place("DCM902", 1, name), text) for name, text in texts.items()]
    deleted_and_typed_again = [each for entry in entries for each in (dataclasses.replace(entry, text=""), entry)]
    steps = spreadsheet.fill(
        clerk.blank("DCM902"), tmp_path / "filled.xlsx", entries + deleted_and_typed_again, look=red_lines("DCM902")
    )
    lines = [any(step.shown) for step in steps]
    assert lines == [True] * (len(entries) - 1) + [False] + [True, False] * len(entries)


@pytest.mark.parametrize("kind", PAGES)
def test_each_sheet_prints_on_one_page(clerk: Clerk, spreadsheet: Spreadsheet, tmp_path: Path, kind: str) -> None:
    printed = tmp_path / "printed.xlsx"
    printed.write_bytes(clerk.blank(kind).read_bytes())
    assert len(spreadsheet.render(printed)) == PAGES[kind]
