"""Workbooks for tests: the blank forms, filled in where the layout says, and archives made by hand."""

import datetime
import functools
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence

import openpyxl

from ca_server.domain import forms
from ca_server.domain.applications import Application, Kind
from ca_server.domain.calendar import Calendar
from ca_server.domain.forms import CHANGE_REASON, FORMS, REASON, Form, Rules
from ca_server.forms import layout
from ca_server.forms.drawing import draw
from ca_server.forms.stationery import Stationery
from ca_server.language import CODES, Language, choose

Entries = Mapping[str, object]
"""What is typed into a sheet, by the names of its fields."""

APPLIED_ON = datetime.date(2026, 12, 1)
RULES = Rules(Calendar(), APPLIED_ON)
STATIONERY = Stationery(
    "割符監督庁", ("割符監督庁 認証担当", "登録局"), "https://ca.example/cps", "https://ca.example/privacy"
)
LANGUAGES = {code: choose(code, {}) for code in CODES}
JAPANESE = LANGUAGES["ja"]
BOTH = [(kind, code) for kind in Kind for code in CODES]
WHO: Entries = {
    "applied_on": APPLIED_ON,
    "institution_name": "株式会社みどり銀行",
    "institution": "F123456",
    "furigana": "やまだ たろう",
    "family_name": "山田",
    "given_name": "太郎",
    "email": "yamada@midori.example",
}


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


@functools.cache
def blank(kind: Kind, language: str = "ja") -> bytes:
    """Return a blank form."""
    return draw(FORMS[kind], STATIONERY, LANGUAGES[language])


def complete(kind: Kind, language: str = "ja") -> list[Entries]:
    """Return the entries of a form that can be accepted, by its drop-downs' words."""
    say = LANGUAGES[language].say
    third = say(REASON.choices[7])
    match kind:
        case Kind.ISSUANCE:
            return [{**WHO, "count": 5}]
        case Kind.REVOCATION:
            first = {**WHO, "cn": "F123456-001", "reason": say(REASON.choices[0]), "revocation_on": day("2026-12-21")}
            return [first, {}, {"cn": "F123456-003", "reason": third}]
        case Kind.REPLACEMENT:
            first = {**WHO, "cn": "F123456-001", "reason": say(REASON.choices[3]), "revocation_on": day("2026-12-21")}
            return [{**first, "issuance_on": day("2026-12-14")}, {"cn": "F123456-002", "reason": third}]
        case Kind.ADMINISTRATOR_CHANGE:
            successor = {
                "change_reason": say(CHANGE_REASON.choices[0]),
                "new_furigana": "すずき はなこ",
                "new_family_name": "鈴木",
                "new_given_name": "花子",
                "new_email": "suzuki@midori.example",
                "change_on": day("2026-12-21"),
            }
            return [{**WHO, **successor}]


def filled(
    kind: Kind,
    sheets: Sequence[Entries],
    language: str = "ja",
    alter: Callable[[openpyxl.Workbook], None] = lambda _: None,
) -> bytes:
    """Return a form with entries, and altered further as a person could."""
    workbook = openpyxl.load_workbook(io.BytesIO(blank(kind, language)))
    for number, entries in enumerate(sheets, start=1):
        for name, value in entries.items():
            place = where(FORMS[kind], number, name, LANGUAGES[language])
            workbook[place.title][place.cell] = value
    alter(workbook)
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def where(form: Form, number: int, name: str, language: Language) -> layout.Place:
    """Return where the field of that name stands."""
    (field,) = (field for field in form.fields if field.name == name)
    return layout.place(form, number, field, language)


def expected(kind: Kind, sheets: Sequence[Entries], language: str = "ja") -> Application:
    """Return what the domain makes of the same entries as texts."""
    texts = [{name: str(value) for name, value in entries.items()} for entries in sheets]
    return forms.read(FORMS[kind], texts, language, RULES)


def day(text: str) -> datetime.date:
    """Return a day by its ISO 8601 form."""
    return datetime.date.fromisoformat(text)


def parts(content: bytes) -> dict[str, bytes]:
    """Return the parts of a workbook."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return the archive of some parts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression, compresslevel=1) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def with_part(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return a workbook of which one part was changed by hand."""
    files = parts(content)
    changed = change(files[name])
    assert changed != files[name], "the change changes something"
    return packed(files | {name: changed})
