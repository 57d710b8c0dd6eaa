"""What Excel itself says of an entry: the hint beside it, what it lets be typed, and what it tells of the rest.

These checks spare applicants a returned form; they decide nothing, since a value that was pasted passes them by. So
they refuse only what the domain refuses as well, and what they need not know, such as holidays, they leave to it.
"""

import dataclasses
from typing import Final, Literal

from openpyxl.worksheet.datavalidation import DataValidation

from ca_server.domain.calendar import NOTICE_DAYS
from ca_server.domain.fields import LONGEST_TEXT, Content, Field
from ca_server.domain.forms import APPLIED_ON
from ca_server.language import Language, Sentence, sentence

REASONS: Final = {Content.REASON: "revocation_reasons", Content.CHANGE_REASON: "change_reasons"}
"""The names under which the workbook keeps the words of the drop-downs."""

_HALF_WIDTH: Final = "halfAlpha"
_HIRAGANA: Final = "hiragana"
"""How a Japanese keyboard is set when the cell is entered (ISO/IEC 29500-1 §18.18.14)."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One validation of Excel's: its type and bounds, the hint beside the entry, and the way out of an error."""

    type: Literal["custom", "date", "list", "textLength", "whole"]
    formula: str | None
    hint: str
    error: Sentence
    operator: Literal["between", "lessThanOrEqual"] | None = None
    formula2: str | None = None
    keyboard: Literal["halfAlpha", "hiragana"] | None = None

    def validation(self, language: Language) -> DataValidation:
        """Return it for a sheet of that language."""
        return DataValidation(
            type=self.type,
            operator=self.operator,
            formula1=self.formula,
            formula2=self.formula2,
            allow_blank=True,
            showErrorMessage=True,
            errorStyle="stop",
            errorTitle=language.say(sentence("Please check this entry")),
            error=language.say(self.error),
            imeMode=self.keyboard,
        )


def check(field: Field, cell: str, applied_on: str, most_certificates: int) -> Check:
    """Return the check of a field whose entry stands in `cell` of a sheet with the application date in `applied_on`."""
    match field.content:
        case Content.CODE:
            return _code(cell)
        case Content.CN:
            return _cn(cell)
        case Content.ADDRESS:
            return _address(cell)
        case Content.DATE:
            return _applied_on() if field == APPLIED_ON else _desired_on(cell, applied_on)
        case Content.COUNT:
            return _count(most_certificates)
        case Content.REASON | Content.CHANGE_REASON:
            return _reason(field.content)
        case Content.TEXT:
            return _text("")
        case Content.FURIGANA:
            return _text(sentence("How the name is read, in hiragana."))


def _text(hint: str) -> Check:
    return Check(
        "textLength",
        str(LONGEST_TEXT),
        hint,
        sentence("Give at most {most} characters.", most=LONGEST_TEXT),
        operator="lessThanOrEqual",
        keyboard=_HIRAGANA,
    )


def _code(cell: str) -> Check:
    return Check(
        "custom",
        f"AND(LEN({cell})=7,{_is_code(cell)})",
        sentence("F and six digits, such as F123456."),
        sentence("Give the institution's code: F and six digits, such as F123456."),
        keyboard=_HALF_WIDTH,
    )


def _cn(cell: str) -> Check:
    number = f"RIGHT(ASC({cell}),3)"
    return Check(
        "custom",
        f'AND(LEN({cell})=11,{_is_code(cell)},MID(ASC({cell}),8,1)="-",'
        f'TEXT(VALUE({number}),"000")={number},VALUE({number})>0)',
        sentence("The certificate's CN, such as F123456-001."),
        sentence("Give a CN: the institution's code, a dash and three digits, such as F123456-001."),
        keyboard=_HALF_WIDTH,
    )


def _is_code(cell: str) -> str:
    """Return the condition that a cell begins with a code, in wide signs or not (ASC makes them narrow)."""
    digits = f"MID(ASC({cell}),2,6)"
    return f'LEFT(ASC({cell}),1)="F",TEXT(VALUE({digits}),"000000")={digits}'


def _address(cell: str) -> Check:
    return Check(
        "custom",
        f'LEN(SUBSTITUTE(ASC({cell}),"@",""))=LEN({cell})-1',
        sentence("The administrator's address, to which mails about certificates go."),
        sentence("A mail address is a name, one @ and a domain."),
        keyboard=_HALF_WIDTH,
    )


def _applied_on() -> Check:
    return Check(
        "date",
        "DATE(2000,1,1)",
        sentence("The day on which you fill this form in, such as 2026/12/22."),
        sentence("Give a date, such as 2026/12/22."),
        operator="between",
        formula2="DATE(2099,12,31)",
        keyboard=_HALF_WIDTH,
    )


def _desired_on(cell: str, applied_on: str) -> Check:
    return Check(
        "custom",
        f"AND(ISNUMBER({cell}),WEEKDAY({cell},2)<6,{cell}>=WORKDAY({applied_on},{NOTICE_DAYS + 1}))",
        sentence(
            "Only if you wish for a certain day: no Saturday, Sunday, holiday or day of the year end, and none within "
            "{days} business days of the application date.",
            days=NOTICE_DAYS,
        ),
        sentence(
            "Give a date such as 2026/12/22 that is no Saturday or Sunday and not within {days} business days of the "
            "application date, or leave this entry blank.",
            days=NOTICE_DAYS,
        ),
        keyboard=_HALF_WIDTH,
    )


def _count(most: int) -> Check:
    return Check(
        "whole",
        "1",
        sentence("1 to {most}.", most=most),
        sentence("Ask for 1 to {most} certificates.", most=most),
        operator="between",
        formula2=str(most),
        keyboard=_HALF_WIDTH,
    )


def _reason(content: Content) -> Check:
    urgent = content is Content.REASON
    return Check(
        "list",
        REASONS[content],
        sentence("Choose from the list. What is urgent is carried out as soon as it is approved.")
        if urgent
        else sentence("Choose from the list."),
        sentence("Choose one of the reasons in the list."),
    )
