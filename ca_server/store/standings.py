"""How certificates stand, in the order in which that changed: what responders follow (RFC 6960).

Each move of a certificate that a relying system may see takes the next place, in its own transaction; a plan has none,
for nobody is told of it. Whoever has read up to a place reads on from there and misses nothing. The certificates that
one statement moves share a place, so that whoever reads takes a range of places and not a number of rows.

Records that were restored have lost the newest changes, and give their places away again. So whoever reads names a
witness: the audit entry that was the newest when it read last. Its id is random, each change has its entry in its own
transaction, and nothing that is done again brings it back.
"""

from typing import NamedTuple

from sqlalchemy import bindparam, literal_column, select

from ca_server.domain.certificates import CertificateStatus
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_c = tables.certificate.c
_a = tables.audit.c
_LAST = Statement(select(_c.place).where(_c.place.is_not(None)).order_by(_c.place.desc()).limit(1))
_NEWEST_ENTRY = Statement(select(_a.id).order_by(literal_column("audit.rowid").desc()).limit(1))
_ENTRY = Statement(select(_a.id).where(_a.id == bindparam("entry")))
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
    witness: str = ""
    """The id of the newest audit entry."""


def since(connection: Connection, after: int, most: int, witness: str | None = None) -> Stretch:
    """Return the changes of at most `most` places after `after`; a last place of 0 when the witness is not here."""
    if witness is not None and _ENTRY.one(connection, entry=witness) is None:
        return Stretch(0, 0, [])
    row, newest = _LAST.one(connection), _NEWEST_ENTRY.one(connection)
    last = 0 if row is None else row[0]
    until = min(after + most, last)
    changes = [_standing(*each) for each in _BETWEEN.all(connection, after=after, until=until)]
    return Stretch(until, last, changes, "" if newest is None else newest[0])


def _standing(issuer: str, serial: str, status: str, revoked_at: int, reason: int, ends: int) -> Standing:
    if status == CertificateStatus.ISSUED:
        return Standing(issuer, serial, None, None, ends)
    return Standing(issuer, serial, revoked_at or 0, reason or 0, ends)
