"""What servers on the same records share, and who of them leads: one on a file of SQLite, several on PostgreSQL.

`Alone` is the only one that works on its file: a lock tells, which the kernel gives back when the process dies, however
it dies. `Together` are as many as the operator starts. Each has a name of its own since its start; one of them runs the
schedule (`operations.tenure`), each redeems the nonces of all, places the lists that another published, and forgets the
keys that accounts changed elsewhere.
"""

import abc
import contextlib
import fcntl
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from ca_server import store
from ca_server.clock import MINUTE, Clock
from ca_server.ids import new_id
from ca_server.language import sentence
from ca_server.operations.tenure import RENEWED_EACH, Tenure
from ca_server.schedule import Task
from ca_server.store import places
from ca_server.web.nonces import Nonces, Pool, SharedNonces
from ca_server.whereabouts import Whereabouts

log = logging.getLogger(__name__)


class AlreadyServed(Exception):
    """Another `serve` has this database."""


class Fellows(abc.ABC):
    """This server among those on the same records."""

    name: str
    """Its own since its start."""
    holder: str
    """What it is called where it holds a lease."""
    is_alone: bool
    nonces: Pool

    @abc.abstractmethod
    async def begin(self, database: store.Database) -> None:
        """Get ready on records of the present schema, before anything else is done there. Raises StoreError."""

    @abc.abstractmethod
    def leads(self) -> bool:
        """Tell whether this server runs the schedule."""

    @abc.abstractmethod
    def tasks(self, database: store.Database, keys_changed: Callable[[], Awaitable[None]]) -> list[Task]:
        """Return what is done by the clock for the others' sake; `keys_changed` looks for keys changed elsewhere."""

    @abc.abstractmethod
    async def leave(self, database: store.Database) -> None:
        """Let another server lead at once."""


class Alone(Fellows):
    """The only server on a file, for as long as it holds the lock."""

    is_alone = True
    holder = "serve"  # always the same, so that it takes its own leases again after a crash

    def __init__(self, clock: Clock) -> None:
        self.name = new_id()
        self.nonces = Nonces(clock)

    async def begin(self, database: store.Database) -> None:
        """Do nothing."""

    def leads(self) -> bool:
        """Return True."""
        return True

    def tasks(self, database: store.Database, keys_changed: Callable[[], Awaitable[None]]) -> list[Task]:
        """Return none."""
        return []

    async def leave(self, database: store.Database) -> None:
        """Do nothing."""


class Together(Fellows):
    """One of several servers on a database."""

    is_alone = False

    def __init__(self, tenure: Tenure, nonces: SharedNonces) -> None:
        self.name = self.holder = tenure.name
        self.nonces = nonces
        self._shared = nonces
        self._tenure = tenure

    async def begin(self, database: store.Database) -> None:
        """See that changes take places above those of another cluster, and fetch the key of nonces."""
        await database.write(places.settle)
        await self._shared.renew()
        log.info("This is server %s on %s", self.name, self._tenure.host)

    def leads(self) -> bool:
        """Tell whether the lease is this server's, without asking anybody."""
        return self._tenure.is_held()

    def tasks(self, database: store.Database, keys_changed: Callable[[], Awaitable[None]]) -> list[Task]:
        """Return the lease's renewal and what each server looks for, then what the leading one clears away."""
        return [
            Task(
                "the lease",
                lambda now: self._tenure.hold(database, now),
                every=RENEWED_EACH,
                eager=False,
                everywhere=True,
            ),
            Task("the key of nonces", lambda _: self._shared.renew(), every=1, eager=False, everywhere=True),
            Task("keys that accounts changed", lambda _: keys_changed(), every=1, everywhere=True),
            Task("nonces of the past", self._shared.forget, every=MINUTE, eager=False),
        ]

    async def leave(self, database: store.Database) -> None:
        """Give the lease back."""
        await self._tenure.give_back(database)


@contextlib.asynccontextmanager
async def joined(where: Whereabouts, clock: Clock) -> AsyncIterator[Fellows]:
    """Be among the servers on the records until the end of the block. Raises AlreadyServed."""
    if isinstance(where, Path):
        with alone_on(where):
            yield Alone(clock)
        return
    from ca_server.store.nonces import NonceMemory

    memory = NonceMemory(where)
    try:
        yield Together(Tenure(new_id(), socket.gethostname()), SharedNonces(memory, clock))
    finally:
        await memory.close()


@contextlib.contextmanager
def alone_on(database: Path) -> Iterator[None]:
    """Hold the right to serve this file. Raises AlreadyServed."""
    with database.with_name(database.name + ".serve").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyServed(
                sentence("Another `warifu-ca serve` is running on {database}; stop that one first.", database=database)
            ) from error
        yield
