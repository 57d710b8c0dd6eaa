"""The records of certificates, from the plan to the end. A planned row is the Plan, its lease and its attempts."""

import dataclasses
import hashlib
from typing import Any, NamedTuple

from sqlalchemy import LargeBinary, bindparam, cast, func, insert, literal, or_, select, update

from ca_server.domain.certificates import Certificate, CertificateStatus
from ca_server.store import audit, lost, tables
from ca_server.store.database import Connection
from ca_server.store.places import NextPlace
from ca_server.store.statement import Statement
from protocol.names import CommonName
from protocol.vocabulary import AccountStatus, RevocationReason

_c = tables.certificate.c
_SIGNED = (CertificateStatus.ISSUED, CertificateStatus.SUSPENDED)
_COLUMNS = (_c.serial, _c.status, _c.cn, _c.not_before, _c.not_after, _c.successor)
_CERTIFICATES = select(*_COLUMNS)

_INSERT = Statement(insert(tables.certificate))
_BY_SERIAL = Statement(_CERTIFICATES.where(_c.serial == bindparam("number")))
_OF_SEAT = Statement(_CERTIFICATES.where(_c.cn == bindparam("seat")).order_by(_c.not_before, _c.serial))
_NEWEST = Statement(
    _CERTIFICATES.where(_c.cn == bindparam("seat"), _c.status.in_(_SIGNED), _c.successor.is_(None))
    .order_by(_c.not_after.desc())
    .limit(1)
)
_SIGNED_ONES = Statement(_CERTIFICATES.where(_c.der.is_not(None)).order_by(_c.cn, _c.not_before, _c.serial))
_OWNER = Statement(select(_c.account_id, _c.cn, _c.der, _c.order_id).where(_c.serial == bindparam("number")))
_OF_ACCOUNT = Statement(
    select(_c.der)
    .join_from(tables.certificate, tables.account, _c.cn == tables.account.c.cn)
    .where(
        _c.serial == bindparam("number"),
        tables.account.c.id == bindparam("account"),
        tables.account.c.status == AccountStatus.VALID,
    )
)
_PLAN = Statement(
    select(
        _c.serial,
        _c.cn,
        _c.order_id,
        _c.account_id,
        _c.credential_id,
        _c.predecessor,
        _c.issuer,
        _c.tbs,
        _c.tbs_sha256,
        _c.attempts,
    ).where(_c.serial == bindparam("number"), _c.status == CertificateStatus.PLANNED)
)
_PLANS = select(_c.serial).where(_c.status == CertificateStatus.PLANNED).order_by(_c.lease_until, _c.serial).limit(100)
_OVER = _c.lease_until <= bindparam("now")
_OVERDUE = Statement(_PLANS.where(_OVER))
_ORPHANS = Statement(_PLANS.where(or_(_OVER, _c.server != bindparam("living"))))
_TAKE_OVER = Statement(
    update(tables.certificate)
    .where(_c.serial == bindparam("number"), _c.status == CertificateStatus.PLANNED, _c.attempts == bindparam("before"))
    .values(server=bindparam("holder"), lease_until=bindparam("until"), attempts=_c.attempts + 1)
)
_PLANNED_OF_ACCOUNT = Statement(
    select(_c.serial).where(_c.account_id == bindparam("account"), _c.status == CertificateStatus.PLANNED).limit(1)
)
_SUCCEED = Statement(
    update(tables.certificate)
    .where(_c.serial == bindparam("number"), _c.successor.is_(None), _c.status == CertificateStatus.ISSUED)
    .values(successor=bindparam("next"))
)
_GIVE_BACK = Statement(update(tables.certificate).where(_c.successor == bindparam("number")).values(successor=None))
_ISSUE = Statement(
    update(tables.certificate)
    .where(_c.serial == bindparam("number"), _c.status == CertificateStatus.PLANNED)
    .values(
        status=CertificateStatus.ISSUED, der=bindparam("bytes"), tbs=None, issued_at=bindparam("now"), place=NextPlace()
    )
)
_STORE_REVOKED = Statement(
    update(tables.certificate)
    .where(_c.serial == bindparam("number"), _c.status == CertificateStatus.REVOKED, _c.der.is_(None))
    .values(der=bindparam("bytes"), tbs=None, issued_at=bindparam("now"))
)
_END = Statement(
    update(tables.certificate)
    .where(_c.serial == bindparam("number"), _c.status == bindparam("before"))
    .values(
        status=bindparam("after"),
        revoked_at=bindparam("now"),
        reason=bindparam("code"),
        crl_entry=bindparam("entry"),
        place=NextPlace(),
    )
)
_SUSPEND = Statement(
    update(tables.certificate)
    .where(_c.serial == bindparam("number"), _c.status == CertificateStatus.ISSUED)
    .values(
        status=CertificateStatus.SUSPENDED,
        revoked_at=bindparam("now"),
        reason=int(RevocationReason.certificateHold),
        crl_entry=bindparam("entry"),
        place=NextPlace(),
    )
)
_RESTORE = Statement(
    update(tables.certificate)
    .where(_c.cn == bindparam("seat"), _c.status == CertificateStatus.SUSPENDED)
    .values(status=CertificateStatus.ISSUED, revoked_at=None, reason=None, crl_entry=None, place=NextPlace())
)
_PLANNED_OF_SEAT = Statement(
    select(_c.serial).where(_c.cn == bindparam("seat"), _c.status == CertificateStatus.PLANNED).limit(1)
)
_UNENDED_OF_SEAT = Statement(
    _CERTIFICATES.where(
        _c.cn == bindparam("seat"),
        _c.not_after > bindparam("now"),
        _c.status.in_((*_SIGNED, CertificateStatus.PLANNED)),
    )
)
_STATE = Statement(
    select(_c.status, _c.revoked_at, _c.reason).where(
        _c.serial == bindparam("number"), _c.issuer == bindparam("issued_by")
    )
)
_FETCHED = Statement(
    select(_c.issued_at, _c.address, _c.agent, _c.not_after, tables.account.c.device)
    .join_from(tables.certificate, tables.account, _c.account_id == tables.account.c.id)
    .where(_c.serial == bindparam("number"))
)
_KEY_OF = Statement(select(_c.spki_sha256).where(_c.serial == bindparam("number")))
_BLOCK = Statement(insert(tables.blocked_key))
_BLOCKED = Statement(
    select(func.count()).select_from(tables.blocked_key).where(tables.blocked_key.c.spki_sha256 == bindparam("spki"))
)
_NOTHING: Any = literal(b"", LargeBinary)  # between bytes PostgreSQL wants bytes
_CRL_ENTRIES = Statement(
    select(func.count(), cast(func.aggregate_strings(_c.crl_entry, _NOTHING), LargeBinary)).where(
        _c.issuer == bindparam("issued_by"),
        _c.partition == bindparam("part"),
        _c.crl_entry.is_not(None),
        _c.not_after >= bindparam("ended_after"),
    )
)
_LAST_PARTITION = Statement(select(func.max(_c.partition)).where(_c.issuer == bindparam("issued_by"), _c.partition > 0))


