"""What the store can answer instead of a result, and the one place that turns the driver's errors into it.

    StoreError
    ├── Overloaded       too many wait, or a conflict could not be resolved in time: try again
    ├── Unavailable      the database cannot be used: disk full, I/O error, closed
    │   ├── Locked       another process has been writing for longer than anybody waits: try again
    │   └── Unsure       it went away while it committed: whether the operation was kept is not known
    ├── Conflict         a guarded update met another state than it expected
    ├── Duplicate        a value that must be unique is taken
    └── SchemaMismatch   the file is of a newer or an unknown schema

SQLite tells them by its result codes, PostgreSQL by SQLSTATE. A foreign key, a missing value or a misspelt column is a
fault of the program and stays what the driver raised.
"""

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError

from ca_server.language import cause, sentence
from ca_server.whereabouts import Whereabouts

_TAKEN = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
_UNUSABLE = {
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_TRIGGER = sqlite3.SQLITE_CONSTRAINT_TRIGGER
"""None of ours: somebody made the database refuse."""
_TAKEN_STATE = "23505"
_LOCKED_STATE = "55P03"
_UNUSABLE_STATES = (
    "08",  # the connection
    "25006",  # a standby, which takes no writes
    "25P03",  # an operation that did nothing for too long
    "28",  # who we are, or the password
    "3D",  # no such database
    "42501",  # not our tables
    "53",  # disk full, memory, connections
    "57",  # stopped, starting, or a statement that took too long
    "58",  # input and output
    "P0001",  # a trigger, which is none of ours
    "XX",  # damaged, or a fault of the server
)


class StoreError(Exception):
    """The store cannot do what was asked."""


class Overloaded(StoreError):
    """Too many wait; trying again may succeed."""


class Unavailable(StoreError):
    """The database cannot be used now; nothing of the operation was kept."""


class Locked(Unavailable):
    """Another process has been writing for longer than anybody waits; nothing of the operation was kept."""


class Unsure(Unavailable):
    """The database went away while it committed: the operation may have been kept, or not."""


class Conflict(StoreError):
    """A guarded update met another state than it expected."""


class Duplicate(StoreError):
    """A value that must be unique is taken."""


class SchemaMismatch(StoreError):
    """The database is of a newer or an unknown schema."""


def sqlstate(error: BaseException | None) -> str:
    """Return PostgreSQL's code of an error or of what caused it, the empty text where there is none."""
    while error is not None:
        driver = error.orig if isinstance(error, DBAPIError) else error
        if state := getattr(driver, "sqlstate", None):
            return str(state)
        error = error.__cause__
    return ""


def translated(error: BaseException) -> BaseException:
    """Return Duplicate, Locked or Unavailable, caused by `error`, where the driver means that; else `error` itself."""
    driver = error.orig if isinstance(error, DBAPIError) else error
    code: int = getattr(driver, "sqlite_errorcode", sqlite3.SQLITE_OK)
    state: str = getattr(driver, "sqlstate", None) or ""
    told: StoreError
    if code in _TAKEN or state == _TAKEN_STATE:
        told = Duplicate(str(driver))
    elif code & 0xFF in _LOCKED or state == _LOCKED_STATE:
        told = Locked(sentence("Somebody else is writing into the records now; try again in a moment."))
    elif code & 0xFF in _UNUSABLE or code == _TRIGGER or state.startswith(_UNUSABLE_STATES):
        told = Unavailable(sentence("The database cannot be used now: {driver}", driver=driver))
    else:
        return error
    told.__cause__ = error
    return told


@contextlib.contextmanager
def opening(where: Whereabouts) -> Iterator[None]:
    """Turn what a driver says when it cannot open the records into Unavailable."""
    try:
        yield
    except OSError as error:
        why = sentence("The database {where} cannot be reached: {error}", where=where, error=cause(error))
        raise Unavailable(why) from error
    except Exception as error:
        told = translated(error)
        if told is error:
            raise
        raise told from error
