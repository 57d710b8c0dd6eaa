"""Who plays in the rehearsal and what befalls them: plain facts, from which scenes and demands are taken alike.

A day is a day of Japan. `end` is the day on which a PC's first certificate ends; most of what happens is told by the
days before it, as the manual tells of renewal. A negative number is a day after it.
"""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ca_server.domain.calendar import Calendar

VALIDITY_DAYS = 395
INSTITUTION = "F123456"
_CALENDAR = Calendar()


class Lot(StrEnum):
    """What befalls a PC."""

    ORDINARY = "ordinary"
    BY_MAIL = "by mail"
    """Its agent is off when the time comes; a person renews with the mailed pair when it is on again."""
    BY_ITSELF = "by itself"
    """Its agent is off when the time comes, and renews by itself when it is on again, though a pair was mailed."""
    WRONG_PC = "wrong PC"
    """The mailed pair is used on another PC; a DCM904 brings a new certificate."""
    STOLEN = "stolen"
    """Suspended on a call, then revoked by the form, before its renewal; the thief lets its agent try."""
    DISPOSED = "disposed"
    """Put away; a DCM903 revokes it on a date after the day of the renewal mail."""


@dataclass(frozen=True)
class Pc:
    """One PC: its first CN's number, the day of its enrolment, its lot, and what must come of it.

    `off`: from how many days before the end its agent is off, and until when; None means that it is never on again.
    `renewals`: how often its line of certificates has been renewed when the rehearsal is over.
    `notices`: the days before the first end on which mails about renewal go out, the pair first.
    """

    number: int
    enrols_on: datetime.date
    renewals: int
    lot: Lot = Lot.ORDINARY
    off: tuple[int, int | None] | None = None
    notices: tuple[int, ...] = ()

    @property
    def cn(self) -> str:
        """Return its first CN."""
        return f"{INSTITUTION}-{self.number:03d}"

    @property
    def host(self) -> str:
        """Return what it calls itself."""
        return f"PC-{self.number:03d}"

    @property
    def end(self) -> datetime.date:
        """Return the day on which its first certificate ends."""
        return self.enrols_on + datetime.timedelta(days=VALIDITY_DAYS)

    def day(self, before_end: int) -> datetime.date:
        """Return the day so many days before the first end."""
        return self.end - datetime.timedelta(days=before_end)

    def is_off(self, day: datetime.date) -> bool:
        """Tell whether its agent does not run on that day."""
        if self.off is None:
            return False
        begins, ends = self.off
        return self.day(begins) <= day and (ends is None or day < self.day(ends))

    @property
    def fetched_on(self) -> datetime.date:
        """Return the day on which the mailed pair is used, on this PC or the wrong one."""
        return self.day(WRONG_PC_FETCHES if self.lot is Lot.WRONG_PC else self._back)

    @property
    def gone_on(self) -> datetime.date | None:
        """Return the day on which its first CN is revoked."""
        match self.lot:
            case Lot.WRONG_PC:
                return self.day(WRONG_PC_REPLACED)
            case Lot.STOLEN:
                return self.day(FORM_OF_THEFT)
            case Lot.DISPOSED:
                return working_day(self.day(DISPOSAL_DESIRED))
        return None

    @property
    def days_without(self) -> int:
        """Return on how many evenings it has no valid certificate though it should."""
        return max(0, -self._back) if self.lot is Lot.BY_MAIL else 0

    @property
    def forms_owed(self) -> int:
        """Return how often its administrator is reminded of the form between the call and its coming: each 3rd day."""
        if self.lot is not Lot.STOLEN:
            return 0
        days = [self.day(each) for each in range(CALL_ABOUT_THEFT - 1, FORM_OF_THEFT - 1, -1)]
        return sum(map(_CALENDAR.is_open, days)) // 3

    @property
    def _back(self) -> int:
        assert self.off is not None
        assert self.off[1] is not None
        return self.off[1]


# Days before the end on which things are done about a PC.
WRONG_PC_FETCHES = 29
WRONG_PC_REPLACED = 15
THEFT = 56
CALL_ABOUT_THEFT = 40
THIEF_TRIES = 33
FORM_OF_THEFT = 28
THIEF_TRIES_AGAIN = 27
FORM_OF_DISPOSAL = 40
DISPOSAL_DESIRED = 20


@dataclass(frozen=True)
class Batch:
    """One application for new certificates, and the PCs that get them, in the order of their numbers."""

    applied_on: datetime.date
    pcs: tuple[Pc, ...]


