"""The four forms 申請書: which fields each has, and the rules by which a filled one becomes an application.

A form reaches us as texts, one mapping of field names to texts for each sheet, whether a workbook, the command line or
a page brought them. Everything that is wrong is found at once and named by sheet and field; nothing is taken in part.

- every mandatory field is filled in, every text is of its field's kind
- the date and the administrator of sheet 1 hold for all; where they are repeated they agree
- a sheet that is blank but for these is not used
- an institution names its own certificates, each once
- a desired date keeps to the calendar; for an urgent revocation it does not matter, since that waits for no date
- nothing is applied for in the future
"""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from ca_server.domain.administrators import Administrator, Change, Half, is_same, is_same_text
from ca_server.domain.applications import Application, Item, Kind
from ca_server.domain.calendar import NOTICE_DAYS, Calendar
from ca_server.domain.fields import Content, Field, Value, Wrong
from ca_server.domain.reasons import ChangeReason, Reason
from ca_server.errors import Invalid
from ca_server.language import Sentence, sentence
from protocol.names import CommonName, InstitutionCode

Sheet = Mapping[str, str]
"""The texts of one sheet by the names of its fields; what is missing is blank."""

_SLACK: Final = 400  # signs by which a repeated entry may be longer, before anything is done with it

APPLIED_ON: Final = Field("applied_on", sentence("Application date"), Content.DATE)
INSTITUTION_NAME: Final = Field("institution_name", sentence("Name of the institution"))
INSTITUTION: Final = Field("institution", sentence("Base code of the institution"), Content.CODE)
FURIGANA: Final = Field("furigana", sentence("Furigana of the administrator"), Content.FURIGANA)
FAMILY_NAME: Final = Field("family_name", sentence("Family name of the administrator"))
GIVEN_NAME: Final = Field("given_name", sentence("Given name of the administrator"))
ADDRESS: Final = Field("email", sentence("Mail address of the administrator"), Content.ADDRESS)
COUNT: Final = Field("count", sentence("Number of new certificates"), Content.COUNT)
CN: Final = Field("cn", sentence("CN of the certificate"), Content.CN)
REASON: Final = Field("reason", sentence("Reason for the revocation"), Content.REASON)
REVOCATION_ON: Final = Field("revocation_on", sentence("Desired date of revocation"), Content.DATE, mandatory=False)
ISSUANCE_ON: Final = Field("issuance_on", sentence("Desired date of issuance"), Content.DATE, mandatory=False)
CHANGE_REASON: Final = Field("change_reason", sentence("Reason for the change"), Content.CHANGE_REASON)
NEW_FURIGANA: Final = Field("new_furigana", sentence("Furigana of the new administrator"), Content.FURIGANA)
NEW_FAMILY_NAME: Final = Field("new_family_name", sentence("Family name of the new administrator"))
NEW_GIVEN_NAME: Final = Field("new_given_name", sentence("Given name of the new administrator"))
NEW_ADDRESS: Final = Field("new_email", sentence("Mail address of the new administrator"), Content.ADDRESS)
CHANGE_ON: Final = Field("change_on", sentence("Desired date of the change"), Content.DATE, mandatory=False)


@dataclasses.dataclass(frozen=True)
class Section:
    """Some fields of a form under one title."""

    title: Sentence
    fields: tuple[Field, ...]


