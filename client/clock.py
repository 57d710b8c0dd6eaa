"""What time it is on this PC, asked by all that compare or write down a moment.

One function, so that a rehearsal of two years can give all of the client one clock.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_JAPAN: Final = timezone(timedelta(hours=9), "JST")  # by no table of zones, which Windows lacks; it has no summer time


def now() -> datetime:
    """Return the time in UTC."""
    return _read()


def day(moment: datetime) -> str:
    """Return the day of Japan that a moment falls on, as mails and help desk name it."""
    return f"{moment.astimezone(_JAPAN):%Y-%m-%d}"


def minute(moment: datetime) -> str:
    """Return the minute of Japan, with its zone, for people; programs are given RFC 3339."""
    return f"{moment.astimezone(_JAPAN):%Y-%m-%d %H:%M %Z}"


@contextmanager
def told_by(read: Callable[[], datetime]) -> Iterator[None]:
    """Let another clock tell the time while the block runs."""
    global _read  # noqa: PLW0603 (there is one time for the whole process)
    before, _read = _read, read
    try:
        yield
    finally:
        _read = before


def _of_the_system() -> datetime:
    return datetime.now(UTC)


_read = _of_the_system
