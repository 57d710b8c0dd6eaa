"""The writer: what arrives in a few turns of the loop shares one commit of SQLite's writing connection.

The loop runs each operation in a savepoint of its own; a thread commits, which waits for the disk, and the loop answers
all. A thread that ran the operations as well would pass the interpreter's lock to and fro at every statement, some
hundred times an enrolment. Only when another process holds SQLite's lock does the thread wait for it and run the batch.
No timer: whatever arrives during a commit, and after it while turns of the loop still bring somebody, is the next
batch. Nobody is answered before the commit.

Transactions and savepoints are the driver's, for SQLAlchemy's cost forty times as much; it thinks that it is in one and
the same transaction all the time. Some errors (disk full, I/O) make SQLite give up the whole transaction; then nothing
of the batch was kept, and each of its operations runs again alone. An operation never commits: `Custody` denies it
COMMIT and ROLLBACK in any form, and what SQLAlchemy then thinks of its transaction is looked at after each operation.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine

from ca_server.language import sentence
from ca_server.store.errors import Overloaded, Unavailable, translated

R = TypeVar("R")

_MOST_WAITING = 2000
_QUIET_TURNS = 4  # to read what has come, for those whom that wakes, for those just answered and what they send next
_MOST_TURNS = 24


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
        self.context = copy_context()  # it runs in another's turn, and what it logs is about its own request
        self.error: BaseException | None = None
        self.result: R

    def outcome(self) -> R:
        """Return the result, or raise what the operation or the commit raised."""
        if self.error is not None:
            raise self.error
        return self.result


class Line:
    """The connection that is written through, kept: taking one from SQLAlchemy and giving it back costs 50 µs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def begin(self, *, patient: bool) -> Connection:
        """Take SQLite's lock and return the connection, a new one after trouble. Raises the driver's error."""
        if self._connection is None or self._connection.closed:
            self._connection = self._engine.connect()
            self._connection.begin()
        options = self._connection.get_execution_options()
        with _patience(options["driver"], options["patience"]) if patient else contextlib.nullcontext():
            options["driver"].execute("BEGIN IMMEDIATE")
        return self._connection

    def close(self) -> None:
        """Give the connection back, in whatever state it is."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
        self._connection = None


class Batch:
    """Operations that share a transaction: begun and run where they arrive, committed where waiting harms nobody.

    Nothing here raises. When the transaction breaks, nothing of it was kept: a batch of several runs again one by one,
    a single call gets the error. When it cannot even begin (another process holds the lock), all get Unavailable, for
    each of them alone would wait as long again.
    """

    def __init__(self, line: Line, calls: list[Call[Any]]) -> None:
        self._line = line
        self._calls = calls
        self._connection: Connection | None = None
        self._trouble: BaseException | None = None

    def begin(self, *, patient: bool) -> bool:
        """Take the lock; False when another has it and it was not to be waited for. Other trouble shows at the end."""
        try:
            self._connection = self._line.begin(patient=patient)
        except BaseException as error:
            if not patient and _is_busy(error):
                return False
            self._line.close()
            self._trouble = error
        return True

    def run(self) -> None:
        """Run each operation in a savepoint of its own, while the transaction stands."""
        if self._connection is None:
            return
        options = self._connection.get_execution_options()
        driver, custody = options["driver"], options["custody"]
        try:
            for call in self._calls:
                _run(self._connection, driver, custody, call)
                _require_whole(self._connection, driver)
                _end_savepoint(driver, call)
        except BaseException as error:
            self._trouble = error

    def commit(self) -> None:
        """Commit, and leave each call its result or its error; what broke is run again here."""
        driver = None if self._connection is None else self._connection.get_execution_options()["driver"]
        if driver is not None and self._trouble is None:
            try:
                driver.commit()
            except BaseException as error:
                self._trouble = error
        if self._trouble is None:
            return
        if driver is not None:
            with contextlib.suppress(sqlite3.Error):
                driver.rollback()
        self._line.close()
        if driver is not None and len(self._calls) > 1:
            for call in self._calls:
                commit(self._line, [call])
            return
        for call in self._calls:
            call.error = translated(call.error or self._trouble)


def commit(line: Line, calls: list[Call[Any]]) -> None:
    """Run a batch in one transaction and leave each call its result or its error; raises nothing."""
    batch = Batch(line, calls)
    batch.begin(patient=True)
    batch.run()
    batch.commit()


@contextlib.contextmanager
def _patience(driver: sqlite3.Connection, milliseconds: int) -> Iterator[None]:
    """Let SQLite wait for another's lock, of which it says at once otherwise."""
    driver.execute(f"PRAGMA busy_timeout={milliseconds}")
    try:
        yield
    finally:
        driver.execute("PRAGMA busy_timeout=0")