@dataclasses.dataclass(frozen=True)
class Form:
    """One of the four forms. Its first section is the administrator's."""

    kind: Kind
    title: Sentence
    sheets: int
    """How many certificates it can name, one on each sheet."""
    sections: tuple[Section, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Return every field of a sheet in its order."""
        return (APPLIED_ON, *(field for section in self.sections for field in section.fields))


_WHO: Final = (INSTITUTION_NAME, INSTITUTION, FURIGANA, FAMILY_NAME, GIVEN_NAME, ADDRESS)
_PERSON: Final = Section(sentence("Administrator"), _WHO)
_REVOKED: Final = Section(sentence("Certificate to be revoked"), (CN, REASON, REVOCATION_ON))

FORMS: Final = {
    form.kind: form
    for form in (
        Form(
            Kind.ISSUANCE,
            sentence("Application for new certificates"),
            1,
            (_PERSON, Section(sentence("New certificates"), (COUNT,))),
        ),
        Form(Kind.REVOCATION, sentence("Application for the revocation of certificates"), 10, (_PERSON, _REVOKED)),
        Form(
            Kind.REPLACEMENT,
            sentence("Application for the revocation and new issuance of certificates"),
            10,
            (_PERSON, _REVOKED, Section(sentence("New certificate"), (ISSUANCE_ON,))),
        ),
        Form(
            Kind.ADMINISTRATOR_CHANGE,
            sentence("Application for a change of administrator"),
            1,
            (
                Section(sentence("Administrator before the change"), _WHO),
                Section(sentence("Change"), (CHANGE_REASON,)),
                Section(
                    sentence("Administrator after the change"),
                    (NEW_FURIGANA, NEW_FAMILY_NAME, NEW_GIVEN_NAME, NEW_ADDRESS, CHANGE_ON),
                ),
            ),
        ),
    )
}


@dataclasses.dataclass(frozen=True)
class Rules:
    """What the rules need besides the form: the calendar, the day of Japan, and how many certificates at most."""

    calendar: Calendar
    today: datetime.date
    most_issued: int = 100


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a form."""

    sheet: int
    """From 1."""
    field: Field
    remedy: Sentence


class Faulty(Invalid):
    """A form is refused whole; `faults` names everything that is wrong with it, `foreign` the CNs of others in it.

    `legible` is what could be read of it all the same, for the records to judge, so that all is told at once; None
    where not even who applies can be told.
    """

    def __init__(
        self, faults: Sequence[Fault], foreign: Sequence[CommonName] = (), legible: Application | None = None
    ) -> None:
        super().__init__({_place(fault): fault.remedy for fault in faults})
        self.faults = tuple(faults)
        self.foreign = tuple(foreign)
        self.legible = legible


def _place(fault: Fault) -> str:
    return fault.field.name if fault.sheet == 1 else f"{fault.field.name} ({fault.sheet})"


def read(form: Form, sheets: Sequence[Sheet], language: str, rules: Rules) -> Application:
    """Return the application that the sheets of a form make. Raises Faulty."""
    reading = _Reading(form, rules)
    used = [1, *(number for number, sheet in enumerate(sheets[1:], start=2) if _is_used(sheet))]
    pages = [reading.page(number, sheets[number - 1], first=sheets[0]) for number in used]
    reading.require_rules(pages)
    if reading.faults:
        raise Faulty(reading.faults, reading.foreign, _legible(form.kind, pages, language))
    return _application(form.kind, pages, language)


def _is_used(sheet: Sheet) -> bool:
    return any(text.strip() for name, text in sheet.items() if name != APPLIED_ON.name)


V = TypeVar("V", str, InstitutionCode, CommonName, datetime.date, int, Reason, ChangeReason)


@dataclasses.dataclass(frozen=True)
class _Page:
    """The values of one sheet; a field that was blank or wrong has none."""

    number: int
    values: Mapping[str, Value]

    def value(self, field: Field, kind: type[V]) -> V | None:
        found = self.values.get(field.name)
        return found if isinstance(found, kind) else None

    def must(self, field: Field, kind: type[V]) -> V:
        found = self.value(field, kind)
        assert found is not None  # noqa: S101 - a mandatory field without a fault has a value
        return found


class _Reading:
    """Reads the sheets of one form and gathers what is wrong."""

    def __init__(self, form: Form, rules: Rules) -> None:
        self._form = form
        self._rules = rules
        self.faults: list[Fault] = []
        self.foreign: list[CommonName] = []

    def page(self, number: int, sheet: Sheet, *, first: Sheet) -> _Page:
        values: dict[str, Value] = {}
        for field in self._form.fields:
            text = sheet.get(field.name, "")
            if number > 1 and field in (APPLIED_ON, *_WHO):
                self._require_agreement(number, field, text, first.get(field.name, ""))
                continue
            try:
                value = field.read(text)
            except Wrong as wrong:
                self._fault(number, field, wrong.remedy)
                continue
            if value is not None:
                values[field.name] = value
        return _Page(number, values)

    def _require_agreement(self, number: int, field: Field, text: str, first: str) -> None:
        if len(text) > len(first) + _SLACK or (
            text.strip() and not (is_same_text(text, first) or _is_same_value(field, text, first))
        ):
            self._fault(number, field, sentence("This differs from sheet 1; leave it as sheet 1 fills it in."))

    def require_rules(self, pages: Sequence[_Page]) -> None:
        first = pages[0]
        applied_on = first.value(APPLIED_ON, datetime.date)
        if applied_on is not None and applied_on > self._rules.today:
            self._fault(1, APPLIED_ON, sentence("This date lies in the future; today is {day}.", day=self._rules.today))
        self._require_own_names(pages, first.value(INSTITUTION, InstitutionCode))
        for page in pages:
            if applied_on is not None:
                self._require_dates(page, applied_on)
        count = first.value(COUNT, int)
        if count is not None and not 1 <= count <= self._rules.most_issued:
            self._fault(1, COUNT, sentence("Ask for 1 to {most} certificates.", most=self._rules.most_issued))
        self._require_a_change(first)

    def _require_own_names(self, pages: Sequence[_Page], code: InstitutionCode | None) -> None:
        seen: dict[CommonName, int] = {}
        for page in pages:
            name = page.value(CN, CommonName)
            if name is None:
                continue
            if code is not None and name.institution != code:
                stranger = sentence(
                    "{name} does not belong to {code}; an institution can only name its own.", name=name, code=code
                )
                self._fault(page.number, CN, stranger)
                self.foreign.append(name)
            elif name in seen:
                self._fault(page.number, CN, sentence("Sheet {sheet} names this CN already.", sheet=seen[name]))
            seen.setdefault(name, page.number)

    def _require_dates(self, page: _Page, applied_on: datetime.date) -> None:
        reason = page.value(REASON, Reason)
        calendar = self._rules.calendar
        for field in (REVOCATION_ON, ISSUANCE_ON, CHANGE_ON):
            desired_on = page.value(field, datetime.date)
            urgent = field is REVOCATION_ON and reason is not None and reason.urgent
            if desired_on is None or urgent or calendar.allows(desired_on, applied_on):
                continue
            days = ", ".join(str(day) for day in calendar.next_allowed(desired_on, applied_on))
            text = (
                sentence("{day} is not a business day; the next dates allowed are {days}.", day=desired_on, days=days)
                if not calendar.is_open(desired_on)
                else sentence(
                    "{day} is within {count} business days of the application date; the next dates allowed are {days}.",
                    day=desired_on,
                    count=NOTICE_DAYS,
                    days=days,
                )
            )
            self._fault(page.number, field, text)

    def _require_a_change(self, page: _Page) -> None:
        if self._form.kind is not Kind.ADMINISTRATOR_CHANGE or self.faults:
            return
        if is_same(_administrator(page), _successor(page)):
            self._fault(1, NEW_FAMILY_NAME, sentence("Nothing changes; give the administrator after the change."))

    def _fault(self, sheet: int, field: Field, remedy: Sentence) -> None:
        self.faults.append(Fault(sheet, field, remedy))


def _is_same_value(field: Field, one: str, other: str) -> bool:
    """Tell whether two texts say the same in other signs, as a date does in many."""
    try:
        return field.read(one) == field.read(other)
    except Wrong:
        return False


def _administrator(page: _Page) -> Administrator:
    return Administrator(*(page.must(field, str) for field in (FAMILY_NAME, GIVEN_NAME, FURIGANA, ADDRESS)))


def _successor(page: _Page) -> Administrator:
    return Administrator(
        *(page.must(field, str) for field in (NEW_FAMILY_NAME, NEW_GIVEN_NAME, NEW_FURIGANA, NEW_ADDRESS))
    )


def _application(kind: Kind, pages: Sequence[_Page], language: str) -> Application:
    first = pages[0]
    change = None
    items: tuple[Item, ...] = ()
    if kind is Kind.ISSUANCE:
        items = (Item(issuance=Half.WAITING),) * first.must(COUNT, int)
    elif kind is Kind.ADMINISTRATOR_CHANGE:
        reason = first.must(CHANGE_REASON, ChangeReason)
        change = Change(reason, _successor(first), first.value(CHANGE_ON, datetime.date))
    else:
        items = tuple(_item(kind, page) for page in pages)
    return Application(
        kind,
        first.must(INSTITUTION, InstitutionCode),
        first.must(INSTITUTION_NAME, str),
        _administrator(first),
        language,
        first.must(APPLIED_ON, datetime.date),
        items,
        change,
    )


def _legible(kind: Kind, pages: Sequence[_Page], language: str) -> Application | None:
    """Return what can be read of a faulty form: who applies, and each certificate that it names in full."""
    first = pages[0]
    code = first.value(INSTITUTION, InstitutionCode)
    if code is None or not all(first.value(field, str) for field in _WHO if field is not INSTITUTION):
        return None
    named = [page for page in pages if page.value(CN, CommonName) and page.value(REASON, Reason)]
    items = tuple(_item(kind, page) for page in named if page.must(CN, CommonName).institution == code)
    name, day = first.must(INSTITUTION_NAME, str), first.value(APPLIED_ON, datetime.date) or datetime.date.min
    return Application(kind, code, name, _administrator(first), language, day, items)


def _item(kind: Kind, page: _Page) -> Item:
    return Item(
        cn=page.must(CN, CommonName),
        reason=page.must(REASON, Reason),
        revocation=Half.WAITING,
        revocation_on=page.value(REVOCATION_ON, datetime.date),
        issuance=Half.WAITING if kind is Kind.REPLACEMENT else None,
        issuance_on=page.value(ISSUANCE_ON, datetime.date),
        sheet=page.number,
    )
