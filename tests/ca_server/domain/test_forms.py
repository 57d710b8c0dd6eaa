"""The four forms as texts: what a filled one becomes, and every rule by which one is refused."""

import datetime
from collections.abc import Mapping

import pytest

from ca_server.domain import forms
from ca_server.domain.administrators import Administrator, Change, Half
from ca_server.domain.applications import Application, Item, Kind
from ca_server.domain.calendar import Calendar
from ca_server.domain.forms import FORMS, Faulty, Rules
from ca_server.domain.reasons import ChangeReason, Reason
from protocol.names import CommonName, InstitutionCode

TODAY = datetime.date(2026, 12, 1)
RULES = Rules(Calendar(), TODAY, most_issued=100)
CODE = InstitutionCode("F123456")
WHO = {
    "applied_on": "2026-12-01",
    "institution_name": "みどり銀行",
    "institution": "F123456",
    "furigana": "やまだ たろう",
    "family_name": "山田",
    "given_name": "太郎",
    "email": "yamada@midori.example",
}
YAMADA = Administrator("山田", "太郎", "やまだ たろう", "yamada@midori.example")
SUZUKI = Administrator("鈴木", "花子", "すずき はなこ", "suzuki@midori.example")
SUCCESSOR = {
    "change_reason": "transfer",
    "new_furigana": "すずき はなこ",
    "new_family_name": "鈴木",
    "new_given_name": "花子",
    "new_email": "suzuki@midori.example",
}
FIRST = WHO | {"cn": "F123456-001", "reason": "broken"}
FILLED = {
    Kind.ISSUANCE: WHO | {"count": "3"},
    Kind.REVOCATION: FIRST,
    Kind.REPLACEMENT: FIRST,
    Kind.ADMINISTRATOR_CHANGE: WHO | SUCCESSOR,
}


def read(kind: Kind, *sheets: Mapping[str, str], rules: Rules = RULES) -> Application:
    return forms.read(FORMS[kind], sheets, "ja", rules)


def faults(kind: Kind, *sheets: Mapping[str, str], rules: Rules = RULES) -> list[tuple[int, str, str]]:
    with pytest.raises(Faulty) as faulty:
        read(kind, *sheets, rules=rules)
    return [(fault.sheet, fault.field.name, str(fault.remedy)) for fault in faulty.value.faults]


def fault(kind: Kind, *sheets: Mapping[str, str], rules: Rules = RULES) -> tuple[int, str, str]:
    (only,) = faults(kind, *sheets, rules=rules)
    return only


def test_an_issuance_asks_for_as_many_certificates_as_its_count() -> None:
    asked = read(Kind.ISSUANCE, FILLED[Kind.ISSUANCE])
    assert asked.items == (Item(issuance=Half.WAITING),) * 3
    assert (asked.institution, asked.institution_name, asked.administrator) == (CODE, "みどり銀行", YAMADA)
    assert (asked.applied_on, asked.language) == (TODAY, "ja")


def test_a_revocation_names_a_certificate_on_each_used_sheet() -> None:
    third = {"cn": "F123456-003", "reason": "stolen", "revocation_on": "2026-12-21"}
    asked = read(Kind.REVOCATION, FIRST, {"applied_on": "2026-12-01"}, third, {})
    assert asked.items == (
        Item(cn=CommonName(CODE, 1), reason=Reason.BROKEN, revocation=Half.WAITING),
        Item(
            cn=CommonName(CODE, 3),
            reason=Reason.STOLEN,
            revocation=Half.WAITING,
            revocation_on=datetime.date(2026, 12, 21),
        ),
    )
    assert asked.urgent


def test_a_replacement_has_two_halves_on_their_own_dates() -> None:
    dates = {"revocation_on": "2026-12-21", "issuance_on": "2026-12-14"}
    (item,) = read(Kind.REPLACEMENT, FIRST | dates).items
    assert (item.revocation, item.issuance) == (Half.WAITING, Half.WAITING)
    assert (item.revocation_on, item.issuance_on) == (datetime.date(2026, 12, 21), datetime.date(2026, 12, 14))


def test_a_change_names_the_administrator_before_and_after() -> None:
    asked = read(Kind.ADMINISTRATOR_CHANGE, WHO | SUCCESSOR | {"change_on": "2026-12-14"})
    assert asked.administrator == YAMADA
    assert asked.change == Change(ChangeReason.TRANSFER, SUZUKI, datetime.date(2026, 12, 14))
    assert asked.items == ()


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, field.name) for kind, form in FORMS.items() for field in form.fields if field.mandatory]
)
def test_each_mandatory_field_is_to_be_filled_in(kind: Kind, name: str) -> None:
    assert fault(kind, FILLED[kind] | {name: " "}) == (1, name, "Fill this field in.")
    assert fault(kind, {each: text for each, text in FILLED[kind].items() if each != name})[1] == name


@pytest.mark.parametrize(("kind", "form"), FORMS.items())
def test_all_but_the_desired_dates_is_mandatory(kind: Kind, form: forms.Form) -> None:
    optional = {field.name for field in form.fields if not field.mandatory}
    assert optional <= {"revocation_on", "issuance_on", "change_on"}
    assert read(kind, FILLED[kind])


def test_everything_that_is_wrong_is_named_at_once() -> None:
    second = {"cn": "F123456-01", "reason": "bored", "revocation_on": "tomorrow"}
    assert [each[:2] for each in faults(Kind.REVOCATION, FIRST | {"email": "x", "furigana": ""}, second)] == [
        (1, "furigana"),
        (1, "email"),
        (2, "cn"),
        (2, "reason"),
        (2, "revocation_on"),
    ]


