"""The writer: one thread that owns SQLite's writing connection and commits for many at once.

The loop gathers what arrives in one turn and hands over one list; the thread runs each operation in a savepoint of its
own, commits once, and the loop answers all. No timer: whatever arrives during a commit is the next batch. Nobody is
answered before the commit.

Savepoints are the driver's, for SQLAlchemy's cost forty times as much. Some errors (disk full, I/O) make SQLite give up
the whole transaction; then nothing of the batch was kept, and each of its operations runs again alone. An operation
never commits: `Custody` denies it COMMIT and ROLLBACK in any form, and what SQLAlchemy then thinks of its transaction
is looked at before each commit, since leaving `engine.begin()` with an inactive one commits nothing and says nothing.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, RootTransaction

from ca_server.language import sentence
from ca_server.store.errors import Overloaded, Unavailable, translated

R = TypeVar("R")

_MOST_WAITING = 2000


class Custody:
    """SQLite's authorizer of the writing connection: denies COMMIT and ROLLBACK while an operation runs."""

    def __init__(self) -> None:
        self.operating = False

    def __call__(self, action: int, *_: str | None) -> int:
        """Answer SQLite, which asks whenever it compiles a statement."""
        denied = self.operating and action == sqlite3.SQLITE_TRANSACTION
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK


class Call(Generic[R]):
    """An operation with its arguments, and what came of it."""

    def __init__(self, operation: Callable[[Connection], R]) -> None:
        self.operation = operation
        self.error: BaseException | None = None
        self.result: R

    def outcome(self) -> R:
        """Return the result, or raise what the operation or the commit raised."""
        if self.error is not None:
            raise self.error
        return self.result


def commit(engine: Engine, batch: list[Call[Any]]) -> None:
    """Run a batch in one transaction and leave each call its result or its error; raises nothing.

    When the outer transaction breaks, nothing of it was kept: a batch of several runs again one by one, a single call
    gets the error. When it cannot even begin (another process holds the lock), all get Unavailable, for each of them
    alone would wait as long again.
    """
    begun = committed = False
    driver: sqlite3.Connection | None = None
    try:
        with engine.connect() as connection:
            driver = connection.get_execution_options()["driver"]
            custody = connection.get_execution_options()["custody"]
            transaction = connection.begin()
            begun = True
            for call in batch:
                _run(connection, driver, custody, call)
                _require_whole(transaction, driver)
                _end_savepoint(driver, call)
            transaction.commit()
            committed = True  # nothing raised from here on may start the replay
    except BaseException as error:
        if committed:
            return
        if driver is not None:
            with contextlib.suppress(sqlite3.Error):
                driver.rollback()
        if begun and len(batch) > 1:
            for call in batch:
                commit(engine, [call])
            return
        for call in batch:
            call.error = translated(call.error or error)


def _run(connection: Connection, driver: sqlite3.Connection, custody: Custody, call: Call[Any]) -> None:
    call.error = None
    driver.execute("SAVEPOINT operation")
    custody.operating = True
    try:
        call.result = call.operation(connection)
    except BaseException as error:
        call.error = translated(error)
    finally:
        custody.operating = False


def _require_whole(transaction: RootTransaction, driver: sqlite3.Connection) -> None:
    """Do nothing while the outer transaction stands for SQLAlchemy and for SQLite. Raises Unavailable otherwise."""
    if not transaction.is_active or not driver.in_transaction:
        raise Unavailable(sentence("An operation ended the transaction that it ran in."))


def _end_savepoint(driver: sqlite3.Connection, call: Call[Any]) -> None:
    if call.error is not None:
        driver.execute("ROLLBACK TO operation")
    driver.execute("RELEASE operation")


class Writer:
    """Gathers calls on the loop, runs them on its thread, answers them on the loop."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, batch_limit: int) -> None:
        self._engine = engine
        self._loop = loop
        self._batch_limit = batch_limit
        self._waiting: list[tuple[Call[Any], asyncio.Future[None]]] = []
        self._batches: queue.SimpleQueue[list[tuple[Call[Any], asyncio.Future[None]]] | None] = queue.SimpleQueue()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    async def run(self, call: Call[R]) -> R:
        """Return the call's outcome after the commit. Raises Overloaded when 2000 wait, Unavailable when closed."""
        if self._closed:
            raise Unavailable(sentence("The database is closed."))
        if len(self._waiting) >= _MOST_WAITING:
            raise Overloaded(sentence("Too many requests wait for the database; try again."))
        answered = self._loop.create_future()
        self._waiting.append((call, answered))
        if self._idle.is_set():
            self._idle.clear()
            self._loop.call_soon(self._hand_over)
        await answered
        return call.outcome()

    async def close(self) -> None:
        """Refuse what comes, answer what waits, then end the thread."""
        self._closed = True
        await self._idle.wait()
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)
        self._engine.dispose()

    def _hand_over(self) -> None:
        """Give the thread what has gathered; who was cancelled before that leaves no trace."""
        waiting = [(call, answered) for call, answered in self._waiting if not answered.cancelled()]
        batch, self._waiting = waiting[: self._batch_limit], waiting[self._batch_limit :]
        if batch:
            self._batches.put(batch)
        else:
            self._idle.set()

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            commit(self._engine, [call for call, _ in batch])
            self._loop.call_soon_threadsafe(self._answer, batch)

    def _answer(self, batch: list[tuple[Call[Any], "asyncio.Future[None]"]]) -> None:
        for _, answered in batch:
            if not answered.cancelled():
                answered.set_result(None)
        self._loop.call_soon(self._hand_over)  # not at once: those just answered may have more to write in this turn
