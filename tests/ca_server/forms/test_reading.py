"""Filled forms are read back, in whatever way Excel or a person put their values, and bad ones are refused whole."""

import datetime
import io
import re
from collections.abc import Callable

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from ca_server.domain.applications import Application, Kind
from ca_server.domain.forms import FORMS
from ca_server.errors import Invalid
from ca_server.forms import layout
from ca_server.forms.errors import UnreadableForm
from ca_server.forms.reading import in_places, read_workbook
from ca_server.language import sentence
from tests.ca_server.forms.workbooks import (
    BOTH,
    MAIN,
    RULES,
    WHO,
    Entries,
    blank,
    complete,
    day,
    expected,
    filled,
    packed,
    parts,
    with_part,
)

REVOCATION = complete(Kind.REVOCATION)
CHANGE = complete(Kind.ADMINISTRATOR_CHANGE)
SHEET_1 = "xl/worksheets/sheet1.xml"


def read(content: bytes) -> Application:
    return read_workbook(content, RULES)


def wished(content: bytes) -> datetime.date | None:
    """Return the desired date of a DCM905."""
    asked = read(content).change
    return None if asked is None else asked.desired_on


def errors(content: bytes) -> dict[str, str]:
    with pytest.raises(Invalid) as invalid:
        read(content)
    assert {type(remedy) for remedy in invalid.value.fields.values()} == {str}
    return invalid.value.fields


def change(entries: Entries, alter: Callable[[openpyxl.Workbook], None] = lambda _: None) -> bytes:
    """Return a DCM905 with these entries besides or instead: it has one sheet and is quickly made."""
    return filled(Kind.ADMINISTRATOR_CHANGE, [{**CHANGE[0], **entries}], alter=alter)


def altered(alter: Callable[[openpyxl.Workbook], None]) -> bytes:
    """Return a DCM903 with two certificates, altered as a person could."""
    return filled(Kind.REVOCATION, REVOCATION, alter=alter)


@pytest.mark.parametrize(("kind", "code"), BOTH)
def test_a_filled_form_is_the_application_that_its_texts_make(kind: Kind, code: str) -> None:
    sheets = complete(kind, code)
    assert read(filled(kind, sheets, code)) == expected(kind, sheets, code)


def test_a_form_of_ten_certificates_is_read_whole() -> None:
    rest = [{"cn": f"F123456-{number:03d}", "reason": "パソコンを廃棄"} for number in range(2, 11)]
    asked = read(filled(Kind.REVOCATION, [REVOCATION[0], *rest]))
    assert [str(each.cn) for each in asked.items] == [f"F123456-{number:03d}" for number in range(1, 11)]


@pytest.mark.parametrize(
    "value",
    [
        datetime.date(2026, 12, 21),
        datetime.datetime(2026, 12, 21, 9, 30),  # noqa: DTZ001 - Excel knows no time zone
        "2026-12-21",
        "2026/12/21",
        "２０２６年１２月２１日",
        46377,
        46377.4,
    ],
)
def test_a_date_may_be_a_date_a_text_or_a_day_number(value: object) -> None:
    def plain(workbook: openpyxl.Workbook) -> None:
        if isinstance(value, int | float):
            workbook["申請書"]["D30"].number_format = "General"

    assert wished(change({"change_on": value}, plain)) == day("2026-12-21")


def test_days_may_be_counted_from_1904() -> None:
    def from_1904(workbook: openpyxl.Workbook) -> None:
        workbook.epoch = CALENDAR_MAC_1904

    content = change({"applied_on": 44895, "change_on": 44915}, from_1904)
    assert (read(content).applied_on, wished(content)) == (day("2026-12-01"), day("2026-12-21"))


def test_a_date_may_be_one_of_iso_8601() -> None:
    def typed_as_date(part: bytes) -> bytes:
        return re.sub(rb'(r="D30" s="\d+") t="n"><v>46377', rb'\1 t="d"><v>2026-12-21T00:00:00', part)

    assert wished(with_part(change({}), SHEET_1, typed_as_date)) == day("2026-12-21")


@pytest.mark.parametrize("value", [-1, 0, 1e30, 3.5, 99_999, 2_000_000])
def test_a_number_that_is_no_day_of_this_century_is_no_date(value: float) -> None:
    assert list(errors(change({"change_on": value}))) == ["申請書 D30 変更希望日"]


