"""The records on this machine, as a process of the responder reads them."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from ca_server import store
from ca_server.authority import ocsp
from ca_server.operations.publication import told
from ca_server.store import standings

Found = TypeVar("Found")

_SECONDS_LEFT_ALONE: Final = 0.5
_SECONDS_FOR_A_LOCK: Final = 0.1


class Records:
    """The records on this machine, opened when they are first asked, and again after trouble or when others lie there.

    After trouble they are left alone for a moment: thousands a second may ask.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._glass: store.Glass | None = None
        self._stamp: tuple[int, ...] = ()
        self._left_alone_until = 0.0

    def since(self, after: int, most: int, witness: str | None) -> standings.Stretch:
        """Return the changes after a place."""
        return self._look(lambda connection: standings.since(connection, after, most, witness))

    def told(self, issuer: str, serial: str) -> ocsp.OcspStatus:
        """Return how a certificate stands."""
        return self._look(lambda connection: told(connection, issuer, serial))

    def _look(self, operation: Callable[[store.Connection], Found]) -> Found:
        if time.monotonic() < self._left_alone_until:
            raise store.Unavailable("The records could not be read a moment ago.")
        try:
            if self._glass is not None and self._stamp == self._lying():
                return self._glass.look(operation)
            return self._looked_anew(operation)
        except Exception:
            self._left_alone_until = time.monotonic() + _SECONDS_LEFT_ALONE
            self._close()
            raise

    def _looked_anew(self, operation: Callable[[store.Connection], Found]) -> Found:
        self._close()
        before = _inode(self._path)
        self._glass = store.Glass(self._path, _SECONDS_FOR_A_LOCK)
        found = self._glass.look(operation)
        self._stamp = (*before, *self._lying()[len(before) :])
        return found

    def _lying(self) -> tuple[int, ...]:
        """Return what tells the records that lie there from others.

        A copy over the file has its inode. But whoever restores removes what belonged to the old one, its `-shm` too,
        and who looks through the old `-shm` sees nothing of what is written from then on. The first look makes or finds
        it.
        """
        return (*_inode(self._path), *_inode(self._path.with_name(f"{self._path.name}-shm")))

    def _close(self) -> None:
        if self._glass is not None:
            with contextlib.suppress(Exception):
                self._glass.close()
            self._glass = None


def _inode(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino
