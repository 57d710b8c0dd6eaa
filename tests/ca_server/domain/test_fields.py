"""What may stand in a field, in whatever signs it was typed, and the remedy for what may not."""

import datetime

import pytest

from ca_server.domain.fields import LONGEST_TEXT, Content, Field, Value, Wrong
from ca_server.domain.reasons import ChangeReason, Reason
from ca_server.language import japanese, sentence
from protocol.names import CommonName, InstitutionCode

CODE = InstitutionCode("F123456")
DAY = datetime.date(2026, 12, 22)


def field(content: Content, *, mandatory: bool = True) -> Field:
    return Field("field", sentence("Field"), content, mandatory)


@pytest.mark.parametrize(
    ("content", "text", "value"),
    [
        (Content.TEXT, "  みどり\u3000銀行\n本店 ", "みどり 銀行 本店"),
        (Content.TEXT, "ＡＢＣ銀行", "ＡＢＣ銀行"),
        (Content.TEXT, "か\u3099くせい", "がくせい"),
        (Content.FURIGANA, "やまだ たろう", "やまだ たろう"),
        (Content.FURIGANA, "ﾔﾏﾀﾞ\u3000タロー", "やまだ たろー"),
        (Content.CODE, "Ｆ１２３４５６", CODE),
        (Content.CODE, " f123456 ", CODE),
        (Content.CN, "F123456-001", CommonName(CODE, 1)),
        (Content.CN, "ｆ１２３４５６－９９９", CommonName(CODE, 999)),
        (Content.CN, "F123456ー010", CommonName(CODE, 10)),
        (Content.CN, "F123456‐010", CommonName(CODE, 10)),
        (Content.ADDRESS, "ｙａｍａｄａ＠ｍｉｄｏｒｉ．ｅｘａｍｐｌｅ", "yamada@midori.example"),
        (Content.DATE, "2026-12-22", DAY),
        (Content.DATE, "2026/12/22", DAY),
        (Content.DATE, "2026.12.22", DAY),
        (Content.DATE, "２０２６年１２月２２日", DAY),
        (Content.DATE, "2026 年 12 月 22 日", DAY),
        (Content.DATE, "2026/1/2", datetime.date(2026, 1, 2)),
        (Content.COUNT, "5", 5),
        (Content.COUNT, "１００枚", 100),
        (Content.COUNT, "-1", -1),
    ],
)
def test_a_text_is_understood(content: Content, text: str, value: Value) -> None:
    assert field(content).read(text) == value


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_understood_by_its_word_and_its_label_in_either_language(reason: Reason) -> None:
    for text in (reason.value, reason.value.upper(), reason.label, f" {japanese().say(reason.label)}\u3000"):
        assert field(Content.REASON).read(text) is reason


@pytest.mark.parametrize("reason", ChangeReason)
def test_a_reason_of_a_change_is_understood_by_its_word_and_its_label_in_either_language(reason: ChangeReason) -> None:
    for text in (reason.value, reason.label, japanese().say(reason.label)):
        assert field(Content.CHANGE_REASON).read(text) is reason


def test_no_two_reasons_are_called_the_same() -> None:
    for kind in (Reason, ChangeReason):
        names = [name for reason in kind for name in (reason.value, reason.label, japanese().say(reason.label))]
        assert len({*names}) == 3 * len(kind)


@pytest.mark.parametrize("content", [Content.REASON, Content.CHANGE_REASON])
def test_a_drop_down_offers_what_is_understood(content: Content) -> None:
    chosen = [field(content).read(choice) for choice in field(content).choices]
    assert chosen == list(Reason if content is Content.REASON else ChangeReason)


def test_what_is_typed_has_no_drop_down() -> None:
    assert field(Content.TEXT).choices == ()


@pytest.mark.parametrize(
    ("content", "text", "remedy"),
    [
        (Content.TEXT, "x" * (LONGEST_TEXT + 1), "Give 1 to 200 printable characters."),
        (Content.TEXT, "みどり\u200b銀行", "Give 1 to 200 printable characters."),
        (Content.TEXT, "a\x00b", "Give 1 to 200 printable characters."),
        (Content.FURIGANA, "山田123", "Give the reading in hiragana, such as やまだ たろう."),
        (Content.FURIGANA, "Yamada", "Give the reading in hiragana, such as やまだ たろう."),
        (Content.FURIGANA, "ーーー", "Give the reading in hiragana, such as やまだ たろう."),
        (Content.CODE, "F12345", "Give the institution's code: F and six digits, such as F123456."),
        (Content.CODE, "F12345٦", "Give the institution's code: F and six digits, such as F123456."),
        (Content.CODE, "123456", "Give the institution's code: F and six digits, such as F123456."),
        (Content.CN, "F123456", "'F123456' is no CN; give one such as F123456-001."),
        (Content.CN, "F123456-000", "'F123456-000' is no CN; give one such as F123456-001."),
        (Content.CN, "F123456-1", "'F123456-1' is no CN; give one such as F123456-001."),
        (Content.ADDRESS, "yamada", "A mail address is a name, one @ and a domain."),
        (Content.ADDRESS, "-x@midori.example", "A mail address does not begin with a dash."),
        (
            Content.DATE,
            "2026-02-30",
            "'2026-02-30' is no date; give one such as 2026/12/22, with the year in four digits.",
        ),
        (Content.DATE, "26/12/22", "'26/12/22' is no date; give one such as 2026/12/22, with the year in four digits."),
        (
            Content.DATE,
            "1899-12-22",
            "'1899-12-22' is no date; give one such as 2026/12/22, with the year in four digits.",
        ),
        (Content.DATE, "46013", "'46013' is no date; give one such as 2026/12/22, with the year in four digits."),
        (Content.COUNT, "five", "Give a whole number."),
        (Content.COUNT, "2.5", "Give a whole number."),
        (Content.COUNT, "1234567", "Give a whole number."),
        (Content.REASON, "bored", "Choose one of the reasons in the list."),
        (Content.CHANGE_REASON, "lost", "Choose one of the reasons in the list."),
    ],
)
def test_a_text_is_refused_with_the_remedy(content: Content, text: str, remedy: str) -> None:
    with pytest.raises(Wrong) as wrong:
        field(content).read(text)
    assert wrong.value.remedy == remedy


@pytest.mark.parametrize("content", Content)
@pytest.mark.parametrize("text", ["", "  ", "\u3000\n"])
def test_a_blank_is_none_and_a_mandatory_field_is_to_be_filled_in(content: Content, text: str) -> None:
    assert field(content, mandatory=False).read(text) is None
    with pytest.raises(Wrong, match="Fill this field in"):
        field(content).read(text)
