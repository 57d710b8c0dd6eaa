"""Credentials and accounts: one certificate a credential, and halves only while it lives."""

from collections.abc import Iterator

from ca_server.domain.certificates import CertificateStatus
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.operations.books.book import Book, book
from ca_server.store.credentials import Halves, kid_sha256
from ca_server.store.ledger import AccountRow, CertificateRow, CredentialRow, Ledger
from keys.errors import SealBroken
from keys.sealing import Sealer

LIVE = (CredentialStatus.OPEN, CredentialStatus.LOCKED)


def credentials(ledger: Ledger, sealer: Sealer) -> Book:
    """Balance every credential with its certificate, its halves and its account.

    - used exactly when a certificate was stored for it; revoked while it was signed, the certificate replaced it
    - a live one holds both halves, which open and are its own; an ended one holds neither
    - what claimed a live one is an open plan
    - the account it names was bound by it
    """
    return book("credentials", len(ledger.credentials), _credentials(ledger, sealer))


def _credentials(ledger: Ledger, sealer: Sealer) -> Iterator[str]:
    accounts = {account.id: account for account in ledger.accounts}
    serials = {row.serial: row for row in ledger.certificates}
    first = {row.credential_id: row for row in ledger.certificates if row.credential_id and row.der is not None}
    renewed = {
        accounts[row.account_id].credential_id
        for row in ledger.certificates
        if row.der is not None and row.account_id in accounts
    }
    for row in ledger.credentials:
        name = f"The credential {row.id} of {row.cn}"
        if row.status not in list(CredentialStatus):
            yield f"{name} has the status {row.status!r}, which there is none of."
        yield from _use(row, name, first.get(row.id), renewed)
        yield from _halves(row, name, sealer)
        yield from _claim(row, name, serials)
        yield from _account(row, name, accounts)
    known = {row.id for row in ledger.credentials}
    for credential_id, certificate in first.items():
        if credential_id not in known:
            yield f"The certificate {certificate.serial} of {certificate.cn} used {credential_id}, which is not there."


def _use(row: CredentialRow, name: str, certificate: CertificateRow | None, renewed: set[str]) -> Iterator[str]:
    used = row.status == CredentialStatus.USED
    if used and certificate is None and (row.kind == CredentialKind.ENROL or row.id not in renewed):
        yield f"{name} is used, but no certificate was stored for it."
    if certificate is not None and certificate.cn != row.cn:
        yield f"{name} was used for {certificate.cn}."
    if certificate is not None and not used and not _revoked_meanwhile(row, certificate):
        yield f"{name} is {row.status}, but the certificate {certificate.serial} was stored for it."


def _revoked_meanwhile(row: CredentialRow, certificate: CertificateRow) -> bool:
    """Tell whether the seat was revoked between plan and signature, which replaces the credential first."""
    revoked = certificate.status == CertificateStatus.REVOKED and row.status == CredentialStatus.REPLACED
    return revoked and (certificate.revoked_at or 0) <= (certificate.issued_at or 0)


def _halves(row: CredentialRow, name: str, sealer: Sealer) -> Iterator[str]:
    live = row.status in LIVE
    if live == (row.ended_at is not None):
        yield f"{name} is {row.status}, and its end is recorded as {row.ended_at}."
    if not live:
        if row.kid_sealed is not None or row.password_sealed is not None:
            yield f"{name} is {row.status} and still holds a sealed half."
        return
    if row.kid_sealed is None or row.password_sealed is None:
        yield f"{name} is {row.status} and lacks a half."
        return
    try:
        kid, _ = Halves(row.kid_sealed, row.password_sealed).opened(sealer, row.id)
    except (SealBroken, UnicodeDecodeError):
        yield f"{name} has a half that does not open."
        return
    if kid_sha256(kid) != row.kid_sha256:
        yield f"{name} is looked up by another kid than it holds."


def _claim(row: CredentialRow, name: str, serials: dict[str, CertificateRow]) -> Iterator[str]:
    if row.claimed_by is None:
        return
    claimant = serials.get(row.claimed_by)
    if claimant is None or claimant.credential_id != row.id:
        yield f"{name} is claimed by {row.claimed_by}, which is no certificate of it."
    elif row.status in LIVE and claimant.status != CertificateStatus.PLANNED:
        yield f"{name} is {row.status} and claimed by {row.claimed_by}, which is {claimant.status}."


def _account(row: CredentialRow, name: str, accounts: dict[str, AccountRow]) -> Iterator[str]:
    account = None if row.account_id is None else accounts.get(row.account_id)
    if row.account_id is not None and (account is None or (account.credential_id, account.cn) != (row.id, row.cn)):
        yield f"{name} names the account {row.account_id}, which it did not bind."