@pytest.mark.parametrize("value", [5, 5.0, "5", "５枚", " 5 "])
def test_a_count_may_be_a_number_or_a_text(value: object) -> None:
    assert read(filled(Kind.ISSUANCE, [{**WHO, "count": value}])).asks_for == 5


@pytest.mark.parametrize("value", [2.5, 1e300, -1, "１．５"])
def test_a_count_is_a_whole_number_within_the_limit(value: object) -> None:
    assert list(errors(filled(Kind.ISSUANCE, [{**WHO, "count": value}]))) == ["申請書 D22 新規証明書の申込数"]


def test_what_was_typed_in_wide_letters_is_understood() -> None:
    wide = {"institution": "Ｆ１２３４５６", "email": "ｙａｍａｄａ＠ｍｉｄｏｒｉ．ｅｘａｍｐｌｅ"}
    assert read(change(wide)) == read(change({}))


def test_a_name_may_be_a_number() -> None:
    assert read(change({"institution_name": 77})).institution_name == "77"


def test_the_reading_that_excel_keeps_of_a_japanese_text_is_left_out() -> None:
    """Excel for Japanese saves beside 山田 how it was typed, as a run of its own (rPh)."""
    plain = "<t>山田</t>".encode()
    kept = '<r><t>山</t></r><r><t>田</t></r><rPh sb="0" eb="2"><t>ヤマダ</t></rPh><phoneticPr fontId="1"/>'.encode()
    content = with_part(change({}), SHEET_1, lambda part: part.replace(plain, kept))
    assert read(content).administrator.family_name == "山田"


def test_texts_may_be_shared_by_the_sheets() -> None:
    """Excel saves each text once, in a part of its own; openpyxl writes them into the cells."""

    def with_texts(*texts: str) -> bytes:
        files = parts(change({}))
        cell = files[SHEET_1].replace('t="inlineStr"><is><t>花子</t></is>'.encode(), b't="s"><v>1</v>')
        relation = b'<Relationship Id="rIdS" Type="urn:x/sharedStrings" Target="/xl/texts.xml"/></Relationships>'
        relations = files["xl/_rels/workbook.xml.rels"].replace(b"</Relationships>", relation)
        shared = f'<sst xmlns="{MAIN}">' + "".join(f"<si><t>{text}</t></si>" for text in texts) + "</sst>"
        return packed(files | {SHEET_1: cell, "xl/_rels/workbook.xml.rels": relations, "xl/texts.xml": shared.encode()})

    named = read(with_texts("他", "華子")).change
    assert named is not None
    assert named.successor.given_name == "華子"
    with pytest.raises(UnreadableForm, match="damaged"):
        read(with_texts("他"))


@pytest.mark.parametrize("value", [True, False, "#N/A", "#REF!"])
def test_a_value_of_excels_own_is_refused_by_its_cell(value: object) -> None:
    assert errors(change({"furigana": value})) == {
        "申請書 D15 管理者のふりがな": "入力欄がエラー値または論理値になっています。削除して、入力し直してください。"
    }


def test_a_value_of_excels_own_on_a_sheet_that_is_blank_otherwise_is_refused_too() -> None:
    assert list(errors(filled(Kind.REVOCATION, [REVOCATION[0], {"cn": "#N/A"}]))) == ["2枚目 D22 証明書の CN"]


def test_a_formula_that_no_program_has_calculated_is_blank() -> None:
    assert errors(change({"furigana": '="やまだ"'})) == {"申請書 D15 管理者のふりがな": "入力してください。"}


@pytest.mark.parametrize("value", ["", "  ", "\u3000"])
def test_a_blank_entry_is_to_be_filled_in(value: str) -> None:
    assert errors(change({"email": value})) == {"申請書 D18 管理者の電子メールアドレス": "入力してください。"}


def test_a_blank_form_names_every_mandatory_field_of_its_first_sheet() -> None:
    for kind, code in BOTH:
        mandatory = [field for field in FORMS[kind].fields if field.mandatory]
        assert len(errors(blank(kind, code))) == len(mandatory)


