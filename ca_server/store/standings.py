"""How certificates stand, in the order in which that changed: what responders follow (RFC 6960).

Each move of a certificate that a relying system may see takes the next place, in its own transaction; a plan has none,
for nobody is told of it. Whoever has read up to a place reads on from there and misses nothing. The certificates that
one statement moves share a place, so that whoever reads takes a range of places and not a number of rows.
"""

from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from ca_server.domain.certificates import CertificateStatus
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_c = tables.certificate.c
_LAST = Statement(select(func.max(_c.place)))
_BETWEEN = Statement(
    select(_c.issuer, _c.serial, _c.status, _c.revoked_at, _c.reason, _c.not_after)
    .where(_c.place > bindparam("after"), _c.place <= bindparam("until"))
    .order_by(_c.place)
)


class Standing(NamedTuple):
    """How one certificate stands. It is revoked, for good or on hold, when `revoked_at` is there."""

    issuer: str
    serial: str
    revoked_at: int | None
    reason: int | None
    ends: int


class Stretch(NamedTuple):
    """The changes up to `until`, and the last place of all; equal when there is nothing more."""

    until: int
    last: int
    changes: list[Standing]


def since(connection: Connection, after: int, most: int) -> Stretch:
    """Return the changes of at most `most` places after `after`."""
    row = _LAST.one(connection)
    last = 0 if row is None or row[0] is None else int(row[0])
    until = min(after + most, last)
    return Stretch(until, last, [_standing(*row) for row in _BETWEEN.all(connection, after=after, until=until)])


def _standing(issuer: str, serial: str, status: str, revoked_at: int, reason: int, ends: int) -> Standing:
    if status == CertificateStatus.ISSUED:
        return Standing(issuer, serial, None, None, ends)
    return Standing(issuer, serial, revoked_at or 0, reason or 0, ends)
