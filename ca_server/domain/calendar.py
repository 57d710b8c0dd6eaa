"""Business days 営業日, and the dates that an application may desire (requirements A4).

Closed are Saturdays, Sundays, the national holidays of Japan (jpholiday), the year end, and what the operator adds. A
desired date lies on a business day, and at least eight of them after the application date: day one is the business day
after it, the first seven are refused, the earliest is the eighth.
"""

import dataclasses
import datetime
from functools import lru_cache

import jpholiday

NOTICE_DAYS = 7
"""Business days after the application date on which nothing can be desired yet."""

_SATURDAY = 5
_A_DAY = datetime.timedelta(days=1)

MonthDay = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Calendar:
    """The days on which the agency works."""

    closing_days: frozenset[datetime.date] = frozenset()
    """Days that this operator is closed on besides."""
    year_end: tuple[MonthDay, MonthDay] = ((12, 29), (1, 3))
    """First and last day (month, day) of the closure at the turn of the year."""

    def is_open(self, day: datetime.date) -> bool:
        """Tell whether `day` is a business day."""
        return not (
            day.weekday() >= _SATURDAY or day in self.closing_days or self._is_year_end(day) or _is_holiday(day)
        )

    def after(self, day: datetime.date, count: int) -> datetime.date:
        """Return the business day number `count` after `day`, which itself never counts."""
        while count > 0:
            day += _A_DAY
            count -= self.is_open(day)
        return day

    def before(self, day: datetime.date, count: int) -> datetime.date:
        """Return the business day number `count` before `day`, which itself never counts."""
        while count > 0:
            day -= _A_DAY
            count -= self.is_open(day)
        return day

    def earliest(self, applied_on: datetime.date) -> datetime.date:
        """Return the earliest date that an application of that day may desire."""
        return self.after(applied_on, NOTICE_DAYS + 1)

    def allows(self, desired_on: datetime.date, applied_on: datetime.date) -> bool:
        """Tell whether an application of `applied_on` may desire that date."""
        return self.is_open(desired_on) and desired_on >= self.earliest(applied_on)

    def next_allowed(
        self, desired_on: datetime.date, applied_on: datetime.date, count: int = 3
    ) -> tuple[datetime.date, ...]:
        """Return the `count` allowed dates that come next, from the date desired on: the way out of a refusal."""
        day = max(desired_on, self.earliest(applied_on)) - _A_DAY
        return tuple(self.after(day, place) for place in range(1, count + 1))

    def _is_year_end(self, day: datetime.date) -> bool:
        first, last = self.year_end
        here = (day.month, day.day)
        return first <= here <= last if first <= last else here >= first or here <= last


@lru_cache(maxsize=4096)
def _is_holiday(day: datetime.date) -> bool:
    return bool(jpholiday.is_holiday(day))
