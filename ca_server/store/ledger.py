"""The whole records as `reconcile` reads them: every row of each table that a book balances, in one snapshot.

The other modules of this folder look things up by their keys and hand out what the domain knows; a book wants the rows
as they are, wrong ones included. So nothing is parsed here, and each row's class names the columns it wants.
"""

import dataclasses
from collections.abc import Iterator
from typing import TypeVar

from sqlalchemy import LargeBinary, String, Table, bindparam, func, select

from ca_server.domain.certificates import CertificateStatus
from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

R = TypeVar("R")


@dataclasses.dataclass(frozen=True, slots=True)
class InstitutionRow:
    """An institution and the last number given out."""

    code: str
    last_number: int


@dataclasses.dataclass(frozen=True, slots=True)
class OfficerRow:
    """An officer and the time of service."""

    id: str
    name: str
    role: str
    os_user: str | None
    added_at: int
    disabled_at: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class ApplicationRow:
    """An application: where it stands and who decided what when."""

    number: int
    status: str
    institution: str
    filed_by: str
    filed_at: int
    examined_by: str | None
    examined_at: int | None
    approved_by: str | None
    approved_at: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class ItemRow:
    """One certificate of an application and how far its halves are."""

    application: int
    position: int
    cn: str | None
    revocation: str | None
    issuance: str | None
    new_cn: str | None
    failure: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeRow:
    """What an administrator change asks for and how far it is."""

    application: int
    half: str
    failure: str | None
    called_by: str | None
    changed_at: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class FileRow:
    """The file that an application came in; its bytes are looked at one file at a time."""

    application: int
    sha256: str
    keep_until: int


@dataclasses.dataclass(frozen=True, slots=True)
class SeatRow:
    """A seat."""

    cn: str
    institution: str
    number: int
    status: str
    application: int


@dataclasses.dataclass(frozen=True, slots=True)
class CredentialRow:
    """A credential with its sealed halves."""

    id: str
    cn: str
    kind: str
    status: str
    kid_sha256: str
    kid_sealed: bytes | None
    password_sealed: bytes | None
    account_id: str | None
    claimed_by: str | None
    ended_at: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class AccountRow:
    """An account and what bound it."""

    id: str
    status: str
    cn: str
    credential_id: str
    binding_sealed: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class OrderRow:
    """An order and the certificate planned for it."""

    id: str
    account_id: str
    cn: str
    serial: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class CertificateRow:
    """A certificate or its plan."""

    serial: str
    status: str
    issuer: str
    cn: str
    order_id: str
    account_id: str
    credential_id: str | None
    predecessor: str | None
    successor: str | None
    spki_sha256: str
    not_before: int
    not_after: int
    tbs: bytes | None
    tbs_sha256: str
    der: bytes | None
    issued_at: int | None
    lease_until: int
    revoked_at: int | None
    reason: int | None
    crl_entry: bytes | None
    last_notice: int | None
    partition: int
    place: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class RevocationRow:
    """A decision to revoke and what showed it."""

    id: str
    cn: str
    serials: str
    reason: int
    decided_at: int
    published_at: int | None
    crl_number: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class CallRow:
    """What an officer did on a telephone call."""

    id: str
    cn: str
    act: str
    officer: str
    at: int
    application: int | None
    held_until: int | None
    released_at: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class CrlRow:
    """A CRL whose number was taken."""

    issuer: str
    number: int
    this_update: int
    next_update: int
    entries: int
    sha256: str
    published_at: int | None
    partitions: int


@dataclasses.dataclass(frozen=True, slots=True)
class BlockedKeyRow:
    """A key that was compromised."""

    spki_sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class MailRow:
    """A mail of the outbox."""

    id: str
    kind: str
    institution: str
    cn: str | None
    application: int | None
    credential_id: str | None
    serial: str | None
    revocation_id: str | None
    call_id: str | None
    checkpoint: int | None
    status: str
    created_at: int
    failure: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry of the audit log."""

    actor: str
    action: str
    subject: str
    detail: str
    place: int | None
    salt: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint that was signed."""

    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class LostRow:
    """A certificate of which restored records know the serial number alone, revoked."""

    issuer: str
    serial: str
    partition: int
    not_after: int


@dataclasses.dataclass(frozen=True)
class Ledger:
    """The rows of one snapshot."""

    institutions: list[InstitutionRow]
    officers: list[OfficerRow]
    applications: list[ApplicationRow]
    items: list[ItemRow]
    changes: list[ChangeRow]
    files: list[FileRow]
    seats: list[SeatRow]
    credentials: list[CredentialRow]
    accounts: list[AccountRow]
    orders: list[OrderRow]
    certificates: list[CertificateRow]
    revocations: list[RevocationRow]
    calls: list[CallRow]
    crls: list[CrlRow]
    blocked_keys: list[BlockedKeyRow]
    mails: list[MailRow]
    audit: list[AuditRow]
    checkpoints: list[CheckpointRow]
    lost: list[LostRow]