BAD = [
    {**WHO, "institution": "123", "email": "yamada", "cn": "F123456-001", "reason": "退屈"},
    {"cn": "F999999-001", "revocation_on": datetime.date(2026, 12, 5)},
    {"cn": "F123456-001", "reason": "lost", "furigana": "すずき"},
]


def test_all_errors_are_named_at_once_in_japanese() -> None:
    assert errors(filled(Kind.REVOCATION, BAD)) == {
        "1枚目 D14 金融機関基本コード": "金融機関基本コードは F と数字 6 桁です（例: F123456）。",
        "1枚目 D18 管理者の電子メールアドレス": "メールアドレスは、名前、@ 一つ、ドメインの順に書きます。",
        "1枚目 D23 失効理由": "一覧にある理由から選んでください。",
        "2枚目 D23 失効理由": "入力してください。",
        "2枚目 D24 失効希望日": "2026-12-05 は営業日ではありません。"
        "次に指定できる日は 2026-12-11, 2026-12-14, 2026-12-15 です。",
        "3枚目 D15 管理者のふりがな": "1枚目と異なります。1枚目から表示された内容のままにしてください。",
        "3枚目 D22 証明書の CN": "この CN は1枚目にも記入されています。",
    }


def test_all_errors_are_named_at_once_in_english_and_in_their_order() -> None:
    assert list(errors(filled(Kind.REVOCATION, BAD, "en")).items()) == [
        ("Sheet 1 D14 Base code of the institution", "Give the institution's code: F and six digits, such as F123456."),
        ("Sheet 1 D18 Mail address of the administrator", "A mail address is a name, one @ and a domain."),
        ("Sheet 1 D23 Reason for the revocation", "Choose one of the reasons in the list."),
        ("Sheet 2 D23 Reason for the revocation", "Fill this field in."),
        (
            "Sheet 2 D24 Desired date of revocation",
            "2026-12-05 is not a business day; the next dates allowed are 2026-12-11, 2026-12-14, 2026-12-15.",
        ),
        (
            "Sheet 3 D15 Furigana of the administrator",
            "This differs from sheet 1; leave it as sheet 1 fills it in.",
        ),
        ("Sheet 3 D22 CN of the certificate", "Sheet 1 names this CN already."),
    ]


def test_what_the_records_refuse_is_told_by_the_cells_of_the_form() -> None:
    remedy = sentence("Fill this field in.")
    said = dict.fromkeys(("email", "administrator", "cn F123456-003", "file"), remedy)
    assert list(in_places(said, read(altered(lambda _: None)))) == [
        "1枚目 D18 管理者の電子メールアドレス",
        "1枚目 D13–D18 管理者情報",
        "3枚目 D22 証明書の CN",
        "ファイル",
    ]
    assert set(in_places(said, read(altered(lambda _: None))).values()) == {"入力してください。"}


def test_what_others_add_to_a_sheet_is_not_read() -> None:
    def foreign(part: bytes) -> bytes:
        cell = b'<x:row xmlns:x="urn:other"><x:c r="D22" t="str"><x:v>F123456-002</x:v></x:c></x:row></sheetData>'
        return part.replace(b"</sheetData>", cell)

    content = with_part(filled(Kind.REVOCATION, REVOCATION), SHEET_1, foreign)
    assert read(content).items == read(filled(Kind.REVOCATION, REVOCATION)).items


def test_an_entry_that_a_formula_makes_is_refused() -> None:
    def calculated(part: bytes) -> bytes:
        return re.sub(rb'<c r="D22"([^>]*)>', rb'<c r="D22"\1><f>"F123456-009"</f>', part)

    content = with_part(filled(Kind.REVOCATION, REVOCATION), SHEET_1, calculated)
    assert list(errors(content)) == ["1枚目 D22 証明書の CN"]


def test_escaped_signs_are_read_as_excel_shows_them() -> None:
    texts = {**REVOCATION[0], "institution_name": "株式会社みどり_x0020_銀行"}
    assert read(filled(Kind.REVOCATION, [texts])).institution_name == "株式会社みどり 銀行"


def test_a_text_longer_than_a_cell_can_be_is_refused() -> None:
    def lengthened(part: bytes) -> bytes:
        return part.replace("株式会社みどり銀行".encode(), ("み" * 32_768).encode())

    with pytest.raises(UnreadableForm):
        read(with_part(filled(Kind.REVOCATION, REVOCATION), SHEET_1, lengthened))


