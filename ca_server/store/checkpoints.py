"""The records of signed checkpoints of the audit log, one a size of the tree."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_AT_ONCE: Final = 1000

_c = tables.checkpoint.c
_INSERT = Statement(insert(tables.checkpoint))
_NEWEST = Statement(select(_c.size, _c.at, _c.note).order_by(_c.size.desc()).limit(1))
_OF_SIZE = Statement(select(_c.size, _c.at, _c.note).where(_c.size == bindparam("entries")))
_BETWEEN = Statement(
    select(_c.size, _c.at, _c.note)
    .where(_c.size > bindparam("after"), _c.size <= bindparam("until"))
    .order_by(_c.size)
    .limit(_AT_ONCE)
)
_LAST_MAILED = Statement(select(_c.mailed_at).where(_c.mailed_at.is_not(None)).order_by(_c.size.desc()).limit(1))
_MAILED = Statement(update(tables.checkpoint).where(_c.size == bindparam("entries")).values(mailed_at=bindparam("now")))


class Note(NamedTuple):
    """A checkpoint as it was signed: of how many entries, when, and the note."""

    size: int
    at: int
    note: str


def add(connection: Connection, checkpoint: Note) -> None:
    """Put a checkpoint on record. Raises Duplicate when there is one of this size."""
    _INSERT.run(connection, **checkpoint._asdict(), mailed_at=None)


def newest(connection: Connection) -> Note | None:
    """Return the newest checkpoint, None before the first."""
    row = _NEWEST.one(connection)
    return None if row is None else Note(*row)


def of_size(connection: Connection, size: int) -> Note | None:
    """Return the checkpoint of a size, or None."""
    row = _OF_SIZE.one(connection, entries=size)
    return None if row is None else Note(*row)


def until(connection: Connection, end: int) -> Iterator[Note]:
    """Yield the checkpoints of sizes up to `end`, in order, some at a time: there may be one a minute of years."""
    after = -1
    while rows := _BETWEEN.all(connection, after=after, until=end):
        for row in rows:
            yield Note(*row)
        after = rows[-1][0]


def last_mailed_at(connection: Connection) -> int | None:
    """Return when a checkpoint was mailed last, None before the first: by size, for a clock may have gone back."""
    row = _LAST_MAILED.one(connection)
    return None if row is None else row[0]


def mailed(connection: Connection, size: int, now: int) -> None:
    """Record that the checkpoint of a size was given to the outbox."""
    _MAILED.must(connection, entries=size, now=now)
