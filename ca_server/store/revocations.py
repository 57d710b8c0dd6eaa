"""The records of revocations: one row a decision, whatever number of certificates it ends; and of CRLs."""

import dataclasses

from sqlalchemy import bindparam, insert, select, update

from ca_server.ids import new_id
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_r = tables.revocation.c
_l = tables.crl.c
_COLUMNS = (_r.id, _r.cn, _r.serials, _r.reason, _r.application, _r.decided_at, _r.published_at)
_INSERT = Statement(insert(tables.revocation))
_BY_ID = Statement(select(*_COLUMNS).where(_r.id == bindparam("revocation")))
_UNPUBLISHED = Statement(select(*_COLUMNS).where(_r.published_at.is_(None)).order_by(_r.decided_at, _r.id))
_PUBLISHED = Statement(
    update(tables.revocation)
    .where(_r.id == bindparam("revocation"), _r.published_at.is_(None))
    .values(published_at=bindparam("now"), crl_number=bindparam("number"))
)
_CRLS = (
    select(_l.number, _l.this_update, _l.next_update, _l.entries, _l.sha256, _l.published_at)
    .where(_l.issuer == bindparam("issued_by"))
    .order_by(_l.number.desc())
    .limit(1)
)
_NEWEST_CRL = Statement(_CRLS)
_NEWEST_PUBLISHED = Statement(_CRLS.where(_l.published_at.is_not(None)))
_OUTLIVED = Statement(
    select(_l.this_update)
    .where(_l.published_at.is_not(None), _l.this_update <= bindparam("until"))
    .order_by(_l.number.desc())
    .limit(1)
)
_DRAFT_AGAIN = Statement(
    update(tables.crl)
    .where(_l.issuer == bindparam("issued_by"), _l.number == bindparam("numbered"), _l.published_at.is_(None))
    .values(this_update=bindparam("since"), next_update=bindparam("until"), entries=bindparam("count"))
)
_INSERT_CRL = Statement(insert(tables.crl))
_CRL_PUBLISHED = Statement(
    update(tables.crl)
    .where(_l.issuer == bindparam("issued_by"), _l.number == bindparam("numbered"), _l.published_at.is_(None))
    .values(published_at=bindparam("now"), sha256=bindparam("digest"))
)


@dataclasses.dataclass(frozen=True)
class Revocation:
    """One decision to revoke. `serials` are separated by blanks, none when the seat had no certificate yet."""

    id: str
    cn: str
    serials: str
    reason: int
    application: int | None
    decided_at: int
    published_at: int | None


@dataclasses.dataclass(frozen=True)
class Crl:
    """A CRL as recorded: its number is taken before it is signed, `published_at` is set after it is in place."""

    number: int
    this_update: int
    next_update: int
    entries: int
    sha256: str
    published_at: int | None


def add(connection: Connection, decision: Revocation, decided_by: str) -> None:
    """Put a decision on record, not yet published."""
    _INSERT.run(connection, **vars(decision), decided_by=decided_by, crl_number=None)


def decided(cn: str, serials: tuple[str, ...], reason: int, application: int | None, now: int) -> Revocation:
    """Return a fresh decision of `now`."""
    return Revocation(new_id(), cn, " ".join(serials), reason, application, now, None)


def get(connection: Connection, revocation_id: str) -> Revocation | None:
    """Return the decision, or None."""
    row = _BY_ID.one(connection, revocation=revocation_id)
    return None if row is None else Revocation(*row)


def unpublished(connection: Connection) -> list[Revocation]:
    """Return the decisions that no CRL shows yet, oldest first."""
    return [Revocation(*row) for row in _UNPUBLISHED.all(connection)]


def published(connection: Connection, revocation_id: str, number: int, now: int) -> None:
    """Record that OCSP and CRL `number` show it. Raises Conflict when that was recorded before."""
    _PUBLISHED.must(connection, revocation=revocation_id, number=number, now=now)


def newest_crl(connection: Connection, issuer: str) -> Crl | None:
    """Return the issuer's CRL with the highest number, published or only drafted, or None before the first."""
    row = _NEWEST_CRL.one(connection, issued_by=issuer)
    return None if row is None else Crl(*row)


def published_crl(connection: Connection, issuer: str) -> Crl | None:
    """Return the newest CRL that the world has, or None before the first."""
    row = _NEWEST_PUBLISHED.one(connection, issued_by=issuer)
    return None if row is None else Crl(*row)


def last_update_until(connection: Connection, until: int) -> int:
    """Return the time of the newest published CRL that is no younger than `until`, 0 where there is none.

    CRLs come every hour, so this is a time that the clock has told for long: a list of a clock that ran ahead for a
    while is younger, or has a number below those of the time after it.
    """
    row = _OUTLIVED.one(connection, until=until)
    return 0 if row is None else int(row[0])


def number_crl(connection: Connection, issuer: str, floor: int, times: tuple[int, int], entries: int) -> int:
    """Take the next CRL number, above every one recorded and above `floor`, the published file's, and return it.

    A number that was drafted and never came out is taken again: no list bears it.
    """
    newest = newest_crl(connection, issuer)
    if newest is not None and newest.published_at is None and newest.number > floor:
        _DRAFT_AGAIN.must(
            connection, issued_by=issuer, numbered=newest.number, since=times[0], until=times[1], count=entries
        )
        return newest.number
    number = max(floor, 0 if newest is None else newest.number) + 1
    _INSERT_CRL.run(
        connection,
        issuer=issuer,
        number=number,
        this_update=times[0],
        next_update=times[1],
        entries=entries,
        sha256="",
        published_at=None,
    )
    return number


def crl_published(connection: Connection, issuer: str, number: int, digest: str, now: int) -> None:
    """Record that the CRL is in place with these bytes. Raises Conflict when that was recorded before."""
    _CRL_PUBLISHED.must(connection, issued_by=issuer, numbered=number, digest=digest, now=now)
