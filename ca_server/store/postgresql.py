"""The records in a database of PostgreSQL, for several servers at once.

Every write is a serializable transaction of its own on one of a few connections: an operation reads and then writes,
and at a weaker level of isolation forty that add one at the same time ended at three. Who loses such a race is rolled
back and runs again, and so does who lost the connection before COMMIT was sent; when its answer was lost, nobody knows,
and the caller is told so. What reads sees one snapshot and never waits. A caller that is cancelled leaves its operation
to its end.
"""

import asyncio
import functools
import random
import sys
import time
import weakref
from _thread import start_new_thread
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, Self, TypeVar

from sqlalchemy import text

from ca_server import tracing
from ca_server.language import sentence
from ca_server.store.database import Connection, Database, Operation
from ca_server.store.errors import Overloaded, StoreError, Unavailable, Unsure, opening, sqlstate, translated
from ca_server.store.lines import LOOK, READ, WRITE, Line, Lines, connect
from ca_server.whereabouts import Cluster

__all__ = ["ClusterDatabase", "SynchronousCluster", "connect"]

P = ParamSpec("P")
R = TypeVar("R")

_WRITING = 10
_READING = 2
_SECONDS_TO_TRY = 5.0
_LONGEST_PAUSE = 0.2
_CONFLICT = frozenset({"40001", "40P01", "0A000"})
"""Who lost a race, or met a plan made for the schema as it was."""
_AWAY = ("08", "25006", "53300", "57P0")
_OLDEST = 130000

_SNAPSHOT = "SELECT pg_current_snapshot()::text"
_CHARACTER = text(
    "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), "
    "current_setting('synchronous_commit'), 'B' < 'a' AND '-1' < '0' AND 'z' < '~'"
)


def _characteristics(connection: Connection) -> None:
    """Do nothing for a database that keeps what is asked of it. Raises Unavailable saying what to change."""
    version, encoding, commit, in_order = connection.execute(_CHARACTER).one()
    if version < _OLDEST:
        raise Unavailable(sentence("PostgreSQL 13 or newer is needed."))
    if encoding != "UTF8" or not in_order:
        raise Unavailable(
            sentence(
                "The database must hold UTF-8 and sort by code points; make it anew with "
                "`createdb --template=template0 --encoding=UTF8 --locale=C`."
            )
        )
    if commit == "off":
        raise Unavailable(sentence("synchronous_commit is off, and nobody may be answered before the commit."))