class Fetched(NamedTuple):
    """How a certificate was fetched: when it was stored, from which address and by which software, to which PC."""

    at: int | None
    address: str
    agent: str
    not_after: int
    device: str
    """A JSON object."""


@dataclasses.dataclass(frozen=True)
class Planned:
    """A plan as recorded: what will be signed, for whom, and what it has claimed."""

    serial: str
    cn: str
    order_id: str
    account_id: str
    credential_id: str | None
    predecessor: str | None
    issuer: str
    tbs: bytes
    tbs_sha256: str
    attempts: int


@dataclasses.dataclass(frozen=True)
class Entries:
    """What a partition has on the CRL: how many entries, and their DER one after the other."""

    count: int
    der: bytes


@dataclasses.dataclass(frozen=True)
class NewPlan:
    """What a plan is recorded with, before the CA key is touched."""

    serial: str
    issuer: str
    cn: str
    order_id: str
    account_id: str
    predecessor: str | None
    spki_sha256: str
    not_before: int
    not_after: int
    tbs: bytes
    tbs_sha256: str
    address: str
    agent: str
    server: str
    lease_until: int
    partition: int


def plan(connection: Connection, planned: NewPlan, credential_id: str | None, now: int) -> None:
    """Put a plan on record. Raises Duplicate when the serial, or the credential's one certificate, is taken."""
    _INSERT.run(
        connection,
        **vars(planned),
        credential_id=credential_id,
        status=CertificateStatus.PLANNED,
        successor=None,
        der=None,
        planned_at=now,
        issued_at=None,
        attempts=0,
        revoked_at=None,
        reason=None,
        crl_entry=None,
    )
    audit.record(
        connection,
        now,
        f"account:{planned.account_id}",
        "certificate planned",
        planned.cn,
        serial=planned.serial,
        tbs_sha256=planned.tbs_sha256,
    )


