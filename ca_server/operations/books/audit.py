"""The audit log: every state has its entry, what the log saw is there, and the tree over it is what was signed."""

import hashlib
import json
from collections.abc import Iterator, Sequence

from ca_server import store
from ca_server.domain.applications import Status
from ca_server.domain.audit_entry import SIGNED
from ca_server.domain.certificates import CertificateStatus
from ca_server.domain.checkpoint import NoCheckpoint
from ca_server.domain.seats import SeatStatus
from ca_server.operations.audit_proofs import verify_records
from ca_server.operations.audit_verification import Altered, kept_checkpoints
from ca_server.operations.books.book import Book, book
from ca_server.operations.books.mails import was_issued
from ca_server.store.audit_tree import count_placed
from ca_server.store.ledger import AuditRow, CertificateRow, Ledger
from ca_server.store.outbox import MailStatus
from keys.signed_note import NoteKey

_Entry = tuple[str, str]
"""What was done, and the id of what it was done to."""


def audit(ledger: Ledger) -> Book:
    """Balance states with entries.

    - a certificate was planned, and issued, revoked or aborted; a seat approved, revoked or lapsed; a credential made;
      an account bound; an institution and an officer registered; a CRL published; a mail ended
    - each step of an application was taken by the officer whom it names
    - a certificate that the log saw planned or issued is on record, and a stored one has the hash that the log saw
    - officers have the role and the login that the log saw them given, and none acts whom it saw disabled
    - an application that the log saw returned or withdrawn is so still: nobody revives it, whoever had signed it
    """
    return book("audit", len(ledger.audit), _audit(ledger))


def audit_tree(connection: store.Connection, keys: Sequence[NoteKey], published: bytes | None) -> Book:
    """Balance the entries that have a place with the tree, the tree with its checkpoints, those with their key.

    `published` is the checkpoint in its file before the records were read: whoever writes the records has another one.
    """
    return book("audit tree", count_placed(connection), _tree(connection, keys, published))


def _tree(connection: store.Connection, keys: Sequence[NoteKey], published: bytes | None) -> Iterator[str]:
    try:
        kept = [] if published is None else kept_checkpoints(published.decode("utf-8", "replace"), keys)
        verify_records(connection, keys, kept)
    except NoCheckpoint:
        yield "The file public/audit/checkpoint holds no checkpoint."
    except Altered as error:
        yield str(error)


def _audit(ledger: Ledger) -> Iterator[str]:
    entries: set[_Entry] = set()
    for row in ledger.audit:
        try:
            entries.update((row.action, key) for key in _keys(row))
            entries.update(("certificate signed", key) for key in _signed(row))
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
    yield from _of_officers(ledger)
    for application in ledger.applications:
        for end in (Status.RETURNED, Status.WITHDRAWN):
            if application.status != end and (f"application {end}", f"application:{application.number}") in entries:
                yield f"Application {application.number} was {end}, says an entry, and is {application.status}."


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


def _signed(row: AuditRow) -> list[str]:
    """Return which certificate an entry saw signed, and its hash."""
    if row.action not in SIGNED:
        return []
    detail = json.loads(row.detail)
    return [f"{detail['serial']} {detail['sha256']}"]


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
        yield "officer added", f"officer:{officer.id}"
        if officer.disabled_at is not None:
            yield "officer disabled", f"officer:{officer.id}"
    for crl in ledger.crls:
        if crl.published_at is not None:
            yield "CRL published", f"{crl.issuer} {crl.number} {crl.sha256}"
    yield from ((f"mail {row.status}", row.id) for row in ledger.mails if row.status != MailStatus.PENDING)


def _of_certificate(row: CertificateRow) -> Iterator[_Entry]:
    yield "certificate planned", row.serial
    if was_issued(row):
        yield "certificate issued", row.serial
    if row.der is not None:
        yield "certificate signed", f"{row.serial} {hashlib.sha256(row.der).hexdigest()}"
    if row.status == CertificateStatus.REVOKED:
        yield "certificates revoked", row.serial
    if row.status == CertificateStatus.ABORTED:
        yield "certificate aborted", row.serial


def _of_officers(ledger: Ledger) -> Iterator[str]:
    officers = {f"officer:{each.id}": each for each in ledger.officers}
    for row in ledger.audit:
        officer = officers.get(row.subject)
        if officer is None:
            continue
        if row.action == "officer added":
            given = json.loads(row.detail)
            if given["role"] != officer.role:
                yield f"Officer {officer.id} was given the role {given['role']}, says an entry, and has {officer.role}."
            is_erased = row.place is not None and row.salt is None
            if not is_erased and given["os_user"] != officer.os_user:
                yield f"Officer {officer.id} was given another login, says an entry, than the one on record."
        if row.action == "officer disabled" and officer.disabled_at is None:
            yield f"Officer {officer.id} was disabled, says an entry, and acts again."


def _of_applications(ledger: Ledger) -> Iterator[_Entry]:
    for row in ledger.applications:
        subject = f"application:{row.number}"
        yield f"application {Status.RECEIVED}", f"{subject} by officer:{row.filed_by}"
        if row.examined_by is not None:
            yield f"application {Status.EXAMINED}", f"{subject} by officer:{row.examined_by}"
        if row.approved_by is not None:
            yield f"application {Status.APPROVED}", f"{subject} by officer:{row.approved_by}"
        yield f"application {row.status}", subject
