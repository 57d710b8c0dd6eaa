"""The log of what the schedule did, and of what failed: one line a run in HOME/log, below it what hooks said.

    2027-11-12T03:04:05Z warifu/0.1.0 renew F123456-001=renewed:2028-12-11T15:00:00Z hook=deploy/nginx:0 exit=0

English words for programs and the help desk; never a secret. At a megabyte the file makes way to `log.1`; one
process at a time writes it (`log.lock`).
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from client.clock import now
from client.config import agent
from client.errors import TryLater
from client.stores.lock import locked
from protocol.members import rfc3339

MOST_OCTETS: Final = 1_000_000

LOG: Final = "log"

_TAIL = 65_536  # octets, more than any entry with its hooks' output
_A_DAY, _MOST_OF_A_DAY = timedelta(hours=30), timedelta(hours=18)  # a timer starts at a random moment of its hour


def write_line(home: Path, words: Sequence[str], below: Sequence[str] = ()) -> str:
    """Add a run to the log and return its line. A log that cannot be written stops nothing."""
    line = _printable(" ".join((rfc3339(now()), agent(), *words)))
    octets = "".join(f"{each}\n" for each in (line, *(f"    {_printable(each)}" for each in below))).encode()
    path = home / LOG
    with suppress(OSError, TryLater), locked(home / f"{LOG}.lock"):
        if path.exists() and path.stat().st_size + len(octets) > MOST_OCTETS:
            path.replace(home / f"{LOG}.1")
        with open(path, "ab", opener=_private) as file:
            file.write(octets)
    return line


def last_line(home: Path) -> str | None:
    """Return the log's last entry, None when there is none that can be read."""
    return next(reversed(_entries(home)), None)


def runs_daily(home: Path) -> bool:
    """Tell whether something, such as cron, starts `renew` each day: it ran in the last day and a day before that."""
    moments = [_moment(each) for each in _entries(home) if " renew " in each]
    newest = max((each for each in moments if each is not None and each <= now()), default=None)
    if newest is None or now() - newest > _A_DAY:
        return False
    return any(each is not None and _MOST_OF_A_DAY <= newest - each <= 2 * _A_DAY for each in moments)


def _moment(line: str) -> datetime | None:
    """Return when an entry was written, None for what somebody else wrote."""
    try:
        moment = datetime.fromisoformat(line.partition(" ")[0])
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def _entries(home: Path) -> list[str]:
    """Return the log's newest entries, oldest first, none when it cannot be read."""
    try:
        with (home / LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [each for each in lines if each and not each.startswith(" ")]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