class ClusterDatabase(Database):
    """The records on PostgreSQL: a pool for operations, a smaller one for long reads."""

    def __init__(self, cluster: Cluster, most: int) -> None:
        self._cluster = cluster
        self._lines = Lines(cluster, most)
        self._reading = Lines(cluster, min(most, _READING))
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    @classmethod
    async def reached(cls, cluster: Cluster, most: int = _WRITING) -> Self:
        """Return the records, of which one connection at least was made. Raises Unavailable or OSError."""
        made = cls(cluster, most)
        try:
            async with made._lines.one() as line:
                await line.run(LOOK, _characteristics)
        except BaseException:
            await made.close()
            raise
        return made

    async def write(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the operation, again when it lost a race or its connection, and return its result after the commit."""
        with tracing.span("write", operation):
            return await self._shielded(self._lines, WRITE, lambda connection: operation(connection, *args, **kwargs))

    async def lookup(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a look-up by key, in one snapshot of the newest commit."""
        with tracing.span("lookup", operation):
            return await self._shielded(self._lines, LOOK, lambda connection: operation(connection, *args, **kwargs))

    async def read(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a long read in one snapshot; it may take as long as it takes."""
        return await self._shielded(self._reading, READ, lambda connection: operation(connection, *args, **kwargs))

    def waiting(self) -> int:
        """Return how many operations and long reads wait for a connection."""
        return self._lines.waiting + self._reading.waiting

    async def data_version(self) -> object:
        """Return which transactions are over; it changes with every commit in the whole cluster."""
        with opening(self._cluster):
            async with self._lines.one() as line:
                return await line.raw.fetchval(_SNAPSHOT)

    async def close(self) -> None:
        """Refuse what comes, answer what waits, then close."""
        self._closed = True
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(self._lines.close(), self._reading.close())

    async def _shielded(self, lines: Lines, begin: str, operation: Callable[[Connection], R]) -> R:
        """Run it in a task of its own, which a caller that is cancelled does not take along."""
        if self._closed:
            raise Unavailable(sentence("The database is closed."))
        task = asyncio.ensure_future(self._persistent(lines, begin, operation))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _persistent(self, lines: Lines, begin: str, operation: Callable[[Connection], R]) -> R:
        """Run it until it is done or its time is over. Raises Overloaded, Unavailable, or what the operation raised."""
        until = time.monotonic() + _SECONDS_TO_TRY
        pause = 0.005
        while True:
            try:
                return await self._once(lines, begin, operation)
            except _Again as again:
                if time.monotonic() > until:
                    raise again.told from again.__cause__
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _once(self, lines: Lines, begin: str, operation: Callable[[Connection], R]) -> R:
        """Run it once. Raises _Again when it is certain that nothing was kept and that trying again may help."""
        line: Line | None = None
        try:
            async with lines.one() as line:
                return await line.run(begin, operation)
        except (Unsure, Overloaded):
            raise
        except Exception as error:
            if sqlstate(error) in _CONFLICT:
                told: StoreError = Overloaded(sentence("Others changed the same records all the time; try again."))
                raise _Again(told) from error
            if (not line.is_good) if line else _is_away(error):
                raise _Again(_unreachable(self._cluster, error)) from error
            raise translated(error) from error.__cause__


class _Again(Exception):
    """Nothing was kept, and trying again may help; `told` is what is raised when it did not."""

    def __init__(self, told: StoreError) -> None:
        super().__init__(told)
        self.told = told


def _is_away(error: Exception) -> bool:
    """Tell whether a connection could not be made because of the hosts, and not because of who asked."""
    if isinstance(error, StoreError):
        return False
    return isinstance(error, OSError) or sqlstate(error).startswith(_AWAY)


def _unreachable(cluster: Cluster, error: Exception) -> Unavailable:
    return Unavailable(sentence("The database {where} cannot be reached: {error}", where=cluster, error=error))


class SynchronousCluster:
    """The records on PostgreSQL for callers without a loop: one connection, on a loop that runs while they wait.

    When they are thrown away unclosed, a thread of its own closes it: the collector may interrupt whoever runs another
    loop or holds any lock, and nothing may be waited for there.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._loop = asyncio.new_event_loop()
        try:
            self._database = self._await(ClusterDatabase.reached(cluster, most=1))
        except BaseException:
            self._loop.close()
            raise
        self._end = weakref.finalize(self, _stop_aside, self._loop, self._database)
        self._end.atexit = False

    def write(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the operation in a transaction of its own and return its result after the commit."""
        return self._await(self._database.write(_outside_the_loop(operation), *args, **kwargs))

    def read(self, operation: Operation[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a read in one snapshot of the newest commit."""
        return self._await(self._database.read(_outside_the_loop(operation), *args, **kwargs))

    def close(self) -> None:
        """Close the connection."""
        if self._end.detach():
            _stop(self._loop, self._database)

    def _await(self, waited_for: Coroutine[Any, Any, R]) -> R:
        try:
            return _waited(self._loop, waited_for)
        except _Interrupted as interrupted:
            raise KeyboardInterrupt from interrupted.__cause__


class _Interrupted(Exception):
    """Somebody pressed Ctrl-C while an operation ran; as KeyboardInterrupt it would stop the loop amid its tasks."""


def _outside_the_loop(operation: Operation[P, R]) -> Operation[P, R]:
    """Return the operation as it may run on the loop of a command."""

    @functools.wraps(operation)
    def run(connection: Connection, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return operation(connection, *args, **kwargs)
        except KeyboardInterrupt as interrupted:
            raise _Interrupted from interrupted

    return run


def _waited(loop: asyncio.AbstractEventLoop, waited_for: Coroutine[Any, Any, R]) -> R:
    """Wait in this thread, to which a command belongs; where a loop runs in it already, in another one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return loop.run_until_complete(waited_for)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(loop.run_until_complete, waited_for).result()


def _stop_aside(loop: asyncio.AbstractEventLoop, database: ClusterDatabase) -> None:
    """Stop it in a thread; at the end of a process no thread begins any more, and the kernel hangs up."""
    if not sys.is_finalizing():
        start_new_thread(_stop, (loop, database))


def _stop(loop: asyncio.AbstractEventLoop, database: ClusterDatabase) -> None:
    """Close what is kept on the loop, then the loop."""
    _waited(loop, database.close())
    loop.close()
