"""The audit log: every state has its entry, and what the log saw is there."""

import json
from collections.abc import Iterator

from ca_server.domain.applications import Status
from ca_server.domain.certificates import CertificateStatus
from ca_server.domain.seats import SeatStatus
from ca_server.operations.books.book import Book, book
from ca_server.operations.books.mails import was_issued
from ca_server.store.ledger import AuditRow, CertificateRow, Ledger
from ca_server.store.outbox import MailStatus

_Entry = tuple[str, str]
"""What was done, and the id of what it was done to."""


def audit(ledger: Ledger) -> Book:
    """Balance states with entries.

    - a certificate was planned, and issued, revoked or aborted; a seat approved, revoked or lapsed; a credential made;
      an account bound; an institution and an officer registered; a CRL published; a mail ended
    - each step of an application was taken by the officer whom it names
    - a certificate that the log saw planned or issued is on record
    """
    return book("audit", len(ledger.audit), _audit(ledger))


def _audit(ledger: Ledger) -> Iterator[str]:
    entries: set[_Entry] = set()
    for row in ledger.audit:
        try:
            entries.update((row.action, key) for key in _keys(row))
        except (ValueError, KeyError, TypeError):
            yield f"The entry {row.action!r} about {row.subject} cannot be read."
    for action, key in _wanted(ledger):
        if (action, key) not in entries:
            yield f"There is no entry {action!r} about {key}."
    stored = {row.serial for row in ledger.certificates if row.der is not None}
    planned = {row.serial for row in ledger.certificates}
    for action, key in sorted(entries):
        if action == "certificate planned" and key not in planned:
            yield f"The certificate {key} was planned, says an entry, and is not on record."
        if action == "certificate issued" and key not in stored:
            yield f"The certificate {key} was issued, says an entry, and is not stored."


def _keys(row: AuditRow) -> list[str]:
    """Return the ids that an entry is found by."""
    detail = json.loads(row.detail)
    if row.action == "certificates revoked":
        return [str(serial) for serial in detail["serials"]]
    if row.action.startswith("certificate "):
        return [str(detail["serial"])]
    if row.action == "credential made":
        return [str(detail["credential"])]
    if row.action == "account bound":
        return [row.actor]
    if row.action == "CRL published":
        return [f"{row.subject} {detail['number']} {detail['sha256']}"]
    if row.action.startswith("mail "):
        return [str(detail["mail"])]
    return [row.subject, f"{row.subject} by {row.actor.partition('@')[0]}"]


def _wanted(ledger: Ledger) -> Iterator[_Entry]:
    for certificate in ledger.certificates:
        yield from _of_certificate(certificate)
    yield from _of_applications(ledger)
    for seat in ledger.seats:
        yield "seat approved", seat.cn
        if seat.status == SeatStatus.REVOKED:
            yield "seat revoked", seat.cn
        if seat.status == SeatStatus.LAPSED:
            yield "seat lapsed", seat.cn
    yield from (("credential made", row.id) for row in ledger.credentials)
    yield from (("account bound", f"account:{row.id}") for row in ledger.accounts)
    yield from (("institution registered", row.code) for row in ledger.institutions)
    for officer in ledger.officers:
        yield "officer added", officer.name
        if officer.disabled_at is not None:
            yield "officer disabled", officer.name
    for crl in ledger.crls:
        if crl.published_at is not None:
            yield "CRL published", f"{crl.issuer} {crl.number} {crl.sha256}"
    yield from ((f"mail {row.status}", row.id) for row in ledger.mails if row.status != MailStatus.PENDING)


def _of_certificate(row: CertificateRow) -> Iterator[_Entry]:
    yield "certificate planned", row.serial
    if was_issued(row):
        yield "certificate issued", row.serial
    if row.status == CertificateStatus.REVOKED:
        yield "certificates revoked", row.serial
    if row.status == CertificateStatus.ABORTED:
        yield "certificate aborted", row.serial


def _of_applications(ledger: Ledger) -> Iterator[_Entry]:
    for row in ledger.applications:
        subject = f"application:{row.number}"
        yield f"application {Status.RECEIVED}", f"{subject} by officer:{row.filed_by}"
        if row.examined_by is not None:
            yield f"application {Status.EXAMINED}", f"{subject} by officer:{row.examined_by}"
        if row.approved_by is not None:
            yield f"application {Status.APPROVED}", f"{subject} by officer:{row.approved_by}"
        yield f"application {row.status}", subject
