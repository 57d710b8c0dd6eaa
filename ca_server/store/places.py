"""What gives changes their order, in the words of each database: SQLite has one writer, PostgreSQL many.

In a file the next place is one above the last. In PostgreSQL that would make every writer wait for the one before, so
there the place is the number of the transaction (`pg_current_xact_id`), and nobody reads beyond the oldest that still
runs: so nothing appears later below what was read. Those numbers belong to the cluster; records that came from another
one, or from a file, may hold higher places, and then `place_offset` says by how much ours are ahead.
"""

from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, insert, select, update
from sqlalchemy.ext.compiler import compiles

from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_AHEAD = "coalesce((SELECT ahead FROM place_offset), 0)"


class NextPlace(ColumnElement[int]):
    """The place of what this transaction changes."""

    type = tables.Integer
    inherit_cache = True


class Horizon(ColumnElement[int]):
    """The last place up to which nothing can appear any more."""

    type = tables.Integer
    inherit_cache = True


class Arrival(ColumnElement[int]):
    """What orders the entries of the audit log as the database took them in."""

    type = tables.Integer
    inherit_cache = True


@compiles(NextPlace, "sqlite")
def _one_above_the_last(_: NextPlace, compiler: Any, **options: Any) -> str:
    return "(SELECT coalesce(max(place), 0) + 1 FROM certificate)"


@compiles(NextPlace, "postgresql")
def _number_of_the_transaction(_: NextPlace, compiler: Any, **options: Any) -> str:
    return f"pg_current_xact_id()::text::bigint + {_AHEAD}"


@compiles(Horizon, "sqlite")
def _no_horizon(_: Horizon, compiler: Any, **options: Any) -> str:
    return "9223372036854775807"


@compiles(Horizon, "postgresql")
def _below_the_oldest_that_runs(_: Horizon, compiler: Any, **options: Any) -> str:
    return f"pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 + {_AHEAD}"


@compiles(Arrival, "sqlite")
def _row_number(_: Arrival, compiler: Any, **options: Any) -> str:
    return "audit.rowid"


@compiles(Arrival, "postgresql")
def _identity(_: Arrival, compiler: Any, **options: Any) -> str:
    return "audit.arrival"


_o = tables.place_offset.c
_LAST = Statement(select(func.max(tables.certificate.c.place)))
_NEXT = Statement(select(NextPlace()))
_RAISE = Statement(update(tables.place_offset).values(ahead=_o.ahead + bindparam("more")))
_FIRST = Statement(insert(tables.place_offset))


def settle(connection: Connection) -> int:
    """Make places go on above those on record, where they came from elsewhere, and return by how much they were low."""
    last, upcoming = _LAST.one(connection), _NEXT.one(connection)
    low = 0 if last is None or last[0] is None or upcoming is None else last[0] + 1 - upcoming[0]
    if low <= 0:
        return 0
    if _RAISE.run(connection, more=low) == 0:
        _FIRST.run(connection, only=0, ahead=low)
    return int(low)
