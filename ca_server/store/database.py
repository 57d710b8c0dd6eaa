"""Where operations run: `await database.write(operation, …)` decides how, the operation never knows.

An operation is a plain synchronous function of a connection and the facts it needs; it is re-runnable, never commits,
and raising undoes it. On SQLite the loop gathers what arrives in one turn, and one writer thread with a synchronous
engine runs each operation in a savepoint of its own, commits once, and answers all (group commit, no timer). Look-ups
by key run on the loop's own read-only connection, long reads through aiosqlite. Traps this avoids, each measured: a
guard that raises in SQLAlchemy's commit event exits without committing; legacy savepoints outlive a rollback; a plain
BEGIN that reads and then writes fails with BUSY_SNAPSHOT at once; a full disk ends the outer transaction.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event, exc
from sqlalchemy.ext.asyncio import create_async_engine

from ca_server.store.errors import Overloaded, Unavailable

__all__ = ["Connection", "Database", "SynchronousDatabase"]

P = ParamSpec("P")
R = TypeVar("R")
Operation = Callable[Concatenate[Connection, P], R]

_MOST_WAITING = 2000
_BATCH = 64
_SECONDS_FOR_A_LOCK = 5
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-16384",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA trusted_schema=OFF",
)


def _writing_engine(path: Path) -> Engine:
    engine = _engine(path)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _engine(path: Path, *extra: str) -> Engine:
    """Return an engine of one connection, which is the driver's own that `Statement` runs on."""
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "cached_statements": 512, "timeout": _SECONDS_FOR_A_LOCK},
    )

    @event.listens_for(engine, "connect")
    def connect(raw: sqlite3.Connection, _: object) -> None:
        raw.isolation_level = None
        for pragma in (*_PRAGMAS, *extra):
            raw.execute(pragma)
        engine.update_execution_options(driver=raw)

    with engine.connect():
        pass
    return engine


def _trouble(error: BaseException) -> BaseException:
    """Return what a caller is told of an error that ended the outer transaction."""
    if isinstance(error, sqlite3.OperationalError | exc.OperationalError):
        unavailable = Unavailable(f"The database cannot be used now: {error}")
        unavailable.__cause__ = error
        return unavailable
    return error


class _Call:
    """An operation waiting for its answer."""

    def __init__(self, run: Callable[[Connection], object], future: "asyncio.Future[Any]") -> None:
        self.run = run
        self.future = future
        self.result: object = None
        self.error: BaseException | None = None