def test_a_fault_is_named_by_its_field_and_its_sheet() -> None:
    with pytest.raises(Faulty) as faulty:
        read(Kind.REVOCATION, FIRST | {"reason": ""}, {"cn": "F123456-002"})
    assert faulty.value.fields == {"reason": "Fill this field in.", "reason (2)": "Fill this field in."}


def test_a_sheet_with_anything_but_its_date_is_used() -> None:
    assert len(read(Kind.REVOCATION, FIRST, {"applied_on": "2026-12-01"}).items) == 1
    assert [each[:2] for each in faults(Kind.REVOCATION, FIRST, {"revocation_on": "2026-12-21"})] == [
        (2, "cn"),
        (2, "reason"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("institution_name", "みどり 銀行"),
        ("institution", "ｆ１２３４５６"),
        ("email", "YAMADA@midori.example"),
        ("applied_on", "２０２６年１２月１日"),
        ("furigana", ""),
    ],
)
def test_what_later_sheets_repeat_may_be_typed_otherwise(name: str, text: str) -> None:
    assert len(read(Kind.REVOCATION, FIRST, FIRST | {"cn": "F123456-002", name: text}).items) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("applied_on", "2026-12-02"),
        ("institution_name", "あおば銀行"),
        ("institution", "F123457"),
        ("furigana", "すずき はなこ"),
        ("family_name", "鈴木"),
        ("given_name", "花子"),
        ("email", "suzuki@midori.example"),
    ],
)
def test_what_later_sheets_repeat_agrees_with_sheet_1(name: str, text: str) -> None:
    assert fault(Kind.REVOCATION, FIRST, FIRST | {"cn": "F123456-002", name: text}) == (
        2,
        name,
        "This differs from sheet 1; leave it as sheet 1 fills it in.",
    )


def test_an_institution_names_only_its_own_certificates() -> None:
    assert fault(Kind.REVOCATION, FIRST, {"cn": "F123457-001", "reason": "lost"}) == (
        2,
        "cn",
        "F123457-001 does not belong to F123456; an institution can only name its own.",
    )


def test_a_certificate_is_named_once() -> None:
    again = {"cn": "Ｆ123456-001", "reason": "lost"}
    assert fault(Kind.REVOCATION, FIRST, {}, again) == (3, "cn", "Sheet 1 names this CN already.")


def test_nothing_is_applied_for_in_the_future() -> None:
    remedy = "This date lies in the future; today is 2026-12-01."
    assert fault(Kind.ISSUANCE, FILLED[Kind.ISSUANCE] | {"applied_on": "2026-12-02"}) == (1, "applied_on", remedy)


@pytest.mark.parametrize("count", ["0", "101", "-5"])
def test_a_count_keeps_to_the_limit(count: str) -> None:
    assert fault(Kind.ISSUANCE, WHO | {"count": count}) == (1, "count", "Ask for 1 to 100 certificates.")


def test_the_limit_is_what_the_operator_says() -> None:
    few = Rules(Calendar(), TODAY, most_issued=2)
    assert fault(Kind.ISSUANCE, WHO | {"count": "3"}, rules=few)[2] == "Ask for 1 to 2 certificates."
    assert len(read(Kind.ISSUANCE, WHO | {"count": "2"}, rules=few).items) == 2


DATES = [
    (Kind.REVOCATION, FIRST, "revocation_on"),
    (Kind.REPLACEMENT, FIRST, "revocation_on"),
    (Kind.REPLACEMENT, FIRST, "issuance_on"),
    (Kind.ADMINISTRATOR_CHANGE, WHO | SUCCESSOR, "change_on"),
]


@pytest.mark.parametrize(("kind", "sheet", "name"), DATES)
def test_a_desired_date_keeps_to_the_calendar(kind: Kind, sheet: Mapping[str, str], name: str) -> None:
    days = "the next dates allowed are 2026-12-11, 2026-12-14, 2026-12-15."
    soon = fault(kind, sheet | {name: "2026-12-10"})
    assert soon == (1, name, f"2026-12-10 is within 7 business days of the application date; {days}")
    assert read(kind, sheet | {name: "2026-12-11"})


@pytest.mark.parametrize(("kind", "sheet", "name"), DATES)
def test_a_desired_date_is_a_business_day(kind: Kind, sheet: Mapping[str, str], name: str) -> None:
    closed = fault(kind, sheet | {name: "2026-12-30"})
    days = "the next dates allowed are 2027-01-04, 2027-01-05, 2027-01-06."
    assert closed == (1, name, f"2026-12-30 is not a business day; {days}")


def test_the_date_of_an_urgent_revocation_does_not_matter_but_that_of_the_issuance_does() -> None:
    urgent = FIRST | {"reason": "lost", "revocation_on": "2026-12-05", "issuance_on": "2026-12-05"}
    assert fault(Kind.REPLACEMENT, urgent)[:2] == (1, "issuance_on")


def test_a_change_changes_something() -> None:
    same = {"new_family_name": "山 田", "new_given_name": "太郎", "new_furigana": "やまだたろう"}
    kept = WHO | SUCCESSOR | same | {"new_email": "Yamada@midori.example"}
    assert fault(Kind.ADMINISTRATOR_CHANGE, kept)[1:] == (
        "new_family_name",
        "Nothing changes; give the administrator after the change.",
    )


def test_an_administrator_may_change_only_the_address() -> None:
    moved = {"new_family_name": "山田", "new_given_name": "太郎", "new_furigana": "やまだ たろう"}
    asked = read(Kind.ADMINISTRATOR_CHANGE, WHO | SUCCESSOR | moved)
    assert asked.change is not None
    assert asked.change.successor.email == "suzuki@midori.example"
