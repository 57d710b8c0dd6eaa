"""What the store can answer instead of a result, and the one place that turns the driver's errors into it.

    StoreError
    ├── Overloaded       too many wait, or a conflict could not be resolved in time: try again
    ├── Unavailable      the database cannot be used: disk full, I/O error, locked, closed
    ├── Conflict         a guarded update met another state than it expected
    ├── Duplicate        a value that must be unique is taken
    └── SchemaMismatch   the file is of a newer or an unknown schema

A foreign key, a missing value or a misspelt column is a fault of the program and stays what the driver raised.
"""

import sqlite3

from sqlalchemy.exc import DBAPIError

from ca_server.language import sentence

_TAKEN = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
_UNUSABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}


class StoreError(Exception):
    """The store cannot do what was asked."""


class Overloaded(StoreError):
    """Too many wait; trying again may succeed."""


class Unavailable(StoreError):
    """The database cannot be used now; nothing of the operation was kept."""


class Conflict(StoreError):
    """A guarded update met another state than it expected."""


class Duplicate(StoreError):
    """A value that must be unique is taken."""


class SchemaMismatch(StoreError):
    """The database is of a newer or an unknown schema."""


def translated(error: BaseException) -> BaseException:
    """Return Duplicate or Unavailable, caused by `error`, where the driver's error means that; else `error` itself."""
    driver = error.orig if isinstance(error, DBAPIError) else error
    code: int = getattr(driver, "sqlite_errorcode", sqlite3.SQLITE_OK)
    told: StoreError
    if code in _TAKEN:
        told = Duplicate(str(driver))
    elif code & 0xFF in _UNUSABLE:
        told = Unavailable(sentence("The database cannot be used now: {driver}", driver=driver))
    else:
        return error
    told.__cause__ = error
    return told
