"""Lets one process at a time change a store: an advisory lock on a file, which the system drops when the process dies.

`flock` on POSIX (it belongs to the open file, so that two threads exclude each other too), `msvcrt.locking` on Windows.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from client.errors import TryLater
from client.language import sentence

WAIT_SECONDS: Final = 10.0

LOCK: Final = "lock"
"""The file in a home whose lock is held."""

_POLL_SECONDS = 0.05

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of a file while the block runs; closing the file gives it back.

    Raises TryLater when another process does not give it back in time.
    """
    ends = time.monotonic() + wait_seconds
    with open(path, "ab", opener=_private) as file:
        while not _taken(file):
            if time.monotonic() > ends:
                raise TryLater(
                    "locked",
                    sentence("Another warifu is at work in {folder}."),
                    sentence("Let it finish, or answer its question, and try again."),
                    facts={"folder": path.parent},
                )
            time.sleep(_POLL_SECONDS)
        yield


def home_above(folder: Path) -> Path:
    """Return the home that a folder is in, known by its lock; a folder in none is its own."""
    return next((each for each in folder.parents if (each / LOCK).is_file()), folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _taken(file: IO[bytes]) -> bool:
    try:
        _take(file)
    except OSError:
        return False
    return True
