"""The fields of the forms: how each is called, what may stand in it, and how its text is read. Defined here once.

The workbook draws them, the command line and later a page ask for them, and all hand their texts to `Field.read`: wide
letters and digits, blanks around a value, and the usual ways to write a date are understood, and what is not is
refused with the remedy.
"""

import dataclasses
import datetime
import re
import unicodedata
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, TypeVar

from ca_server.domain.administrators import in_hiragana
from ca_server.domain.mail_address import UnsafeAddress, require_safe_address
from ca_server.domain.reasons import ChangeReason, Reason
from ca_server.language import Sentence, japanese, sentence
from protocol.names import BadName, CommonName, InstitutionCode

LONGEST_TEXT: Final = 200
_LONGEST_READ: Final = 4 * LONGEST_TEXT  # blanks around and between the words fall away

_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", re.ASCII)
_WIDTHS = ("<wide>", "<narrow>")
_CENTURY = range(2000, 2100)
_READING = re.compile("[ー・ ]*[ぁ-ゖ][ぁ-ゖー・ ]*")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−ーｰ", "-"))


class Wrong(Exception):
    """A text cannot stand in a field; the sentence says what can."""

    def __init__(self, remedy: Sentence) -> None:
        super().__init__(remedy)
        self.remedy = remedy


class Content(Enum):
    """What kind of thing a field holds."""

    TEXT = auto()
    FURIGANA = auto()
    CODE = auto()
    CN = auto()
    ADDRESS = auto()
    DATE = auto()
    COUNT = auto()
    REASON = auto()
    CHANGE_REASON = auto()


Value = str | InstitutionCode | CommonName | datetime.date | int | Reason | ChangeReason


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    """How documents and the command line call it."""
    label: Sentence
    """How people call it."""
    content: Content = Content.TEXT
    mandatory: bool = True

    @property
    def choices(self) -> tuple[Sentence, ...]:
        """Return the words that its drop-down offers, none for a field that is typed into."""
        return tuple(choice.label for choice in _CHOICES.get(self.content, ()))

    def read(self, text: str) -> Value | None:
        """Return what the text says, None for a blank one. Raises Wrong."""
        if len(text) > _LONGEST_READ:  # before anything is done with it
            raise Wrong(sentence("Give 1 to {most} printable characters.", most=LONGEST_TEXT))
        tidy = " ".join(text.split())
        if not tidy:
            if self.mandatory:
                raise Wrong(sentence("Fill this field in."))
            return None
        if len(tidy) > LONGEST_TEXT or not tidy.isprintable():
            raise Wrong(sentence("Give 1 to {most} printable characters.", most=LONGEST_TEXT))
        return _READERS[self.content](tidy)


def _text(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _furigana(text: str) -> str:
    """Return a reading in hiragana; katakana of either width says the same and is understood."""
    reading = in_hiragana(text)
    if not _READING.fullmatch(reading):
        raise Wrong(sentence("Give the reading in hiragana, such as やまだ たろう."))
    return reading


def _narrow(text: str) -> str:
    """Return a text of signs that have but one width; a raised or circled digit stays the other sign that it is."""
    return "".join(
        unicodedata.normalize("NFKC", sign) if unicodedata.decomposition(sign).startswith(_WIDTHS) else sign
        for sign in text
    )


def _plain(text: str) -> str:
    """Return a text in signs of one width, without blanks."""
    return "".join(_narrow(text).translate(_DASHES).split())


def _code(text: str) -> InstitutionCode:
    try:
        return InstitutionCode.parse(_plain(text).upper())
    except BadName as error:
        raise Wrong(sentence("Give the institution's code: F and six digits, such as F123456.")) from error


def _cn(text: str) -> CommonName:
    try:
        return CommonName.parse(_plain(text).upper())
    except BadName as error:
        raise Wrong(sentence("{text!r} is no CN; give one such as F123456-001.", text=text)) from error


def _address(text: str) -> str:
    try:
        return require_safe_address(_narrow(text))
    except UnsafeAddress as error:
        raise Wrong(error.args[0]) from error


def _date(text: str) -> datetime.date:
    match = _DATE.fullmatch(_plain(text))
    if match is not None and int(match[1]) in _CENTURY:
        try:
            return datetime.date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            pass
    raise Wrong(sentence("{text!r} is no date; give one such as 2026/12/22, with the year in four digits.", text=text))


def _count(text: str) -> int:
    plain = _plain(text).removesuffix("枚")
    if not re.fullmatch(r"-?\d{1,6}", plain, re.ASCII):
        raise Wrong(sentence("Give a whole number."))
    return int(plain)


def _reason(text: str) -> Reason:
    return _chosen(text, Reason)


def _change_reason(text: str) -> ChangeReason:
    return _chosen(text, ChangeReason)


C = TypeVar("C", Reason, ChangeReason)


def _chosen(text: str, kind: type[C]) -> C:
    """Return the choice that a text names: its word, or its label in either language."""
    wanted = _plain(text).casefold()
    for choice in kind:
        names = (choice.value, choice.label, japanese().say(choice.label))
        if wanted in {_plain(name).casefold() for name in names}:
            return choice
    raise Wrong(sentence("Choose one of the reasons in the list."))


_CHOICES: dict[Content, type[Reason] | type[ChangeReason]] = {
    Content.REASON: Reason,
    Content.CHANGE_REASON: ChangeReason,
}
_READERS: dict[Content, Callable[[str], Value]] = {
    Content.TEXT: _text,
    Content.FURIGANA: _furigana,
    Content.CODE: _code,
    Content.CN: _cn,
    Content.ADDRESS: _address,
    Content.DATE: _date,
    Content.COUNT: _count,
    Content.REASON: _reason,
    Content.CHANGE_REASON: _change_reason,
}
