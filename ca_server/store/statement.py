"""A statement of SQLAlchemy Core, compiled once.

What costs is SQLAlchemy's Python per statement: built at each call 50–75 µs, a constant through `execute` 13, compiled
and run on the driver 2. So hot statements are module constants with `bindparam`, compiled here at their first use and
run on the driver's own connection where there is one in this thread (SQLite's writer and look-ups); elsewhere, on
aiosqlite and PostgreSQL, the same constant goes through `Connection.execute`. Columns are str, int and bytes only, for
type processors are passed over.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Insert, exc, or_
from sqlalchemy.dialects import sqlite

from ca_server.store.errors import Conflict, Duplicate

_DIALECT = sqlite.dialect()  # type: ignore[no-untyped-call]


def one_of(column: ColumnElement[str], words: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that `column` is one of `words`; SQLAlchemy's IN is only rendered at execution."""
    return or_(*(column == word for word in words))


class Statement:
    """Runs one statement on whatever connection it is given, with its parameters by name."""

    def __init__(self, core: Executable) -> None:
        self._core = core
        self._text: str | None = None
        self._order: tuple[str, ...] = ()
        self._fixed: dict[str, object] = {}

    def one(self, connection: Connection, **parameters: object) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        row = self._execute(connection, parameters).fetchone()
        return None if row is None else tuple(row)

    def all(self, connection: Connection, **parameters: object) -> list[tuple[Any, ...]]:
        """Return every row."""
        return [tuple(row) for row in self._execute(connection, parameters).fetchall()]

    def run(self, connection: Connection, **parameters: object) -> int:
        """Write, and return how many rows were met. Raises Duplicate when a unique value is taken."""
        return int(self._execute(connection, parameters).rowcount)

    def must(self, connection: Connection, **parameters: object) -> None:
        """Write one row at least: the compare-and-set. Raises Conflict when the guard met none, Duplicate as `run`."""
        if self.run(connection, **parameters) == 0:
            raise Conflict(f"Another was faster: {self._core.__class__.__name__} met no row.")

    def _execute(self, connection: Connection, parameters: dict[str, object]) -> Any:
        driver: sqlite3.Connection | None = connection.get_execution_options().get("driver")
        try:
            if driver is None:
                return connection.execute(self._core, parameters)
            if self._text is None:
                self._compile(parameters)
            given = self._fixed | parameters
            return driver.execute(self._text or "", [given[name] for name in self._order])
        except (sqlite3.IntegrityError, exc.IntegrityError) as error:
            raise Duplicate(str(error.__cause__ or error)) from error

    def _compile(self, parameters: dict[str, object]) -> None:
        columns = list(parameters) if isinstance(self._core, Insert) else None
        compiled = self._core.compile(  # type: ignore[attr-defined]
            dialect=_DIALECT, column_keys=columns
        )
        self._order = tuple(compiled.positiontup or ())
        self._fixed = {
            name: value for name, value in compiled.construct_params(_check=False).items() if name not in parameters
        }
        self._text = str(compiled)
