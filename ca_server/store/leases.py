"""Leases: the right of one server, for some seconds, to do what only one may do at a time.

A lease is taken, renewed and given back by compare-and-set, in the transaction of whoever asks. Whoever dies with one
keeps others away until its seconds are over and no longer; the holder itself takes it again at once. What must not be
done twice is done right after a renewal, for a server that was stopped meanwhile learns there that its time is over.
"""

from sqlalchemy import String, bindparam, delete, insert, or_, select, update

from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_l = tables.lease.c
_MINE = (_l.name == bindparam("right"), _l.holder == bindparam("me"))
_TAKE = Statement(
    update(tables.lease)
    .where(
        _l.name == bindparam("right"),
        or_(_l.holder == bindparam("me"), _l.until <= bindparam("now"), _l.until > bindparam("absurd")),
    )
    .values(holder=bindparam("me"), until=bindparam("end"))
)
_FIRST = Statement(
    insert(tables.lease).from_select(
        ["name", "holder", "until"],
        select(
            bindparam("right", type_=String), bindparam("me", type_=String), bindparam("end", type_=tables.Integer)
        ).where(~select(_l.name).where(_l.name == bindparam("right")).exists()),
    )
)
_RENEW = Statement(update(tables.lease).where(*_MINE, _l.until > bindparam("now")).values(until=bindparam("end")))
_GIVE_BACK = Statement(delete(tables.lease).where(*_MINE))
_HOLDER = Statement(select(_l.holder).where(_l.name == bindparam("right")))
_STANDS = Statement(select(_l.holder).where(_l.name == bindparam("right"), _l.until > bindparam("now")))


def take(connection: Connection, name: str, holder: str, seconds: int, now: int) -> bool:
    """Take a lease that is free, over or the holder's own; tell whether it was.

    One that ends later than anybody's could was taken by a clock that ran ahead, and is over too; clocks of servers
    may differ by as many seconds as a lease lasts.
    """
    wanted = {"right": name, "me": holder, "end": now + seconds}
    if _TAKE.run(connection, **wanted, now=now, absurd=now + 2 * seconds):
        return True
    return _FIRST.run(connection, **wanted) == 1


def renew(connection: Connection, name: str, holder: str, seconds: int, now: int) -> None:
    """Hold on to a lease for so many seconds from now. Raises Conflict when it is over or another's."""
    _RENEW.must(connection, right=name, me=holder, end=now + seconds, now=now)


def give_back(connection: Connection, name: str, holder: str) -> None:
    """Let the next have the lease at once, if it is still the holder's."""
    _GIVE_BACK.run(connection, right=name, me=holder)


def holder(connection: Connection, name: str) -> str | None:
    """Return who took a lease last, though its time may be over; None after it was given back."""
    row = _HOLDER.one(connection, right=name)
    return None if row is None else str(row[0])


def stands(connection: Connection, name: str, now: int) -> bool:
    """Tell whether anybody has the lease."""
    return _STANDS.one(connection, right=name, now=now) is not None