def _whole(table: Table, row: type) -> Statement:
    """Return the statement for the columns that `row` names, in the order of the table's key."""
    return Statement(
        select(*(table.c[field.name] for field in dataclasses.fields(row))).order_by(*table.primary_key.columns)
    )


_INSTITUTIONS = _whole(tables.institution, InstitutionRow)
_OFFICERS = _whole(tables.officer, OfficerRow)
_APPLICATIONS = _whole(tables.application, ApplicationRow)
_ITEMS = _whole(tables.application_item, ItemRow)
_CHANGES = _whole(tables.administrator_change, ChangeRow)
_FILES = _whole(tables.application_file, FileRow)
_CALLS = _whole(tables.call, CallRow)
_SEATS = _whole(tables.seat, SeatRow)
_CREDENTIALS = _whole(tables.credential, CredentialRow)
_ACCOUNTS = _whole(tables.account, AccountRow)
_ORDERS = _whole(tables.acme_order, OrderRow)
_CERTIFICATES = _whole(tables.certificate, CertificateRow)
_REVOCATIONS = _whole(tables.revocation, RevocationRow)
_CRLS = _whole(tables.crl, CrlRow)
_BLOCKED_KEYS = _whole(tables.blocked_key, BlockedKeyRow)
_MAILS = _whole(tables.outbox, MailRow)
_AUDIT = _whole(tables.audit, AuditRow)
_CHECKPOINTS = _whole(tables.checkpoint, CheckpointRow)
_LOST = _whole(tables.lost_certificate, LostRow)

_LARGE = {tables.application_file.c.sealed}  # the book of files opens each, which nothing in clear would survive
_TEXTS = tuple(
    (table.name, columns, Statement(select(*(table.c[name] for name in columns))))
    for table in tables.metadata.sorted_tables
    if (columns := tuple(c.name for c in table.columns if isinstance(c.type, String | LargeBinary) and c not in _LARGE))
)
_PLANNED = tables.certificate.c.status == CertificateStatus.PLANNED
_OPEN_PLANS = Statement(select(func.count()).select_from(tables.certificate).where(_PLANNED))
_OVERDUE_PLANS = Statement(
    select(func.count())
    .select_from(tables.certificate)
    .where(_PLANNED, tables.certificate.c.lease_until < bindparam("now"))
)


def read(connection: Connection) -> Ledger:
    """Return every row; the caller's transaction makes them one snapshot."""

    def rows(statement: Statement, kind: type[R]) -> list[R]:
        return [kind(*row) for row in statement.all(connection)]

    return Ledger(
        rows(_INSTITUTIONS, InstitutionRow),
        rows(_OFFICERS, OfficerRow),
        rows(_APPLICATIONS, ApplicationRow),
        rows(_ITEMS, ItemRow),
        rows(_CHANGES, ChangeRow),
        rows(_FILES, FileRow),
        rows(_SEATS, SeatRow),
        rows(_CREDENTIALS, CredentialRow),
        rows(_ACCOUNTS, AccountRow),
        rows(_ORDERS, OrderRow),
        rows(_CERTIFICATES, CertificateRow),
        rows(_REVOCATIONS, RevocationRow),
        rows(_CALLS, CallRow),
        rows(_CRLS, CrlRow),
        rows(_BLOCKED_KEYS, BlockedKeyRow),
        rows(_MAILS, MailRow),
        rows(_AUDIT, AuditRow),
        rows(_CHECKPOINTS, CheckpointRow),
        rows(_LOST, LostRow),
    )


def texts(connection: Connection) -> Iterator[tuple[str, tuple[str, ...], list[bytes]]]:
    """Yield, row by row, a table's name, its columns of text or bytes, and what they hold; NULL comes as empty."""
    for table, columns, statement in _TEXTS:
        for row in statement.all(connection):
            yield table, columns, [each.encode() if isinstance(each, str) else each or b"" for each in row]


def plans(connection: Connection, now: int) -> tuple[int, int]:
    """Return how many plans are open, and how many of them are older than their lease."""
    counted = (_OPEN_PLANS.one(connection), _OVERDUE_PLANS.one(connection, now=now))
    return (int(counted[0][0]) if counted[0] else 0, int(counted[1][0]) if counted[1] else 0)