def find(connection: Connection, serial: str) -> Certificate | None:
    """Return the certificate, or None for a serial that was never planned."""
    row = _BY_SERIAL.one(connection, number=serial)
    return None if row is None else _certificate(row)


def of_seat(connection: Connection, cn: str) -> list[Certificate]:
    """Return every certificate of the seat, plans too, oldest first."""
    return [_certificate(row) for row in _OF_SEAT.all(connection, seat=cn)]


def newest(connection: Connection, cn: str) -> Certificate | None:
    """Return the seat's certificate that has no successor, or None: the one that a renewal replaces."""
    row = _NEWEST.one(connection, seat=cn)
    return None if row is None else _certificate(row)


def signed(connection: Connection) -> list[Certificate]:
    """Return every certificate that was signed and stored, by CN."""
    return [_certificate(row) for row in _SIGNED_ONES.all(connection)]


def of_account(connection: Connection, account_id: str, serial: str) -> bytes | None:
    """Return the DER of a certificate of the seat that a valid account belongs to, or None."""
    row = _OF_ACCOUNT.one(connection, account=account_id, number=serial)
    return None if row is None else row[0]


def owner(connection: Connection, serial: str) -> tuple[str, str, bytes | None, str] | None:
    """Return (account id, CN, DER, order id) of the certificate, or None."""
    return _OWNER.one(connection, number=serial)


def fetched(connection: Connection, serial: str) -> Fetched | None:
    """Return how the certificate was fetched, or None for an unknown one."""
    row = _FETCHED.one(connection, number=serial)
    return None if row is None else Fetched(*row)


def planned(connection: Connection, serial: str) -> Planned | None:
    """Return the open plan, or None when there is none or it is over."""
    row = _PLAN.one(connection, number=serial)
    return None if row is None else Planned(*row)


def orphans(connection: Connection, living: str | None, now: int) -> list[str]:
    """Return serials of plans whose lease ran out, at most 100; also those of other servers than the one that lives."""
    rows = _OVERDUE.all(connection, now=now) if living is None else _ORPHANS.all(connection, living=living, now=now)
    return [row[0] for row in rows]


def take_over(connection: Connection, orphan: Planned, holder: str, until: int) -> None:
    """Take an orphan's lease and count the attempt. Raises Conflict when another did."""
    _TAKE_OVER.must(connection, number=orphan.serial, before=orphan.attempts, holder=holder, until=until)


def plan_stands(connection: Connection, account_id: str) -> bool:
    """Tell whether a plan of the account is open, which a takeover must wait for."""
    return _PLANNED_OF_ACCOUNT.one(connection, account=account_id) is not None


def plan_stands_for(connection: Connection, cn: str) -> bool:
    """Tell whether a plan of the seat is open, which a suspension must wait for."""
    return _PLANNED_OF_SEAT.one(connection, seat=cn) is not None


def suspend(connection: Connection, serial: str, entry: bytes, now: int) -> None:
    """Put an issued certificate on hold with its CRL entry. Raises Conflict when it is not issued any more."""
    _SUSPEND.must(connection, number=serial, entry=entry, now=now)


def restore(connection: Connection, cn: str) -> int:
    """Make the suspended certificates of the seat good again, off the CRL, and return how many there were."""
    return _RESTORE.run(connection, seat=cn)


