"""The records as a process of the responder reads them: a file on this machine, or a database of PostgreSQL.

In a file a worker looks at once, in the middle of its loop. A database is asked beside the loop, and a worker that asks
it hands the question over to those who wait (`answers.Waits`); when it does not answer within half a second, or too
many ask, the answers kept ready are given while they are valid, as when there are no records.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from ca_server import store
from ca_server.authority import ocsp
from ca_server.operations.publication import told
from ca_server.responder.answers import Waits
from ca_server.store import standings
from ca_server.whereabouts import Cluster, Whereabouts

Found = TypeVar("Found")

_SECONDS_LEFT_ALONE: Final = 0.5
_SECONDS_FOR_A_LOCK: Final = 0.1
_SECONDS_FOR_AN_ANSWER: Final = 0.5
_MOST_ASKING: Final = 64
_LINES: Final = 2


def records_at(where: Whereabouts) -> "Records | DistantRecords":
    """Return the records for a worker."""
    return Records(where) if isinstance(where, Path) else DistantRecords(where)


class Records:
    """The records in a file, opened when they are first asked, and again after trouble or when others lie there.

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


class Changes:
    """The changes in a database of PostgreSQL, for the keeper; it is reached when it is first asked."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._records: store.SynchronousDatabase | None = None

    def since(self, after: int, most: int, witness: str | None) -> standings.Stretch:
        """Return the changes after a place."""
        if self._records is None:
            self._records = store.SynchronousDatabase(self._cluster)
        return self._records.read(standings.since, after, most, witness)


class DistantRecords:
    """The records in a database of PostgreSQL, for a worker. After trouble they are left alone for a moment."""

    def __init__(self, cluster: Cluster) -> None:
        from ca_server.store.postgresql import ClusterDatabase  # takes a while, and a file needs none of it

        self._reached = functools.partial(ClusterDatabase.reached, cluster, _LINES)
        self._database: ClusterDatabase | None = None
        self._opening = asyncio.Lock()
        self._asking = 0
        self._left_alone_until = 0.0

    def told(self, issuer: str, serial: str) -> ocsp.OcspStatus:
        """Raise Waits for whoever can wait, or Unavailable when the records are left alone."""
        if self._asking >= _MOST_ASKING or time.monotonic() < self._left_alone_until:
            raise store.Unavailable("The records could not be read a moment ago.")
        raise Waits(functools.partial(self._asked, issuer, serial))

    async def close(self) -> None:
        """Hang up."""
        if self._database is not None:
            await self._database.close()

    async def _asked(self, issuer: str, serial: str) -> ocsp.OcspStatus:
        self._asking += 1
        try:
            async with asyncio.timeout(_SECONDS_FOR_AN_ANSWER):
                async with self._opening:
                    if self._database is None:
                        self._database = await self._reached()
                return await self._database.lookup(told, issuer, serial)
        except Exception:
            self._left_alone_until = time.monotonic() + _SECONDS_LEFT_ALONE
            raise
        finally:
            self._asking -= 1


def _inode(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino
