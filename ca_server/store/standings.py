"""How certificates stand, in the order in which that changed: what responders follow (RFC 6960).

Each move of a certificate that a relying system may see takes the next place, in its own transaction; a plan has none,
for nobody is told of it (`places`). Whoever has read up to a place reads on from there and misses nothing. The
certificates that one transaction moves may share a place, so whoever reads gets all of it, and a few rows more.

Records that were restored have lost the newest changes, and give their places away again. So whoever reads names a
witness: the audit entry that was the newest when it read last. Half of its id is random, each change has its entry in
its own transaction, and nothing that is done again brings it back.
"""

from typing import NamedTuple

from sqlalchemy import bindparam, select

from ca_server.domain.certificates import CertificateStatus
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.places import Arrival, Horizon
from ca_server.store.statement import Statement

_c = tables.certificate.c
_a = tables.audit.c
_LAST = Statement(select(_c.place).where(_c.place <= Horizon()).order_by(_c.place.desc()).limit(1))
_END = Statement(
    select(_c.place)
    .where(_c.place > bindparam("after"), _c.place <= bindparam("last"))
    .order_by(_c.place)
    .offset(bindparam("others"))
    .limit(1)
)
_NEWEST_ENTRY = Statement(select(_a.id).order_by(Arrival().desc()).limit(1))
_ENTRY = Statement(select(_a.id).where(_a.id == bindparam("entry")))
_AFTER = select(_c.issuer, _c.serial, _c.status, _c.revoked_at, _c.reason, _c.not_after).where(
    _c.place > bindparam("after")
)
_BETWEEN = Statement(_AFTER.where(_c.place <= bindparam("until")).order_by(_c.place))
_BEYOND = Statement(_AFTER.order_by(_c.revoked_at.is_(None), _c.place).limit(bindparam("most")))
_MOST_BEYOND = 5000
"""Of those that are told again and again: what comes in minutes, while somebody's transaction is open."""


class Standing(NamedTuple):
    """How one certificate stands. It is revoked, for good or on hold, when `revoked_at` is there."""

    issuer: str
    serial: str
    revoked_at: int | None
    reason: int | None
    ends: int


class Stretch(NamedTuple):
    """The changes up to `until`, and the last place of all; equal when there is nothing more.

    Then there may be changes of later places as well: they are so, but something may yet appear before them.
    """

    until: int
    last: int
    changes: list[Standing]
    witness: str = ""
    """The id of the newest audit entry."""


def since(connection: Connection, after: int, most: int, witness: str | None = None) -> Stretch:
    """Return about `most` changes after a place; a last place of 0 when the witness is not here.

    At the end it also tells what cannot be put in its order yet, because an older transaction still runs, revocations
    first; that is told again until it can. One that was stopped must keep no revocation from being seen.
    """
    if witness is not None and _ENTRY.one(connection, entry=witness) is None:
        return Stretch(0, 0, [])
    row, newest = _LAST.one(connection), _NEWEST_ENTRY.one(connection)
    last = 0 if row is None else row[0]
    end = _END.one(connection, after=after, last=last, others=most - 1)
    until = last if end is None else end[0]
    rows = _BETWEEN.all(connection, after=after, until=until)
    if until == last:
        beyond = _BEYOND.all(connection, after=last, most=_MOST_BEYOND)
        rows += beyond
        last += len(beyond) == _MOST_BEYOND  # more than can be told again and again: there is no end
    return Stretch(until, last, [_standing(*row) for row in rows], "" if newest is None else newest[0])


def _standing(issuer: str, serial: str, status: str, revoked_at: int, reason: int, ends: int) -> Standing:
    if status == CertificateStatus.ISSUED:
        return Standing(issuer, serial, None, None, ends)
    return Standing(issuer, serial, revoked_at or 0, reason or 0, ends)
