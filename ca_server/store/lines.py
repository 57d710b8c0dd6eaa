"""Connections to PostgreSQL: each is kept, and runs one operation at a time in a transaction of its own.

Begin and commit are ours and one round trip each; SQLAlchemy thinks that every statement commits by itself. A COMMIT
is never cancelled (PostgreSQL's `statement_timeout` is over by then, and there is none of ours): one that is cancelled
while it waits for the synchronous standby counts as done, although the standby lacks it, and would be lost with the
primary. Whatever broke a connection, it is not used again.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from ca_server.language import cause, sentence
from ca_server.store.errors import Overloaded, Unavailable, Unsure, sqlstate
from ca_server.whereabouts import Cluster

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

R = TypeVar("R")

WRITE = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
LOOK = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
READ = f"{LOOK}; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
_SETTINGS = {
    "application_name": "warifu-ca",
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",  # of a server that is stopped, whose locks all others wait for
    "jit": "off",  # compiling takes longer than any of our statements
}
_SECONDS_TO_CONNECT = 3.0
_PATIENCE = {
    socket.TCP_KEEPIDLE: 5,
    socket.TCP_KEEPINTVL: 2,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 10_000,  # milliseconds for what was sent and not acknowledged
}
_MOST_STATEMENTS = 1000  # prepared on a connection: all that there are
_MOST_WAITING = 2000
_SECONDS_FOR_A_LINE = 5.0
_GONE = ("08", "57P0")  # codes of a connection that is of no more use: lost, shut down
_STANDBY = "25006"


async def connect(cluster: Cluster) -> asyncpg.Connection:
    """Return a connection to the first host that takes writes: after a failover that is another one.

    Raises OSError or what the last host answered.
    """
    failure: Exception = OSError("no host is named")
    for url in _each_host(cluster.url):
        try:
            made = await asyncpg.connect(
                url,
                password=_password(cluster),
                timeout=_SECONDS_TO_CONNECT,
                target_session_attrs="read-write",
                server_settings=_SETTINGS,
            )
            _notice_silence(made)
            return made
        except TimeoutError:
            failure = OSError(sentence("no answer within {seconds} s", seconds=int(_SECONDS_TO_CONNECT)))
        except asyncpg.TargetServerAttributeNotMatched:
            failure = OSError(sentence("it takes no writes"))
        except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            failure = OSError(str(error))
        except (OSError, asyncpg.PostgresError) as error:
            failure = error
    raise failure


def _notice_silence(made: asyncpg.Connection) -> None:
    """Have the kernel end a connection whose other machine is gone: it says nothing, and queries would wait for it."""
    wire = made._transport.get_extra_info("socket")
    if wire is not None and wire.family != socket.AF_UNIX:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _PATIENCE.items():
            wire.setsockopt(socket.IPPROTO_TCP, option, value)


def _each_host(url: str) -> list[str]:
    """Return the URL once for each of its hosts, so that one that is silent costs its own time and no more."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(",")]


def _password(cluster: Cluster) -> str | None:
    path = cluster.password_file
    if path is None:
        return None
    try:
        if path.stat().st_mode & 0o077:
            raise Unavailable(sentence("{path} holds a password and others may read it; chmod 600 it.", path=path))
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(
            sentence("The password file {path} cannot be read: {error}", path=path, error=cause(error))
        ) from error


