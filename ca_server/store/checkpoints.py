"""The records of signed checkpoints of the audit log, one a size of the tree."""

from typing import NamedTuple

from sqlalchemy import bindparam, func, insert, select, update

from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_c = tables.checkpoint.c
_INSERT = Statement(insert(tables.checkpoint))
_NEWEST = Statement(select(_c.size, _c.at, _c.note).order_by(_c.size.desc()).limit(1))
_OF_SIZE = Statement(select(_c.size, _c.at, _c.note).where(_c.size == bindparam("entries")))
_BETWEEN = Statement(
    select(_c.size, _c.at, _c.note).where(_c.size > bindparam("after"), _c.size <= bindparam("until")).order_by(_c.size)
)
_LAST_MAILED = Statement(select(func.max(_c.mailed_at)))
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


def between(connection: Connection, after: int, until: int) -> list[Note]:
    """Return the checkpoints of sizes beyond `after` up to `until`, in order."""
    return [Note(*row) for row in _BETWEEN.all(connection, after=after, until=until)]


def last_mailed_at(connection: Connection) -> int | None:
    """Return when a checkpoint was mailed last, None before the first."""
    row = _LAST_MAILED.one(connection)
    return None if row is None else row[0]


def mailed(connection: Connection, size: int, now: int) -> None:
    """Record that the checkpoint of a size was given to the outbox."""
    _MAILED.must(connection, entries=size, now=now)