class _Writer:
    """The thread that owns the writing connection."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = _writing_engine(path)
        self._loop = loop
        self._batches: queue.SimpleQueue[list[_Call] | None] = queue.SimpleQueue()
        self._waiting: list[_Call] = []
        self._busy = False
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[Connection], object]) -> "asyncio.Future[Any]":
        if self._closed:
            raise Unavailable("The service is stopping.")
        if len(self._waiting) >= _MOST_WAITING:
            raise Overloaded("Too many requests wait for the database; try again.")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(_Call(run, future))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._hand_over)
        return future

    async def close(self) -> None:
        self._closed = True
        while self._busy:
            await asyncio.sleep(0.005)
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)
        self._engine.dispose()

    def _hand_over(self) -> None:
        batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
        batch = [call for call in batch if not call.future.cancelled()]
        if batch:
            self._batches.put(batch)
        elif self._waiting:
            self._loop.call_soon(self._hand_over)
        else:
            self._busy = False

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            commit(self._engine, batch)
            self._loop.call_soon_threadsafe(self._answer, batch)

    def _answer(self, batch: list[_Call]) -> None:
        for call in batch:
            if call.future.done():
                continue
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(call.result)
        if self._waiting:
            self._loop.call_soon(self._hand_over)
        else:
            self._busy = False


def commit(engine: Engine, batch: list[_Call]) -> None:
    """Run a batch in one transaction and leave each call its result or error.

    When the outer transaction breaks, nothing of it was kept: a batch of several is run again one by one, a single
    call gets Unavailable.
    """
    committed = False
    driver: sqlite3.Connection | None = None
    try:
        with engine.connect() as connection:
            driver = connection.get_execution_options()["driver"]
            transaction = connection.begin()
            for call in batch:
                _run(connection, driver, call)
            if not transaction.is_active or not driver.in_transaction:
                raise Unavailable("An operation ended the transaction that it ran in.")
            transaction.commit()
            committed = True
    except BaseException as error:
        if committed:
            return
        if driver is not None and driver.in_transaction:
            driver.rollback()
        if len(batch) == 1:
            batch[0].error = _trouble(error)
            return
        for call in batch:
            call.result, call.error = None, None
            commit(engine, [call])


def _run(connection: Connection, driver: sqlite3.Connection, call: _Call) -> None:
    driver.execute("SAVEPOINT operation")
    try:
        call.result = call.run(connection)
    except BaseException as error:
        call.error = _trouble(error)
        driver.execute("ROLLBACK TO operation")
    driver.execute("RELEASE operation")


class Database:
    """The records on SQLite: one writer, look-ups on the loop, long reads beside it."""

    def __init__(self, path: Path) -> None:
        self._writer = _Writer(path, asyncio.get_running_loop())
        self._looking = _engine(path, "PRAGMA query_only=ON")
        self._looker = self._looking.connect()
        self._reading = create_async_engine(
            f"sqlite+aiosqlite:///{path}", connect_args={"timeout": _SECONDS_FOR_A_LOCK}
        )
        self._watching = sqlite3.connect(path)

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the file in the running loop. Raises Unavailable when it cannot be."""
        try:
            return cls(path)
        except (sqlite3.Error, exc.DBAPIError) as error:
            raise Unavailable(f"The database {path} cannot be opened: {error}") from error

    async def write(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the operation and return its result after the commit that holds it.

        Raises what the operation raised, Overloaded, or Unavailable. A caller that is cancelled does not know the
        outcome.
        """
        result: R = await self._writer.submit(lambda connection: operation(connection, *args, **kwargs))
        return result

    def look(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a look-up by key at once, in one snapshot of the newest commit."""
        driver: sqlite3.Connection = self._looker.get_execution_options()["driver"]
        driver.execute("BEGIN")
        try:
            return operation(self._looker, *args, **kwargs)
        finally:
            driver.execute("COMMIT")

    async def lookup(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a look-up by key; awaitable, since other databases have to wait for it."""
        return self.look(operation, *args, **kwargs)

    async def read(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a long read, a list or an export, beside the loop."""
        async with self._reading.connect() as connection:
            return await connection.run_sync(lambda sync: operation(sync, *args, **kwargs))

    def data_version(self) -> int:
        """Return a number that changes with every commit of another connection, so that other processes are noticed."""
        return int(self._watching.execute("PRAGMA data_version").fetchone()[0])

    async def close(self) -> None:
        """Answer what waits, then close."""
        await self._writer.close()
        self._looker.close()
        self._looking.dispose()
        await self._reading.dispose()
        self._watching.close()


class SynchronousDatabase:
    """The same records for the command line: the same operations, one transaction each, without a loop."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise Unavailable(f"There is no database {path}; `warifu-ca init` makes one.")
        try:
            self._engine = _writing_engine(path)
        except (sqlite3.Error, exc.DBAPIError) as error:
            raise Unavailable(f"The database {path} cannot be opened: {error}") from error

    def write(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the operation in a transaction of its own and return its result after the commit."""
        call = _Call(lambda connection: operation(connection, *args, **kwargs), None)  # type: ignore[arg-type]
        commit(self._engine, [call])
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[return-value]

    read = write

    @contextlib.contextmanager
    def raw(self) -> Iterator[Connection]:
        """Lend a transaction, for migrations and the balance of the books."""
        with self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()
