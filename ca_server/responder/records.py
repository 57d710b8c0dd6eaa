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
        self._stamp = (0, 0)
        self._left_alone_until = 0.0

    def since(self, after: int, most: int, witness: standings.Witness | None) -> standings.Stretch:
        """Return the changes after a place."""
        return self._look(lambda connection: standings.since(connection, after, most, witness))

    def told(self, issuer: str, serial: str) -> ocsp.OcspStatus:
        """Return how a certificate stands."""
        return self._look(lambda connection: told(connection, issuer, serial))

    def _look(self, operation: Callable[[store.Connection], Found]) -> Found:
        if time.monotonic() < self._left_alone_until:
            raise store.Unavailable("The records could not be read a moment ago.")
        try:
            return self._opened().look(operation)
        except Exception:
            self._left_alone_until = time.monotonic() + _SECONDS_LEFT_ALONE
            self._close()
            raise

    def _opened(self) -> store.Glass:
        found = self._path.stat()
        stamp = found.st_dev, found.st_ino
        if self._glass is None or stamp != self._stamp:
            self._close()
            self._glass, self._stamp = store.Glass(self._path, _SECONDS_FOR_A_LOCK), stamp
        return self._glass

    def _close(self) -> None:
        if self._glass is not None:
            with contextlib.suppress(Exception):
                self._glass.close()
            self._glass = None
