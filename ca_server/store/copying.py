"""Copies all records from one database to another, of either kind, and proves that they are the same.

What is read is one snapshot, what is written one transaction: whatever ends it early, the target stays empty. Rows go
by the order of their keys, the audit log's in the order in which they arrived, a thousand at a time, so that memory
stays flat. A hash over every value of every row is made on both sides, from what each database gives back.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, bindparam, func, insert, literal_column, select, text, tuple_

from ca_server.language import sentence
from ca_server.store import migrations, places, tables
from ca_server.store.database import Connection, SynchronousDatabase
from ca_server.store.errors import StoreError
from ca_server.whereabouts import Whereabouts

_AT_ONCE: Final = 1000
_UNHURRIED: Final = (
    text("SET LOCAL statement_timeout = 0"),
    text("SET LOCAL idle_in_transaction_session_timeout = 0"),  # each side waits for the other
)
_HOLD: Final = text("LOCK TABLE audit IN SHARE MODE")  # nothing is decided without an entry
_NUMBERED: Final = text("SELECT setval('application_number_seq', max(number)) FROM application")

Tell = Callable[[int, int], None]
"""Is told how many rows are copied so far, and of how many."""


class NotEmpty(StoreError):
    """The target holds records already."""


class NotTheSame(StoreError):
    """What the target gives back is not what was read."""


def copy(
    source: Whereabouts, target: Whereabouts, tell: Tell = lambda _, __: None, *, still: bool = False
) -> dict[str, int]:
    """Copy every record and return how many rows each table has. Both have the present schema.

    `still` is for a move: nobody can write into the source meanwhile, for that would be missing in the target.
    Raises NotEmpty, NotTheSame, SchemaMismatch or Unavailable; the target is then as it was.
    """
    origin = SynchronousDatabase(source)
    try:
        copied = SynchronousDatabase(target)
        try:
            if still:
                return copied.write(lambda into: origin.write(_pour_held, into, tell))
            return copied.write(lambda into: origin.read(_pour, into, tell))
        finally:
            copied.close()
    finally:
        origin.close()


def copied_tables() -> list[Table]:
    """Return the tables in an order in which each stands behind those that it refers to; what may be lost is none."""
    return [table for table in tables.metadata.sorted_tables if not table.info.get("volatile")]


def digest(connection: Connection, table: Table) -> tuple[int, str]:
    """Return how many rows a table has and the SHA-256 over all of them, the same on every kind of database."""
    counted, hashed = 0, hashlib.sha256()
    for rows in _in_parts(connection, table):
        counted += len(rows)
        for row in rows:
            hashed.update(_encoded(row))
    return counted, hashed.hexdigest()


def _pour_held(source: Connection, target: Connection, tell: Tell) -> dict[str, int]:
    """Pour out of a transaction that writes, which on SQLite keeps every other one waiting."""
    if source.dialect.name == "postgresql":
        source.execute(_HOLD)  # before anything is read, or the snapshot would be older than the lock
    return _pour(source, target, tell)


def _pour(source: Connection, target: Connection, tell: Tell) -> dict[str, int]:
    for connection in (source, target):
        if connection.dialect.name == "postgresql":
            for each in _UNHURRIED:
                connection.execute(each)
        migrations.require_current(connection)
    for table in copied_tables():
        if target.execute(select(literal_column("1")).select_from(table).limit(1)).first() is not None:
            raise NotEmpty(sentence("The target holds records already: {table} is not empty.", table=table.name))
    total = sum(source.execute(select(func.count()).select_from(table)).scalar_one() for table in copied_tables())
    read: dict[str, tuple[int, str]] = {}
    before = 0

    def told(done: int) -> None:
        tell(before + done, total)

    for table in copied_tables():
        read[table.name] = _poured(source, target, table, told)
        before += read[table.name][0]
    for table in copied_tables():
        if digest(target, table) != read[table.name]:
            raise NotTheSame(sentence("The copy of {table} differs; nothing was kept.", table=table.name))
    if target.dialect.name == "postgresql":
        target.execute(_NUMBERED)
    places.settle(target)
    return {name: rows for name, (rows, _) in read.items()}


def _poured(source: Connection, target: Connection, table: Table, told: Callable[[int], None]) -> tuple[int, str]:
    counted, hashed = 0, hashlib.sha256()
    names = table.columns.keys()
    for rows in _in_parts(source, table):
        target.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
        for row in rows:
            hashed.update(_encoded(row))
        counted += len(rows)
        told(counted)
    return counted, hashed.hexdigest()


def _in_parts(connection: Connection, table: Table) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Yield the rows of a table by its key, each part behind the key at which the last one ended."""
    key: list[ColumnElement[Any]] = [places.Arrival()] if table is tables.audit else list(table.primary_key.columns)
    first = select(*table.columns, *(column.label(f"key_{n}") for n, column in enumerate(key))).order_by(*key)
    first = first.limit(_AT_ONCE)
    ends = [bindparam(f"end_{n}", type_=column.type) for n, column in enumerate(key)]
    following = first.where(key[0] > ends[0] if len(key) == 1 else tuple_(*key) > tuple_(*ends))
    width = len(table.columns)
    rows = connection.execute(first).fetchall()
    while rows:
        yield [tuple(row[:width]) for row in rows]
        last = {f"end_{n}": value for n, value in enumerate(rows[-1][width:])}
        rows = connection.execute(following, last).fetchall() if len(rows) == _AT_ONCE else []


def _encoded(row: tuple[Any, ...]) -> bytes:
    """Return bytes that no other row has: each value's kind, its length, and itself."""
    pieces = []
    for value in row:
        if value is None:
            pieces.append(b"-")
            continue
        if isinstance(value, int):
            kind, octets = b"i", b"%d" % value
        elif isinstance(value, str):
            kind, octets = b"s", value.encode()
        else:
            kind, octets = b"b", bytes(value)
        pieces.append(b"%s%d:%s" % (kind, len(octets), octets))
    return b"".join(pieces) + b"\n"