@dataclass(frozen=True)
class Cast:
    """All who play, and when: the days from the first to the last, all of them or some."""

    begins: datetime.date
    ends: datetime.date
    batches: tuple[Batch, ...]
    whole: bool = True
    """Whether every day is played; otherwise a day in two weeks, and each day of the weeks around the ends."""

    @property
    def pcs(self) -> tuple[Pc, ...]:
        """Return the PCs by their numbers."""
        return tuple(pc for batch in self.batches for pc in batch.pcs)

    def of_lot(self, lot: Lot) -> list[Pc]:
        """Return the PCs of one lot."""
        return [pc for pc in self.pcs if pc.lot is lot]

    def days(self) -> Iterator[datetime.date]:
        """Yield the days that are played."""
        day = self.begins
        while day <= self.ends:
            if self.whole or day.toordinal() % 14 == 0 or any(_matters(pc, day) for pc in self.pcs):
                yield day
            day += datetime.timedelta(days=1)

    def other_pc(self, pc: Pc) -> Pc:
        """Return the PC on which somebody uses by mistake what was mailed for this one: its neighbour."""
        return self.pcs[self.pcs.index(pc) + 1]


def _matters(pc: Pc, day: datetime.date) -> bool:
    if pc.enrols_on - datetime.timedelta(days=2) <= day <= pc.enrols_on:
        return True
    last = min(0, *(ends or 0 for ends in (pc.off or (0, 0))))
    return day == pc.day(THEFT) or pc.day(46) <= day <= pc.day(last - 1)


def working_day(day: datetime.date) -> datetime.date:
    """Return the day, or the next business day."""
    return day if _CALENDAR.is_open(day) else _CALENDAR.after(day, 1)


def _batch(applied_on: str, first: int, renewals: int, lots: Sequence[Pc | None]) -> Batch:
    """Return a batch whose PCs enrol one business day after the other; None stands for an ordinary PC."""
    day = datetime.date.fromisoformat(applied_on)
    pcs = []
    for place, special in enumerate(lots):
        enrols_on = _CALENDAR.after(day, 1 + place)
        pc = special or Pc(0, day, renewals)
        pcs.append(Pc(first + place, enrols_on, pc.renewals, pc.lot, pc.off, pc.notices))
    return Batch(day, tuple(pcs))


def _special(renewals: int, lot: Lot, off: tuple[int, int | None], *notices: int) -> Pc:
    return Pc(0, datetime.date.min, renewals, lot, off, notices)


WHOLE = Cast(
    datetime.date(2026, 4, 1),
    datetime.date(2028, 5, 31),
    (
        _batch(
            "2026-04-07",
            1,
            2,
            [
                None,
                None,
                _special(2, Lot.BY_MAIL, (50, 10), 30, 14),
                *[None] * 3,
                _special(2, Lot.BY_ITSELF, (50, 12), 30, 14),
                *[None] * 3,
            ],
        ),
        _batch(
            "2026-05-12",
            11,
            2,
            [
                *[None] * 4,
                _special(1, Lot.BY_MAIL, (50, -20), 30, 14, 7, 1),
                None,
                None,
                _special(1, Lot.BY_MAIL, (45, 5), 30, 14, 7),
            ],
        ),
        _batch(
            "2026-07-07",
            19,
            1,
            [
                None,
                _special(1, Lot.WRONG_PC, (50, 15), 30),
                None,
                None,
                _special(0, Lot.STOLEN, (THEFT, None)),
                None,
            ],
        ),
        _batch("2026-10-06", 25, 1, [None, None, None, _special(0, Lot.DISPOSED, (50, None)), None, None]),
    ),
)
"""Thirty PCs in four applications, through 26 months: the first are renewed twice, the others once."""

WALK = Cast(
    datetime.date(2026, 4, 1),
    datetime.date(2027, 5, 21),
    (
        _batch(
            "2026-04-07",
            1,
            1,
            [
                _special(1, Lot.WRONG_PC, (50, 15), 30),
                None,
                _special(1, Lot.BY_MAIL, (45, 5), 30, 14, 7),
                _special(0, Lot.STOLEN, (THEFT, None)),
            ],
        ),
    ),
    whole=False,
)
"""The short walk: four PCs through one renewal."""

SOLO = Cast(
    WALK.begins, WALK.ends, (_batch("2026-04-07", 1, 1, [None, _special(1, Lot.BY_MAIL, (45, 5), 30, 14, 7)]),), False
)
"""The shortest: two PCs, for defects that must show."""