def _is_busy(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF == sqlite3.SQLITE_BUSY


def _run(connection: Connection, driver: sqlite3.Connection, custody: Custody, call: Call[Any]) -> None:
    call.error = None
    driver.execute("SAVEPOINT operation")
    custody.operating = True
    try:
        call.result = call.context.run(call.operation, connection)
    except BaseException as error:
        call.error = translated(error)
    finally:
        custody.operating = False


def _require_whole(connection: Connection, driver: sqlite3.Connection) -> None:
    """Do nothing while the outer transaction stands for SQLAlchemy and for SQLite. Raises Unavailable otherwise."""
    transaction = connection.get_transaction()
    if transaction is None or not transaction.is_active or not driver.in_transaction:
        raise Unavailable(sentence("An operation ended the transaction that it ran in."))


def _end_savepoint(driver: sqlite3.Connection, call: Call[Any]) -> None:
    if call.error is not None:
        driver.execute("ROLLBACK TO operation")
    driver.execute("RELEASE operation")


class Writer:
    """Gathers calls on the loop and runs them there, commits on its thread, answers on the loop."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, batch_limit: int) -> None:
        self._engine = engine
        self._line = Line(engine)
        self._loop = loop
        self._batch_limit = batch_limit
        self._waiting: list[tuple[Call[Any], asyncio.Future[None]]] = []
        self._batches: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
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
            self._gather()
        await answered
        return call.outcome()

    @property
    def waiting(self) -> int:
        """Return how many wait for their turn."""
        return len(self._waiting)

    async def close(self) -> None:
        """Refuse what comes, answer what waits, then end the thread."""
        self._closed = True
        await self._idle.wait()
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)
        self._line.close()
        self._engine.dispose()

    def _gather(self, seen: int = 0, quiet: int = 0, turns: int = 0) -> None:
        """Let turns of the loop pass until some in a row bring nobody along, then hand over."""
        come = len(self._waiting)
        quiet = 0 if come > seen else quiet + 1
        if quiet < _QUIET_TURNS and turns < _MOST_TURNS and come < self._batch_limit:
            self._loop.call_soon(self._gather, come, quiet, turns + 1)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        """Run what has gathered and let the thread commit it; who was cancelled before that leaves no trace."""
        waiting = [(call, answered) for call, answered in self._waiting if not answered.cancelled()]
        taken, self._waiting = waiting[: self._batch_limit], waiting[self._batch_limit :]
        if not taken:
            self._idle.set()
            return
        calls = [call for call, _ in taken]
        batch = Batch(self._line, calls)
        begun = batch.begin(patient=False)
        if begun:
            batch.run()

        def finish() -> None:
            if begun:
                batch.commit()
            else:
                commit(self._line, calls)
            self._loop.call_soon_threadsafe(self._answer, taken)

        self._batches.put(finish)

    def _work(self) -> None:
        while (finish := self._batches.get()) is not None:
            finish()

    def _answer(self, batch: list[tuple[Call[Any], "asyncio.Future[None]"]]) -> None:
        for _, answered in batch:
            if not answered.cancelled():
                answered.set_result(None)
        self._loop.call_soon(self._gather)  # those answered go on first
