"""A statement of SQLAlchemy Core, compiled once.

What costs is SQLAlchemy's Python per statement: built at each call 50–75 µs, a constant through `execute` 13, compiled
and run on the driver 2. So hot statements are module constants with `bindparam`, compiled here at their first use and
run on the driver's own connection where there is one in this thread (SQLite's writer and look-ups); elsewhere, on
aiosqlite and PostgreSQL, the same constant goes through `Connection.execute`. Columns are str, int and bytes only, for
type processors are passed over.
"""

import dataclasses
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from ca_server.language import sentence
from ca_server.store.errors import Conflict, translated

_DIALECT = sqlite.dialect()


@dataclasses.dataclass(frozen=True, slots=True)
class _Compiled:
    """The text, how its values are put in their order, the values it holds itself, and the names the caller gives."""

    text: str
    ordered: Callable[[Mapping[str, object]], Sequence[object]]
    fixed: dict[str, object]
    names: frozenset[str]


class Statement:
    """Runs one statement on whatever connection it is given, always with the same parameters by name."""

    def __init__(self, core: Executable) -> None:
        self._core = core
        self._compiled: _Compiled | None = None

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
            raise Conflict(sentence("Another was faster: {name} met no row.", name=self._core.__class__.__name__))

    def _execute(self, connection: Connection, parameters: dict[str, object]) -> Any:
        driver: sqlite3.Connection | None = connection.get_execution_options().get("driver")
        try:
            if driver is None:
                return connection.execute(self._core, _without_nul(parameters))
            compiled = self._compiled or self._compile(parameters)
            if len(parameters) != len(compiled.names):  # a name that is missing among as many is a KeyError below
                raise TypeError(f"{sorted(compiled.names)} are wanted, not {sorted(parameters)}: {compiled.text}")
            given = {**compiled.fixed, **parameters} if compiled.fixed else parameters
            return driver.execute(compiled.text, compiled.ordered(given))
        except (sqlite3.Error, DBAPIError) as error:
            told = translated(error)
            if told is error:
                raise
            raise told from error

    def _compile(self, parameters: dict[str, object]) -> _Compiled:
        """Compile as `Connection.execute` would: the first parameters of an insert tell its columns for good."""
        compiled = self._core.compile(dialect=_DIALECT, column_keys=list(parameters))  # type: ignore[attr-defined]
        state = compiled.construct_expanded_state(parameters)
        fixed = {name: value for name, value in state.parameters.items() if name not in parameters}
        names = state.parameters.keys() - fixed.keys()
        self._compiled = _Compiled(state.statement, _ordered(state.positiontup), fixed, frozenset(names))
        return self._compiled


def _without_nul(parameters: dict[str, object]) -> dict[str, object]:
    """Return parameters that PostgreSQL takes, which has no text with U+0000: what comes with one equals nothing."""
    if not any(isinstance(value, str) and "\0" in value for value in parameters.values()):
        return parameters
    return {name: _seen(value) for name, value in parameters.items()}


def _seen(value: object) -> object:
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _ordered(names: Sequence[str]) -> Callable[[Mapping[str, object]], Sequence[object]]:
    """Return what takes values by name and gives them in this order; of one name alone itemgetter makes no tuple."""
    return itemgetter(*names) if len(names) > 1 else lambda given: [given[name] for name in names]
