"""The time, asked for in one way everywhere.

Inside, a moment is an int: seconds since 1970 in UTC, so that the store keeps it as it is and two moments compare
without a time zone. Where the manual speaks of days it means days of Japan (Asia/Tokyo). Tests hand in a clock of
their own; nothing else in the server reads the machine's.
"""

import datetime
import time
import zoneinfo
from typing import Protocol

TOKYO = zoneinfo.ZoneInfo("Asia/Tokyo")
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_MOST_STEPPED_SECONDS = 2 * MINUTE


class Clock(Protocol):
    """Tells the present moment, seconds since 1970 UTC."""

    def now(self) -> int:
        """Return the present moment."""

    def set_back(self) -> int:
        """Return how many seconds it is behind where it should be since this process began; 0 while it is not."""


class SystemClock:
    """The machine's clock, which NTP keeps right, held to the kernel's count of seconds, which nobody sets.

    It is compared with what it was at the beginning: one that ran ahead and came back was not set back.
    """

    def __init__(self) -> None:
        self._begun = time.time() - _elapsed()

    def now(self) -> int:
        """Return the present moment, whole seconds rounded down."""
        return int(time.time())

    def set_back(self) -> int:
        """Return how many seconds it is behind, 0 for what NTP may step."""
        behind = round(self._begun + _elapsed() - time.time())
        return behind if behind > _MOST_STEPPED_SECONDS else 0


def _elapsed() -> float:
    """Return seconds that go on while the machine sleeps, where the kernel counts such."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def moment(now: int) -> datetime.datetime:
    """Return `now` as an aware datetime in UTC."""
    return datetime.datetime.fromtimestamp(now, datetime.UTC)


def rfc3339(now: int) -> str:
    """Render `now` as RFC 3339 in UTC to the second, the form of every time on the wire and in `--json`."""
    return moment(now).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_in_tokyo(now: int) -> datetime.date:
    """Return the day of Japan that `now` falls on, for dates of applications and mails."""
    return datetime.datetime.fromtimestamp(now, TOKYO).date()


def minute_in_tokyo(now: int) -> str:
    """Return the minute of Japan that `now` falls on, for people: 2026-12-22 09:05."""
    return datetime.datetime.fromtimestamp(now, TOKYO).strftime("%Y-%m-%d %H:%M")


def start_of_day_in_tokyo(day: datetime.date) -> int:
    """Return the moment at which `day` begins in Japan, when what is due on it may be carried out."""
    return int(datetime.datetime.combine(day, datetime.time(), TOKYO).timestamp())
