"""Where operations run: `await database.write(operation, …)` decides how, the operation never knows.

An operation is a plain synchronous function of a connection and the facts it needs; it is re-runnable, never commits,
and raising undoes it. It ends with the first error of the database that it meets, for PostgreSQL runs nothing more in
that transaction. Two kinds of records lie below: a file of SQLite for one machine (`sqlite`), a database of PostgreSQL
for several (`postgresql`). Each is imported when it is opened, so that no command waits for the other.
"""

import abc
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from ca_server.store.errors import opening
from ca_server.whereabouts import Whereabouts

__all__ = ["Connection", "Database", "Operation", "SynchronousDatabase"]

P = ParamSpec("P")
R = TypeVar("R")
Operation = Callable[Concatenate[Connection, P], R]


class Database(abc.ABC):
    """The records of a running server."""

    @staticmethod
    async def open(where: Whereabouts, *, batch_limit: int = 64) -> "Database":
        """Open the records in the running loop; in a file at most `batch_limit` operations share a commit.

        Raises Unavailable when there are none or they cannot be opened.
        """
        with opening(where):
            if isinstance(where, Path):
                from ca_server.store.sqlite import FileDatabase

                return FileDatabase(where, batch_limit)
            from ca_server.store.postgresql import ClusterDatabase

            return await ClusterDatabase.reached(where)

    @abc.abstractmethod
    async def write(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the operation and return its result after the commit that holds it.

        Raises what the operation raised, Overloaded, or Unavailable. A caller that is cancelled does not know the
        outcome.
        """

    @abc.abstractmethod
    async def lookup(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a look-up by key, in one snapshot of the newest commit."""

    @abc.abstractmethod
    async def read(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a long read, a list or an export, in one snapshot; the loop goes on while its statements run."""

    @abc.abstractmethod
    def waiting(self) -> int:
        """Return how many operations wait for their turn."""

    @abc.abstractmethod
    async def data_version(self) -> object:
        """Return what changes with every commit of this process and others, so that theirs are noticed."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Refuse what comes, answer what waits, then close."""


class _Synchronous(Protocol):
    def write(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    def read(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    def close(self) -> None: ...


class SynchronousDatabase:
    """The same records for the command line: the same operations, a transaction each, for callers without a loop.

    Raises Unavailable when there are none or they cannot be opened.
    """

    def __init__(self, where: Whereabouts) -> None:
        self._records: _Synchronous
        with opening(where):
            if isinstance(where, Path):
                from ca_server.store.sqlite import SynchronousFile

                self._records = SynchronousFile(where)
            else:
                from ca_server.store.postgresql import SynchronousCluster

                self._records = SynchronousCluster(where)

    def write(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the operation in a transaction of its own and return its result after the commit."""
        return self._records.write(operation, *args, **kwargs)

    def read(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a read in one snapshot of the newest commit; it never makes a running service wait."""
        return self._records.read(operation, *args, **kwargs)

    def close(self) -> None:
        """Close them."""
        self._records.close()
