"""Days that pass as a test wants: whatever is started meanwhile takes the time from libfaketime.

The service, its commands, the clients and the judges read one offset from one file, once a second, so that they agree,
and a day passes for all of them when the file changes. Only the day of the machine is moved: waiting and timeouts go by
the monotonic clock, which stays what it is.
"""

import contextlib
import datetime
import time
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest

TOKYO = zoneinfo.ZoneInfo("Asia/Tokyo")


class Days:
    """The time in which the agency lives, told as Japan tells it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0.0

    @property
    def today(self) -> datetime.date:
        """Return the day it is there."""
        return datetime.datetime.fromtimestamp(time.time() + self._offset, TOKYO).date()

    @property
    def now(self) -> datetime.datetime:
        """Return the moment it is there."""
        return datetime.datetime.fromtimestamp(time.time() + self._offset, datetime.UTC)

    def move_to(self, moment: str) -> None:
        """Go on to a moment of Japan, such as `2026-12-22 10:00`; a moment that has passed already stays passed."""
        wanted = datetime.datetime.fromisoformat(moment).replace(tzinfo=TOKYO).timestamp() - time.time()
        self._set(max(wanted, self._offset))

    def jump(self, days: float) -> None:
        """Jump some days ahead, or back as no clock should."""
        self._set(self._offset + days * 86_400)

    def _set(self, offset: float) -> None:
        self._offset = offset
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._offset:+.3f}\n")
        fresh.rename(self._file)  # at once: nobody reads half an offset


@contextlib.contextmanager
def days(folder: Path, begin: str) -> Iterator[Days]:
    """Let everything that is started from now on live in days that begin then, or skip the test without libfaketime."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("libfaketime is missing: install the Debian package libfaketime")
    file = folder / "offset"
    passing = Days(file)
    passing.move_to(begin)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }.items():
            patch.setenv(name, value)
        yield passing