def claim_succession(connection: Connection, predecessor: str, successor: str) -> bool:
    """Make `successor` the one that replaces `predecessor`; tell whether it won."""
    return _SUCCEED.run(connection, number=predecessor, next=successor) == 1


def release_succession(connection: Connection, successor: str) -> None:
    """Give the predecessor back after an abort."""
    _GIVE_BACK.run(connection, number=successor)


def issue(connection: Connection, serial: str, der: bytes, now: int) -> bool:
    """Store a signed certificate; tell whether it is good, False when it was revoked while it was signed."""
    if _ISSUE.run(connection, number=serial, bytes=der, now=now) == 1:
        return True
    if _STORE_REVOKED.run(connection, number=serial, bytes=der, now=now) == 1:
        found, digest = find(connection, serial), hashlib.sha256(der).hexdigest()
        cn = "" if found is None else str(found.cn)
        audit.record(connection, now, "schedule", "certificate stored", cn, serial=serial, sha256=digest)
    return False


def end(
    connection: Connection, certificate: Certificate, after: CertificateStatus, mark: tuple[int, int, bytes]
) -> None:
    """Revoke or abort a certificate with its mark (now, reason code, CRL entry). Raises Conflict when it moved."""
    now, code, entry = mark
    _END.must(
        connection, number=certificate.serial, before=certificate.status, after=after, now=now, code=code, entry=entry
    )


def unended(connection: Connection, cn: str, now: int) -> list[Certificate]:
    """Return the seat's certificates that have not ended and are not revoked, open plans too."""
    return [_certificate(row) for row in _UNENDED_OF_SEAT.all(connection, seat=cn, now=now)]


def state(connection: Connection, issuer: str, serial: str) -> tuple[str, int | None, int | None] | None:
    """Return (status, revoked at, reason) for OCSP, or None for a serial that the issuer never planned."""
    known = _STATE.one(connection, number=serial, issued_by=issuer)
    if known is None and (mark := lost.mark(connection, issuer, serial)) is not None:
        return (CertificateStatus.REVOKED, *mark)
    return known


def key_of(connection: Connection, serial: str) -> str | None:
    """Return the SHA-256 of the certificate's public key, or None."""
    row = _KEY_OF.one(connection, number=serial)
    return None if row is None else row[0]


def block_key(connection: Connection, serial: str, now: int) -> None:
    """Refuse the certificate's public key for ever, after its compromise."""
    spki = key_of(connection, serial)
    if spki is not None and not key_blocked(connection, spki):
        _BLOCK.run(connection, spki_sha256=spki, blocked_at=now)


def key_blocked(connection: Connection, spki_sha256: str) -> bool:
    """Tell whether the public key was compromised once."""
    row = _BLOCKED.one(connection, spki=spki_sha256)
    return row is not None and bool(row[0])


def crl_entries(connection: Connection, issuer: str, partitions: int, ended_after: int) -> list[Entries]:
    """Return what is revoked and did not end before `ended_after`, of no partition first, then of 1 to `partitions`.

    The database joins the stored entries, which the index holds: a row each in Python would take twice as long.
    """
    found = []
    for part in range(partitions + 1):
        count, der = _CRL_ENTRIES.one(connection, issued_by=issuer, part=part, ended_after=ended_after) or (0, None)
        gone = lost.crl_entries(connection, issuer, part, ended_after)
        found.append(Entries(count + len(gone), (der or b"") + b"".join(gone)))
    return found


def last_partition(connection: Connection, issuer: str) -> int:
    """Return the highest partition that a certificate of the issuer was ever planned in, lost ones too, 0 for none."""
    row = _LAST_PARTITION.one(connection, issued_by=issuer)
    return max(0 if row is None else int(row[0] or 0), lost.last_partition(connection, issuer))


def _certificate(row: tuple[Any, ...]) -> Certificate:
    serial, status, cn, not_before, not_after, successor = row
    return Certificate(
        str(serial),
        CertificateStatus(status),
        CommonName.parse(str(cn)),
        not_before,
        not_after,
        successor,
    )