class Line:
    """One connection: asyncpg's, and SQLAlchemy's over it."""

    def __init__(self, connection: AsyncConnection, raw: asyncpg.Connection) -> None:
        self._connection = connection
        self.raw = raw
        self.is_good = True

    async def run(self, begin: str, operation: "Callable[[Connection], R]") -> R:
        """Run an operation in a transaction and return its result after the commit.

        Raises what it raised, the driver's error, or Unsure when the answer to COMMIT was lost.
        """
        try:
            await self.raw.execute(begin)
            result = await self._connection.run_sync(operation)
            if not self.raw.is_in_transaction():
                raise Unavailable(sentence("An operation ended the transaction that it ran in."))
        except BaseException as error:
            _hide_values(error)
            self.is_good = begin != WRITE or sqlstate(error) != _STANDBY
            await self._roll_back(error)
            raise
        try:
            ended = await self.raw.execute("COMMIT")
        except BaseException as error:
            await self._roll_back(error)
            if self.is_good:
                raise
            raise Unsure(
                sentence("The database went away while it committed; look whether it was kept before you try again.")
            ) from error
        if ended != "COMMIT":  # what PostgreSQL answers, without an error, when the transaction was broken before
            raise Unavailable(sentence("An operation went on after an error of the database; nothing was kept."))
        return result

    async def _roll_back(self, error: BaseException) -> None:
        """Leave the connection as it was, or know that it is of no more use."""
        code = sqlstate(error)
        if code.startswith(_GONE) or self.raw.is_closed() or isinstance(error, asyncio.CancelledError):
            self.is_good = False
            return
        try:
            if self.raw.is_in_transaction():
                await self.raw.execute("ROLLBACK")
        except Exception:
            self.is_good = False

    async def close(self) -> None:
        """Close the connection, whatever state it is in."""
        if not self.is_good:
            self.raw.terminate()
        with contextlib.suppress(Exception):
            await self._connection.close()


def _hide_values(error: BaseException | None) -> None:
    """Take away what PostgreSQL tells of the row that it refused: logs show errors with their causes."""
    while error is not None:
        if isinstance(error, asyncpg.PostgresError):
            error.detail = None
        error = error.__cause__


class Lines:
    """At most so many connections to one database, made when they are needed and kept."""

    def __init__(self, cluster: Cluster, most: int) -> None:
        self._room = asyncio.Semaphore(most)
        self._most = most
        self._waiting = 0
        self._free: list[Line] = []
        self._closed = False

        def dialled() -> "DBAPIConnection":
            made: DBAPIConnection = self._engine.dialect.dbapi.connect(  # type: ignore[union-attr]
                async_creator_fn=lambda: connect(cluster), prepared_statement_cache_size=_MOST_STATEMENTS
            )
            return made

        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            creator=dialled,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
        )

    @property
    def waiting(self) -> int:
        """Return how many wait for a connection."""
        return self._waiting

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[Line]:
        """Lend a connection. Raises Overloaded, Unavailable when closed, or the driver's error or OSError."""
        if self._closed:
            raise Unavailable(sentence("The database is closed."))
        await self._queue()
        try:
            line = self._free.pop() if self._free else await self._dial()
            try:
                yield line
            finally:
                await self._take_back(line)
        finally:
            self._room.release()

    async def close(self) -> None:
        """Wait for all who have a connection, then close them."""
        if self._closed:
            return
        self._closed = True
        for _ in range(self._most):
            await self._room.acquire()
        await self._hang_up()
        await self._engine.dispose()

    async def _queue(self) -> None:
        if self._waiting >= _MOST_WAITING:
            raise Overloaded(sentence("Too many requests wait for the database; try again."))
        self._waiting += 1
        try:
            await asyncio.wait_for(self._room.acquire(), _SECONDS_FOR_A_LINE)
        except TimeoutError as error:
            raise Overloaded(sentence("Too many requests wait for the database; try again.")) from error
        finally:
            self._waiting -= 1

    async def _dial(self) -> Line:
        connection = await self._engine.connect()
        raw = (await connection.get_raw_connection()).driver_connection
        return Line(connection, raw)

    async def _take_back(self, line: Line) -> None:
        """Keep it for the next; when it broke, all others of its time are as good as broken too."""
        if line.is_good and not line.raw.is_closed():
            self._free.append(line)
            return
        self._free.append(line)
        for each in self._free:
            each.is_good = False
        await self._hang_up()

    async def _hang_up(self) -> None:
        free, self._free = self._free, []
        for line in free:
            await line.close()
