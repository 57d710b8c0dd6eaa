"""The records of revocations: one row a decision, whatever number of certificates it ends; and of CRLs."""

import dataclasses

from sqlalchemy import bindparam, delete, func, insert, select, update

from ca_server.ids import new_id
from ca_server.language import sentence
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.errors import Conflict
from ca_server.store.statement import Statement

_r = tables.revocation.c
_l = tables.crl.c
_COLUMNS = (_r.id, _r.cn, _r.serials, _r.reason, _r.application, _r.decided_at, _r.published_at)
_INSERT = Statement(insert(tables.revocation))
_BY_ID = Statement(select(*_COLUMNS).where(_r.id == bindparam("revocation")))
_WAITING = select(*_COLUMNS).where(_r.published_at.is_(None)).order_by(_r.decided_at, _r.id)
_UNPUBLISHED = Statement(_WAITING)
_ONE_WAITS = Statement(_WAITING.limit(1))
_PUBLISHED = Statement(
    update(tables.revocation)
    .where(_r.id == bindparam("revocation"), _r.published_at.is_(None))
    .values(published_at=bindparam("now"), crl_number=bindparam("number"))
)
_CRLS = (
    select(_l.number, _l.this_update, _l.next_update, _l.entries, _l.sha256, _l.published_at, _l.partitions)
    .where(_l.issuer == bindparam("issued_by"))
    .order_by(_l.number.desc())
    .limit(1)
)
_NEWEST_CRL = Statement(_CRLS)
_NEWEST_PUBLISHED = Statement(_CRLS.where(_l.published_at.is_not(None)))
_NEXT_ISSUER = Statement(select(func.min(_l.issuer)).where(_l.issuer > bindparam("before")))
_OUTLIVED = Statement(
    select(_l.this_update)
    .where(_l.issuer == bindparam("issued_by"), _l.published_at.is_not(None), _l.this_update <= bindparam("until"))
    .order_by(_l.number.desc())
    .limit(1)
)
_INSERT_CRL = Statement(insert(tables.crl))
_CRL_PUBLISHED = Statement(
    update(tables.crl)
    .where(_l.issuer == bindparam("issued_by"), _l.number == bindparam("numbered"), _l.published_at.is_(None))
    .values(published_at=bindparam("now"), entries=bindparam("count"), sha256=bindparam("digest"))
)
_k = tables.crl_content.c
_OF_ISSUER = _k.issuer == bindparam("issued_by")
_OF_LIST = (_OF_ISSUER, _k.part == bindparam("of"))
_KEPT = Statement(
    select(_k.part, _k.number, _l.this_update)
    .join_from(tables.crl_content, tables.crl, (_k.issuer == _l.issuer) & (_k.number == _l.number))
    .where(_OF_ISSUER, _k.piece == 0)
    .order_by(_k.part)
)
_KEPT_OF = Statement(select(_k.number).where(*_OF_LIST, _k.piece == 0))
_CONTENT = Statement(select(_k.number, _k.der).where(*_OF_LIST).order_by(_k.piece))
_INSERT_PIECE = Statement(insert(tables.crl_content))
_FORGET = Statement(delete(tables.crl_content).where(*_OF_LIST))
_OCTETS_OF_A_PIECE = 1 << 20  # so that no statement takes long, whatever the list


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
    """A CRL as recorded: its number is taken before it is signed; entries, hash and `published_at` are of one in place.

    `partitions` is how many lists of partitions bear the number too.
    """

    number: int
    this_update: int
    next_update: int
    entries: int
    sha256: str
    published_at: int | None
    partitions: int


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


def one_waits(connection: Connection) -> bool:
    """Tell whether a decision waits for a CRL."""
    return _ONE_WAITS.one(connection) is not None


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
    """Return the time of the newest published CRL of an issuer that is no younger than `until`, 0 where there is none.

    CRLs come every hour, so this is a time that the clock has told for long: a list of a clock that ran ahead for a
    while is younger, or has a number below those of the time after it. The latest of all issuers' is returned.
    """
    latest, issuer = 0, ""
    while (row := _NEXT_ISSUER.one(connection, before=issuer)) is not None and row[0] is not None:
        issuer = row[0]
        newest = _OUTLIVED.one(connection, issued_by=issuer, until=until)
        latest = max(latest, 0 if newest is None else int(newest[0]))
    return latest


def last_number(connection: Connection, issuer: str) -> int:
    """Return the highest CRL number that the issuer ever took, 0 before the first.

    One whose list never came out stays a gap: whoever took it may still be about to place its list.
    """
    newest = newest_crl(connection, issuer)
    return 0 if newest is None else newest.number


def draft_crl(connection: Connection, issuer: str, number: int, times: tuple[int, int], partitions: int) -> None:
    """Take a CRL number before anything is signed. Raises Duplicate when it is taken."""
    _INSERT_CRL.run(
        connection,
        issuer=issuer,
        number=number,
        this_update=times[0],
        next_update=times[1],
        entries=0,
        sha256="",
        published_at=None,
        partitions=partitions,
    )


def crl_published(connection: Connection, issuer: str, crl: tuple[int, int, str], now: int) -> None:
    """Record that a CRL, by its number, with so many entries and this SHA-256, is in place.

    Raises Conflict when that was recorded before.
    """
    number, entries, digest = crl
    _CRL_PUBLISHED.must(connection, issued_by=issuer, numbered=number, count=entries, digest=digest, now=now)


def keep_crl(connection: Connection, issuer: str, part: int, number: int, der: bytes) -> None:
    """Keep a list itself for the other servers, of a partition or, for 0, of all.

    Raises Conflict when one is kept whose number is no lower.
    """
    kept = _KEPT_OF.one(connection, issued_by=issuer, of=part)
    if kept is not None and kept[0] >= number:
        raise Conflict(sentence("CRL {number} is no newer than what is kept.", number=number))
    _FORGET.run(connection, issued_by=issuer, of=part)
    for piece, start in enumerate(range(0, len(der), _OCTETS_OF_A_PIECE)):
        octets = der[start : start + _OCTETS_OF_A_PIECE]
        _INSERT_PIECE.run(connection, issuer=issuer, part=part, piece=piece, number=number, der=octets)


def kept_crls(connection: Connection, issuer: str) -> list[tuple[int, int, int]]:
    """Return the partition, number and thisUpdate of each list that is kept for the other servers."""
    return [(row[0], row[1], row[2]) for row in _KEPT.all(connection, issued_by=issuer)]


def crl_content(connection: Connection, issuer: str, part: int) -> tuple[int, bytes] | None:
    """Return the number of a list that is kept, and its bytes; None when there is none."""
    rows = _CONTENT.all(connection, issued_by=issuer, of=part)
    return (int(rows[0][0]), b"".join(row[1] for row in rows)) if rows else None
