"""The records of one CN as its history tells them: what the audit log alone does not say."""

import dataclasses
import json
from typing import TypeVar

from sqlalchemy import Table, bindparam, select

from ca_server.store import tables
from ca_server.store.database import Connection
from ca_server.store.statement import Statement

R = TypeVar("R")


@dataclasses.dataclass(frozen=True, slots=True)
class MailRow:
    """A mail about the CN and what became of it; the reason holds the mail server's code, never its words."""

    id: str
    kind: str
    credential_id: str | None
    status: str
    attempts: int
    created_at: int
    next_try: int
    ended_at: int | None
    failure: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class AccountRow:
    """A PC that was bound to the CN: what it told of itself, a JSON text, and the address it was bound from."""

    id: str
    device: str
    address: str

    @property
    def particulars(self) -> dict[str, object]:
        """Return what the PC told of itself, under our names."""
        told = json.loads(self.device)
        names = {"hostName": "host_name", "os": "os", "store": "store", "agent": "agent"}
        return {ours: told[name] for name, ours in names.items() if told.get(name)}


@dataclasses.dataclass(frozen=True, slots=True)
class CertificateRow:
    """A certificate of the CN: by whose PC, from which address and by which software it was fetched."""

    serial: str
    account_id: str
    address: str
    agent: str


@dataclasses.dataclass(frozen=True, slots=True)
class RevocationRow:
    """A decision to revoke and when the world saw it."""

    decided_at: int
    published_at: int | None
    crl_number: int | None


@dataclasses.dataclass(frozen=True)
class Rows:
    """What the records hold about one CN, by its ids."""

    mails: list[MailRow]
    accounts: dict[str, AccountRow]
    certificates: dict[str, CertificateRow]
    revocations: list[RevocationRow]


def _of_cn(table: Table, row: type) -> Statement:
    """Return the statement for the columns that `row` names of the rows that belong to a CN."""
    names = [field.name for field in dataclasses.fields(row)]
    return Statement(
        select(*(table.c[name] for name in names))
        .where(table.c.cn == bindparam("name"))
        .order_by(*table.primary_key.columns)
    )


_MAILS = _of_cn(tables.outbox, MailRow)
_ACCOUNTS = _of_cn(tables.account, AccountRow)
_CERTIFICATES = _of_cn(tables.certificate, CertificateRow)
_REVOCATIONS = _of_cn(tables.revocation, RevocationRow)


def read(connection: Connection, cn: str) -> Rows:
    """Return the rows of one CN."""

    def rows(statement: Statement, kind: type[R]) -> list[R]:
        return [kind(*row) for row in statement.all(connection, name=cn)]

    mails = sorted(rows(_MAILS, MailRow), key=lambda mail: mail.kind, reverse=True)  # the URL's before the password's
    mails.sort(key=lambda mail: mail.created_at)
    accounts = {account.id: account for account in rows(_ACCOUNTS, AccountRow)}
    certificates = {certificate.serial: certificate for certificate in rows(_CERTIFICATES, CertificateRow)}
    return Rows(mails, accounts, certificates, rows(_REVOCATIONS, RevocationRow))
