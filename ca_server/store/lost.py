"""Certificates that restored records have lost: revoked for the world, by a CRL that outlived them, or for safety.

Nothing is known of one but issuer, serial number and mark, so it has no seat. It stays on the CRL until the last moment
at which it can end, and OCSP calls it revoked.
"""

import dataclasses

from sqlalchemy import bindparam, func, insert, select

from ca_server.store import audit, tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

_l = tables.lost_certificate.c
_INSERT = Statement(insert(tables.lost_certificate))
_MARK = Statement(
    select(_l.revoked_at, _l.reason).where(_l.issuer == bindparam("issued_by"), _l.serial == bindparam("number"))
)
_ENTRIES = Statement(
    select(_l.crl_entry)
    .where(_l.issuer == bindparam("issued_by"), _l.partition == bindparam("part"), _l.not_after >= bindparam("after"))
    .order_by(_l.serial)
)
_LAST_PARTITION = Statement(select(func.max(_l.partition)).where(_l.issuer == bindparam("issued_by")))


@dataclasses.dataclass(frozen=True)
class Lost:
    """A certificate of which only the serial number is left, with the mark that it bears on the CRL."""

    issuer: str
    serial: str
    partition: int
    not_after: int
    """The last moment at which it can end."""
    revoked_at: int
    reason: int
    crl_entry: bytes


def add(connection: Connection, lost: Lost, now: int, actor: str) -> None:
    """Put it on record. Raises Duplicate when it was before."""
    _INSERT.run(connection, **vars(lost))
    audit.record(
        connection,
        now,
        actor,
        "lost certificate revoked",
        lost.issuer,
        serial=lost.serial,
        revoked_at=lost.revoked_at,
        reason=lost.reason,
    )


def mark(connection: Connection, issuer: str, serial: str) -> tuple[int, int] | None:
    """Return moment and reason of its revocation, or None for a serial number that was not lost."""
    row = _MARK.one(connection, issued_by=issuer, number=serial)
    return None if row is None else (row[0], row[1])


def crl_entries(connection: Connection, issuer: str, partition: int, ended_after: int) -> list[bytes]:
    """Return the entries of a partition's that may not have ended before `ended_after`."""
    return [row[0] for row in _ENTRIES.all(connection, issued_by=issuer, part=partition, after=ended_after)]


def last_partition(connection: Connection, issuer: str) -> int:
    """Return the highest partition that one of the issuer is in, 0 for none."""
    row = _LAST_PARTITION.one(connection, issued_by=issuer)
    return 0 if row is None else int(row[0] or 0)
