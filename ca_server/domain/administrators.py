"""An institution's administrator 金融機関管理者, and how another takes over (DCM905, requirements M1).

A change moves every later mail, the halves of new certificates among them, to another address: whoever gets one through
takes the institution over. So the old address is told at once, two officers decide, and the mail moves at the earliest
on the next business day, unless an officer called back a number that is on file.
"""

import dataclasses
import datetime
import unicodedata
from enum import StrEnum

from ca_server.domain.calendar import Calendar
from ca_server.domain.reasons import ChangeReason

_TO_HIRAGANA = str.maketrans({chr(sign): chr(sign - 0x60) for sign in range(ord("ァ"), ord("ヶ") + 1)})


@dataclasses.dataclass(frozen=True)
class Administrator:
    """An institution's authorised representative, who receives every mail."""

    family_name: str
    given_name: str
    furigana: str
    email: str

    @property
    def name(self) -> str:
        """Return the name as a mail addresses it."""
        return f"{self.family_name} {self.given_name}"


class Half(StrEnum):
    """Where one half of what was applied for stands; a failed one stays due and is tried again."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class CallBack:
    """A call-back to a number on file: which officer spoke to whom, on which number, when."""

    officer: str
    number: str
    spoke_to: str
    at: int


@dataclasses.dataclass(frozen=True)
class Change:
    """What a DCM905 asks for, and how far it is."""

    reason: ChangeReason
    successor: Administrator
    desired_on: datetime.date | None
    half: Half = Half.WAITING
    failure: str | None = None
    call_back: CallBack | None = None

    def earliest(self, approved_on: datetime.date, calendar: Calendar, wait_days: int) -> datetime.date:
        """Return the first day on which the mail may move: the date desired, and never before the safeguard ends.

        The safeguard is `wait_days` business days after the approval; a call-back on record ends it at once.
        """
        safe = approved_on if self.call_back is not None else calendar.after(approved_on, wait_days)
        return safe if self.desired_on is None else max(safe, self.desired_on)


def is_same_text(one: str, other: str) -> bool:
    """Tell whether two texts of a form say the same: width, case and white space make no difference."""
    return _folded(one) == _folded(other)


def is_same(one: Administrator, other: Administrator) -> bool:
    """Tell whether two forms name the same administrator, field by field; katakana reads as hiragana does."""
    both = (dataclasses.replace(each, furigana=in_hiragana(each.furigana)) for each in (one, other))
    return all(is_same_text(*pair) for pair in zip(*map(dataclasses.astuple, both), strict=True))


def in_hiragana(text: str) -> str:
    """Return a text whose katakana, of either width, is hiragana."""
    return unicodedata.normalize("NFKC", text).translate(_TO_HIRAGANA)


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()
