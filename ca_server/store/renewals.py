"""The records of certificates as renewal looks at them: which were not renewed, by their ends, and were told of what.

`last_notice` holds the days of the last notice about a certificate (`domain.renewal`), nothing before the first, and 0
once its seat lapsed. What is looked for is found by the index on the ends of certificates without a successor, be it
stored or planned; each look takes a few, so that no transaction is long (50 pairs are made in 60 ms).
"""

import dataclasses

from sqlalchemy import Select, bindparam, or_, select, update

from ca_server.domain.applications import OPEN
from ca_server.domain.certificates import CertificateStatus
from ca_server.domain.renewal import Ends
from ca_server.domain.seats import SeatStatus
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement
from protocol.names import CommonName

MOST_AT_ONCE = 50
_LAPSED = 0

_c, _s, _a, _i = (table.c for table in (tables.certificate, tables.seat, tables.application, tables.application_item))
_WAITS_FOR_REVOCATION = (
    select(_i.position)
    .join_from(tables.application_item, tables.application, _i.application == _a.number)
    .where(_i.cn == _c.cn, _a.status.in_(OPEN))
    .correlate(tables.certificate)
    .exists()
)


def _oldest() -> Select[tuple[str, str, int]]:
    """Return the look at active seats' certificates without a successor, those that end first before others."""
    return (
        select(_c.serial, _c.cn, _c.not_after)
        .join_from(tables.certificate, tables.seat, _c.cn == _s.cn)
        .where(_c.successor.is_(None), _s.status == SeatStatus.ACTIVE)
        .order_by(_c.not_after, _c.serial)
        .limit(MOST_AT_ONCE)
    )


_DUE = _oldest().where(
    _c.status == CertificateStatus.ISSUED,
    _c.not_after >= bindparam("first"),
    _c.not_after < bindparam("beyond"),
    ~_WAITS_FOR_REVOCATION,
)
_NOT_ASKED = Statement(_DUE.where(_c.last_notice.is_(None)))
_NOT_REMINDED = Statement(_DUE.where(_c.last_notice > bindparam("days")))
_OVER = Statement(
    _oldest().where(
        _c.status.in_((CertificateStatus.ISSUED, CertificateStatus.SUSPENDED, CertificateStatus.REVOKED)),
        _c.not_after < bindparam("moment"),
        or_(_c.last_notice.is_(None), _c.last_notice > _LAPSED),
    )
)
_TOLD = Statement(
    update(tables.certificate)
    .where(
        _c.serial == bindparam("number"),
        _c.successor.is_(None),
        or_(_c.last_notice.is_(None), _c.last_notice > bindparam("days")),
    )
    .values(last_notice=bindparam("days"))
)


@dataclasses.dataclass(frozen=True)
class Unrenewed:
    """A certificate that nothing has replaced, nor is about to."""

    serial: str
    cn: CommonName
    not_after: int


def not_asked_for(connection: Connection, ends: Ends) -> list[Unrenewed]:
    """Return some of those that end then and whose renewal was never asked for.

    Left out are those whose seat is suspended or ended, or is named by an application under way, to be revoked.
    """
    return [_unrenewed(*row) for row in _NOT_ASKED.all(connection, **vars(ends))]


def not_reminded(connection: Connection, ends: Ends, days: int) -> list[Unrenewed]:
    """Return some of those that end then and of which the last notice was one of more days; left out are the same."""
    return [_unrenewed(*row) for row in _NOT_REMINDED.all(connection, **vars(ends), days=days)]


def over(connection: Connection, moment: int) -> list[Unrenewed]:
    """Return some of those that ended before a moment and whose seat is active all the same."""
    return [_unrenewed(*row) for row in _OVER.all(connection, moment=moment)]


def told(connection: Connection, serial: str, days: int) -> None:
    """Remember the notice of so many days. Raises Conflict when it was given, or the certificate renewed, meanwhile."""
    _TOLD.must(connection, number=serial, days=days)


def lapsed(connection: Connection, serial: str) -> None:
    """Remember that nothing more follows. Raises Conflict when that was so before."""
    told(connection, serial, _LAPSED)


def _unrenewed(serial: str, cn: str, not_after: int) -> Unrenewed:
    return Unrenewed(serial, CommonName.parse(cn), not_after)
