"""What watchers ask of the records: counts and moments, each found by an index however much is on record."""

import dataclasses
from collections.abc import Sequence

from sqlalchemy import bindparam, func, or_, select

from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.revocations import Crl, published_crl
from ca_server.store.statement import Statement

_o = tables.outbox.c
_a = tables.audit.c
_l = tables.lease.c
_LATE_MAILS = Statement(
    select(func.count(), func.min(_o.created_at)).where(
        _o.status == "pending", or_(_o.attempts > 0, _o.next_try <= bindparam("now"))
    )
)
_UNPLACED = Statement(select(func.count(), func.min(_a.at)).where(_a.place.is_(None)))
_LEASES = Statement(select(_l.name, _l.holder, _l.until).order_by(_l.name))


@dataclasses.dataclass(frozen=True)
class Queue:
    """How many wait, and since when the first; 0 when none does."""

    count: int
    since: int


@dataclasses.dataclass(frozen=True)
class Watched:
    """One look at the records."""

    mails: Queue
    """Mails that should have left."""
    unplaced: Queue
    """Audit entries that have no place yet."""
    crls: dict[str, Crl]
    """The newest list that the world has of each issuing CA that has one."""
    leases: dict[str, tuple[str, int]]
    """By its name, who holds a lease, and until when."""


def watched(connection: Connection, issuers: Sequence[str], now: int) -> Watched:
    """Look at what watchers want to know."""
    newest = {issuer: published_crl(connection, issuer) for issuer in issuers}
    return Watched(
        _queue(_LATE_MAILS.one(connection, now=now)),
        _queue(_UNPLACED.one(connection)),
        {issuer: crl for issuer, crl in newest.items() if crl is not None},
        {name: (holder, until) for name, holder, until in _LEASES.all(connection)},
    )


def _queue(row: tuple[int, int | None] | None) -> Queue:
    count, since = row or (0, None)
    return Queue(count, since or 0)
