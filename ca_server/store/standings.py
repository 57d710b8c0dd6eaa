"""How certificates stand, in the order in which that changed: what responders follow (RFC 6960).

Each move of a certificate that a relying system may see takes the next place, in its own transaction; a plan has none,
for nobody is told of it. Whoever has read up to a place reads on from there and misses nothing. The certificates that
one statement moves share a place, so that whoever reads takes a range of places and not a number of rows.

Records that were restored have lost the newest changes, and give their places away again. So whoever reads names a
witness, the newest change that was there the last time: a certificate never goes back to an earlier place.
"""

from typing import NamedTuple

from sqlalchemy import bindparam, select

from ca_server.domain.certificates import CertificateStatus
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_c = tables.certificate.c
_NEWEST = Statement(select(_c.place, _c.serial).where(_c.place.is_not(None)).order_by(_c.place.desc()).limit(1))
_PLACE_OF = Statement(select(_c.place).where(_c.serial == bindparam("number")))
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


class Witness(NamedTuple):
    """The newest change at some time: its place, and a serial that stood there."""

    place: int
    serial: str


class Stretch(NamedTuple):
    """The changes up to `until`, and the last place of all; equal when there is nothing more."""

    until: int
    last: int
    changes: list[Standing]
    newest: str = ""
    """A serial at the last place."""


def since(connection: Connection, after: int, most: int, witness: Witness | None = None) -> Stretch:
    """Return the changes of at most `most` places after `after`; a last place of 0 when the witness knows better."""
    if witness is not None:
        stands = _PLACE_OF.one(connection, number=witness.serial)
        if stands is None or stands[0] is None or stands[0] < witness.place:
            return Stretch(0, 0, [])
    row = _NEWEST.one(connection)
    if row is None:
        return Stretch(0, 0, [])
    last, newest = row
    until = min(after + most, last)
    changes = [_standing(*each) for each in _BETWEEN.all(connection, after=after, until=until)]
    return Stretch(until, last, changes, newest)


def _standing(issuer: str, serial: str, status: str, revoked_at: int, reason: int, ends: int) -> Standing:
    if status == CertificateStatus.ISSUED:
        return Standing(issuer, serial, None, None, ends)
    return Standing(issuer, serial, revoked_at or 0, reason or 0, ends)
