"""A copy of the records as they stood at one moment, while a running service goes on writing."""

import contextlib
import sqlite3
from pathlib import Path

from ca_server.language import sentence
from ca_server.store import migrations
from ca_server.store.errors import Unavailable, translated
from ca_server.whereabouts import Whereabouts


def copy(database: Whereabouts, into: Path) -> None:
    """Copy the newest commit into `into`, an empty file; what was erased from the records is not in the copy.

    Readers never make the writer wait (WAL); the log grows while this one reads. The online backup would copy erased
    pages too. Raises Unavailable.
    """
    if not isinstance(database, Path):
        from ca_server.store import copying  # which no file needs

        migrations.upgrade(into)
        copying.copy(database, into)
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True)) as connection:
            connection.execute("VACUUM INTO ?", (str(into),))
    except sqlite3.Error as error:
        raise translated(error) from error


def require_whole(database: Path) -> None:
    """Do nothing for a database without damage. Raises Unavailable naming the first that is found."""
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            strays = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise translated(error) from error
    if found != "ok" or strays is not None:
        raise Unavailable(sentence("The database is damaged: {found}", found=found if strays is None else strays[0]))