def test_an_eleventh_certificate_is_refused_by_its_sheet() -> None:
    def copied(workbook: openpyxl.Workbook) -> None:
        workbook.copy_worksheet(workbook["10枚目"]).title = "11枚目"

    assert errors(altered(copied)) == {
        "11枚目": "この申請書の様式にないシートです。削除してください。申請が残る場合は、別の申請書に記入してください。"
    }


def test_a_renamed_sheet_is_none_of_the_forms() -> None:
    def renamed(workbook: openpyxl.Workbook) -> None:
        workbook["3枚目"].title = "三枚目"

    assert list(errors(altered(renamed))) == ["三枚目"]


def test_an_empty_sheet_besides_does_no_harm() -> None:
    def added(workbook: openpyxl.Workbook) -> None:
        workbook.create_sheet("メモ")["A1"] = "  "

    assert read(change({}, added)) == read(change({}))


def test_a_sheet_that_was_taken_out_is_blank() -> None:
    def taken_out(workbook: openpyxl.Workbook) -> None:
        del workbook["9枚目"]

    assert len(read(altered(taken_out)).items) == 2


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
@pytest.mark.parametrize("title", ["1枚目", "3枚目", "メモ"])
def test_a_hidden_sheet_that_holds_entries_is_refused(title: str, state: str) -> None:
    def hidden(workbook: openpyxl.Workbook) -> None:
        if title == "メモ":
            workbook.create_sheet(title)["Z99"] = "F123456-011"
        workbook[title].sheet_state = state
        workbook.active = workbook["2枚目"]

    assert errors(altered(hidden)) == {
        title: "非表示のシートに記入があります。シートを再表示するか、記入を削除してください。"
    }


def test_a_hidden_sheet_without_entries_does_no_harm() -> None:
    def hidden(workbook: openpyxl.Workbook) -> None:
        workbook["2枚目"].sheet_state = "hidden"

    assert len(read(altered(hidden)).items) == 2


@pytest.mark.parametrize(
    ("cell", "value"),
    [(layout.KIND_CELL, "DCM906"), (layout.KIND_CELL, None), (layout.LANGUAGE_CELL, "fr"), (layout.KIND_CELL, 903)],
)
def test_a_workbook_that_does_not_say_which_form_it_is_is_none_of_ours(cell: str, value: object) -> None:
    def otherwise(workbook: openpyxl.Workbook) -> None:
        workbook[layout.IDENTITY_SHEET][cell] = value

    with pytest.raises(UnreadableForm, match=r"none of our forms\. Download the blank form"):
        read(change({}, otherwise))


def test_a_workbook_of_somebody_elses_is_none_of_ours() -> None:
    content = io.BytesIO()
    openpyxl.Workbook().save(content)
    with pytest.raises(UnreadableForm, match=r"none of our forms\. Download the blank form"):
        read(content.getvalue())


def test_a_form_without_its_first_sheet_is_none_of_ours() -> None:
    def taken_out(workbook: openpyxl.Workbook) -> None:
        del workbook["申請書"]
        workbook.create_sheet("1枚目")

    with pytest.raises(UnreadableForm, match="none of our forms"):
        read(change({}, taken_out))


@pytest.mark.parametrize("version", [0, 2, "1.5", None])
def test_a_form_of_another_version_is_to_be_downloaded_anew(version: object) -> None:
    def otherwise(workbook: openpyxl.Workbook) -> None:
        workbook[layout.IDENTITY_SHEET][layout.VERSION_CELL] = version

    with pytest.raises(UnreadableForm, match=r"another version than is in use now\. Download"):
        read(change({}, otherwise))


def test_a_cell_that_stands_in_a_sheet_twice_is_damage() -> None:
    def twice(part: bytes) -> bytes:
        row = b'<row r="40"><c r="D22" t="inlineStr"><is><t>F123456-002</t></is></c></row></sheetData>'
        return part.replace(b"</sheetData>", row)

    with pytest.raises(UnreadableForm, match="damaged"):
        read(with_part(change({}), SHEET_1, twice))
