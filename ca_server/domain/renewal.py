"""When administrators are asked by mail to renew 更新のお知らせ: on which day, and by which notice (requirements U1).

Days are days of Japan, counted back from the day on which the certificate ends. The first notice is the renewal pair,
reminders follow. A notice whose day was missed is made up for by the latest one alone. Each certificate remembers the
days of the last notice about it, and only notices of fewer days follow: neither a restart nor a clock that jumps back
and forth repeats one.
"""

import dataclasses
import datetime

from ca_server.clock import DAY, day_in_tokyo, start_of_day_in_tokyo
from protocol.renewal_info import RenewalTimes


@dataclasses.dataclass(frozen=True)
class Ends:
    """Moments at which certificates end: from `first` on, and before `beyond`."""

    first: int
    beyond: int


@dataclasses.dataclass(frozen=True)
class Reminder:
    """The reminder of so many days, and the ends of the certificates whose latest notice it is at a moment."""

    days: int
    ends: Ends


def days_left(not_after: int, now: int) -> int:
    """Return the days from today to the day on which the certificate ends; negative once that is past."""
    return (day_in_tokyo(not_after) - day_in_tokyo(now)).days


def latest_notice(not_after: int, times: RenewalTimes, now: int) -> int:
    """Return the days of the latest notice whose day has come.

    After the end it is the first one's again: reminders of an end that is past are not made up for.
    """
    if now > not_after:
        return times.mail_days
    left = days_left(not_after, now)
    return min(days for days in (times.mail_days, *times.reminders) if days >= left)


def to_ask_for(times: RenewalTimes, now: int) -> Ends:
    """Return the ends of certificates whose renewal was to be asked for by now, and can still be had."""
    return Ends(now - times.grace_days * DAY, _beyond(times.mail_days, now))


def reminders(times: RenewalTimes, now: int) -> tuple[Reminder, ...]:
    """Return the reminders, each for the certificates that have not ended and whose latest notice it is."""
    firsts = (*(_beyond(days, now) for days in times.reminders[1:]), now)
    return tuple(
        Reminder(days, Ends(first, _beyond(days, now)))
        for days, first in zip(times.reminders, firsts, strict=False)  # there may be no reminders
    )


def too_late(times: RenewalTimes, now: int) -> int:
    """Return the moment: what ended before it cannot be renewed any more, its grace is over."""
    return now - times.grace_days * DAY


def _beyond(days: int, now: int) -> int:
    """Return the moment from which on certificates end more than so many days after today."""
    return start_of_day_in_tokyo(day_in_tokyo(now) + datetime.timedelta(days=days + 1))
