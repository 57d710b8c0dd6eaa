"""What was seen in the rehearsal, by the PCs, in the mailbox and by the clock; judged and drawn afterwards."""

import collections
import datetime
from dataclasses import dataclass, field
from enum import StrEnum

from tests.rehearsal.stage import Letter


class How(StrEnum):
    """How a PC came by a certificate."""

    ENROLLED = "enrolled"
    AGENT = "agent"
    MAILED_PAIR = "mailed pair"
    WRONG_PC = "wrong PC"


@dataclass(frozen=True)
class Held:
    """A certificate as the PC has it; `of` is the number of the PC, `at` when it came."""

    cn: str
    of: int
    how: How
    at: int
    serial: str
    not_before: int
    not_after: int
    host: str
    by_command: bool = False


class Event(StrEnum):
    """What befell a PC."""

    STOLEN = "stolen"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    THIEF_REFUSED = "thief refused"


@dataclass(frozen=True)
class Mark:
    """Something that befell the PC of a number."""

    of: int
    event: Event
    at: int


@dataclass
class Chronicle:
    """Everything that was seen; `trouble` has, by the name of what was looked at, what was not as it should be."""

    days: list[datetime.date] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    trouble: dict[str, list[str]] = field(default_factory=lambda: collections.defaultdict(list))
    counts: "collections.Counter[str]" = field(default_factory=collections.Counter)
    days_without: "collections.Counter[int]" = field(default_factory=collections.Counter)
    alarms: list[str] = field(default_factory=list)

    def of_cn(self, cn: str) -> list[Held]:
        """Return the certificates of a CN in their order."""
        return [each for each in self.held if each.cn == cn]

    def newest(self, cn: str) -> Held:
        """Return the last certificate that a CN got."""
        return self.of_cn(cn)[-1]

    def marked(self, number: int, event: Event) -> int | None:
        """Return when that befell a PC first, None when it did not."""
        return next((mark.at for mark in self.marks if mark.of == number and mark.event is event), None)
