"""The records in a file of SQLite.

Writes go to the one writer, which commits for many at once (`writer`). Look-ups by key run at once on the loop's own
read-only connection, long reads through aiosqlite beside it; each sees one state from beginning to end. A plain BEGIN
that reads and then writes fails with BUSY_SNAPSHOT at once, whatever the timeout: so writing begins with BEGIN
IMMEDIATE, and what reads is `query_only`. The driver's own transactions are switched off everywhere
(`isolation_level = None`), because its savepoints outlive a rollback.
"""

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

from ca_server import tracing
from ca_server.language import sentence
from ca_server.store.database import Database, Operation
from ca_server.store.errors import Unavailable
from ca_server.store.writer import Call, Custody, Line, Writer, commit

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

P = ParamSpec("P")
R = TypeVar("R")

_SECONDS_FOR_A_LOCK = 5
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # NORMAL may lose the last commits when the power fails
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-16384",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA trusted_schema=OFF",
)
_READ_ONLY = (*_PRAGMAS, "PRAGMA query_only=ON")


def _engine(path: Path, pragmas: tuple[str, ...], patience: float) -> Engine:
    """Return an engine of one connection, the driver's own of which is the execution option that `Statement` uses.

    It makes no file: an empty one beside the write-ahead log of one that is away would take that in. Parameters never
    show in its errors, since they may be secrets.
    """
    engine = create_engine(
        URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"}),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "cached_statements": 512, "timeout": patience},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def connect(raw: sqlite3.Connection, _: object) -> None:
        _prepare(raw, pragmas)
        engine.update_execution_options(driver=raw)

    return engine


def _writing_engine(path: Path) -> Engine:
    engine = _engine(path, _PRAGMAS, _SECONDS_FOR_A_LOCK)
    custody = Custody()
    engine.update_execution_options(custody=custody, patience=int(1000 * _SECONDS_FOR_A_LOCK))

    @event.listens_for(engine, "connect")
    def connect(raw: sqlite3.Connection, _: object) -> None:
        raw.set_authorizer(custody)
        raw.execute("PRAGMA busy_timeout=0")  # the loop never waits; who may, says so when it begins (`Line`)

    with engine.connect():  # a file that cannot be opened is noticed now
        return engine


def _reading_engine(path: Path) -> "AsyncEngine":
    from sqlalchemy.ext.asyncio import create_async_engine  # with it comes the ORM, which no command waits for

    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"timeout": _SECONDS_FOR_A_LOCK},
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def connect(raw: DBAPIConnection, _: object) -> None:
        _prepare(raw, _READ_ONLY)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _prepare(raw: DBAPIConnection | sqlite3.Connection, pragmas: tuple[str, ...]) -> None:
    raw.isolation_level = None
    cursor = raw.cursor()
    for pragma in pragmas:
        cursor.execute(pragma)
    cursor.close()


class Glass:
    """A connection to look through: each look is one snapshot of the newest commit. It never makes a writer wait.

    `patience` is for how many seconds it waits for a lock. Raises the driver's error when there is no such file or it
    cannot be opened.
    """

    def __init__(self, path: Path, patience: float = _SECONDS_FOR_A_LOCK) -> None:
        self._engine = _engine(path, _READ_ONLY, patience)
        self._connection = self._engine.connect()
        self._driver: sqlite3.Connection = self._connection.get_execution_options()["driver"]

    def look(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a look-up by key at once, in one snapshot of the newest commit."""
        self._driver.execute("BEGIN")
        try:
            return operation(self._connection, *args, **kwargs)
        finally:
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")  # kept compiled, which the driver's own `rollback` is not

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._engine.dispose()


def _existing(path: Path) -> Path:
    if not path.exists():
        raise Unavailable(
            sentence(
                "There is no database {path}: bring it back, or restore a backup (`warifu-ca restore`).", path=path
            )
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise Unavailable(sentence("{path} is the service's account's; run the command by that one.", path=path))
    return path


class FileDatabase(Database):
    """The records in a file: one writer, look-ups on the loop, long reads beside it.

    Raises the driver's error when the file cannot be opened.
    """

    def __init__(self, path: Path, batch_limit: int) -> None:
        engine = _writing_engine(_existing(path))
        self._glass = Glass(path)
        self._reading = _reading_engine(path)
        self._watching = sqlite3.connect(path)
        self._writer = Writer(engine, asyncio.get_running_loop(), batch_limit)

    async def write(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the operation and return its result after the commit that holds it.

        Raises what the operation raised, Overloaded, or Unavailable. A caller that is cancelled does not know the
        outcome.
        """
        with tracing.span("write", operation):
            return await self._writer.run(Call(lambda connection: operation(connection, *args, **kwargs)))

    async def lookup(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a look-up by key at once, in one snapshot of the newest commit."""
        with tracing.span("lookup", operation):
            return self._glass.look(operation, *args, **kwargs)

    async def read(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a long read, a list or an export, in one snapshot; the loop goes on while its statements run."""
        async with self._reading.begin() as connection:
            return await connection.run_sync(lambda sync: operation(sync, *args, **kwargs))

    def waiting(self) -> int:
        """Return how many operations wait for the writer."""
        return self._writer.waiting

    async def data_version(self) -> object:
        """Return what changes with every commit of this process and others, so that theirs are noticed."""
        return int(self._watching.execute("PRAGMA data_version").fetchone()[0])

    async def close(self) -> None:
        """Refuse what comes, answer what waits, then close."""
        await self._writer.close()
        self._glass.close()
        await self._reading.dispose()
        self._watching.close()


class SynchronousFile:
    """The records in a file for the command line: a transaction an operation, without a loop."""

    def __init__(self, path: Path) -> None:
        self._engine = _writing_engine(_existing(path))
        self._line = Line(self._engine)
        self._glass = Glass(path)

    def write(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the operation in a transaction of its own and return its result after the commit."""
        call = Call(lambda connection: operation(connection, *args, **kwargs))
        commit(self._line, [call])
        return call.outcome()

    def read(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a read in one snapshot of the newest commit; it never makes a running service wait."""
        return self._glass.look(operation, *args, **kwargs)

    def close(self) -> None:
        """Close the file."""
        self._glass.close()
        self._line.close()
        self._engine.dispose()
