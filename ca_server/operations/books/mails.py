"""Mails: every decision that is told to an administrator has its row in the outbox, and no mail is dead."""

from collections import Counter
from collections.abc import Iterator

from ca_server.clock import DAY, day_in_tokyo
from ca_server.domain.applications import Status
from ca_server.domain.certificates import CertificateStatus
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.language import sentence
from ca_server.operations.books.book import Book, book
from ca_server.operations.books.credentials import LIVE
from ca_server.store.ledger import CertificateRow, Ledger, MailRow
from ca_server.store.outbox import MailStatus

_WORDS: dict[str, str] = {CredentialKind.ENROL: "enrolment", CredentialKind.RENEW: "renewal"}


def mails(ledger: Ledger) -> Book:
    """Balance decisions with mails.

    - a credential has its URL mail and its password mail; a certificate its *fetched*, a published revocation its
      *revoked* (one that only gave a plan up has none), a returned or withdrawn application its mail, a first pair that
      ran out its *expired-unused*, once each; an administrator change that was carried out one or two *changed*
    - a certificate whose renewal was asked for has a renewal pair; no other is reminded of, and none twice on a day
    - a call has its *suspended*, or asks for its form, and a suspension that was released its *released*
    - a mail names a thing that there is
    - none is dead, unless its credential ended since; none is void whose credential lives
    """
    return book("mails", len(ledger.mails), _mails(ledger))


def _mails(ledger: Ledger) -> Iterator[str]:
    rows = Counter((mail.kind, _about(mail)) for mail in ledger.mails)
    for credential in ledger.credentials:
        for half in ("url", "password"):
            kind = f"{_WORDS.get(credential.kind)}-{half}"
            if not rows[kind, credential.id]:
                yield f"The credential {credential.id} of {credential.cn} has no {kind} mail."
    for name, kind, key in _told(ledger):
        if rows[kind, key] != 1:
            yield f"{name} has {rows[kind, key] or 'no'} {kind} mail{'s' if rows[kind, key] else ''}."
    yield from _of_renewals(ledger)
    yield from _of_calls(ledger, rows)
    yield from _each(ledger)


def _about(mail: MailRow) -> str | None:
    """Return the id of what a mail is about; an application's only when it names nothing closer."""
    if mail.checkpoint is not None:
        return f"checkpoint {mail.checkpoint}"
    closest = mail.credential_id or mail.serial or mail.revocation_id or mail.call_id
    if closest is None and mail.cn is None and mail.application is not None:
        closest = str(mail.application)
    return closest or mail.cn or mail.institution


def _told(ledger: Ledger) -> Iterator[tuple[str, str, str]]:
    """Yield name, kind and id of everything that is told once."""
    for certificate in ledger.certificates:
        if was_issued(certificate):
            yield f"The certificate {certificate.serial} of {certificate.cn}", "fetched", certificate.serial
    aborted = {row.serial for row in ledger.certificates if row.status == CertificateStatus.ABORTED}
    for revocation in ledger.revocations:
        if revocation.published_at is not None and aborted.isdisjoint(revocation.serials.split()):
            yield f"The published revocation {revocation.id} of {revocation.cn}", "revoked", revocation.id
    for application in ledger.applications:
        if application.status in (Status.RETURNED, Status.WITHDRAWN):
            name = f"The {application.status} application {application.number}"
            yield name, application.status, str(application.number)
    for credential in ledger.credentials:
        if credential.status == CredentialStatus.EXPIRED and credential.kind == CredentialKind.ENROL:
            yield f"The expired credential {credential.id} of {credential.cn}", "expired-unused", credential.id


def _of_renewals(ledger: Ledger) -> Iterator[str]:
    """Balance the notices that certificates remember (0 is none: their seat lapsed) with pairs and reminders."""
    asked = {row.serial for row in ledger.certificates if row.last_notice}
    lapsed = {row.serial for row in ledger.certificates if row.last_notice == 0}
    paired = {row.cn for row in ledger.credentials if row.kind == CredentialKind.RENEW}
    for row in ledger.certificates:
        if row.serial in asked and row.cn not in paired:
            yield f"The renewal of {row.serial} of {row.cn} was asked for, but no pair was made."
    reminders = [mail for mail in ledger.mails if mail.kind == "renewal-reminder"]
    for mail in reminders:
        if mail.serial not in asked | lapsed:
            yield f"The renewal-reminder mail {mail.id} of {mail.cn} is about a renewal that was not asked for."
    a_day = Counter((mail.serial, day_in_tokyo(mail.created_at)) for mail in reminders)
    for (serial, day), count in a_day.items():
        if count > 1:
            yield f"The certificate {serial} was reminded of {count} times on {day}."


def _of_calls(ledger: Ledger, rows: Counter[tuple[str, str | None]]) -> Iterator[str]:
    for call in ledger.calls:
        first = "suspended" if call.act == "suspended" else "form-owed"
        released = call.act == "suspended" and call.released_at is not None
        if not rows[first, call.id] or (released and not rows["released", call.id]):
            yield f"The call {call.id} about {call.cn} lacks its mail."
    for change in ledger.changes:
        if change.changed_at is not None and rows["changed", str(change.application)] not in (1, 2):
            yield f"The administrator change of application {change.application} was not told."


def was_issued(row: CertificateRow) -> bool:
    """Tell whether a certificate was good when it was stored: one revoked while it was signed is stored in silence.

    A revocation in the very second of the storing may have come first, so nothing is expected of that one.
    """
    if row.der is None or row.issued_at is None:
        return False
    return row.status != CertificateStatus.REVOKED or (row.revoked_at or 0) > row.issued_at


def _each(ledger: Ledger) -> Iterator[str]:
    known = {row.id for row in ledger.credentials} | {row.serial for row in ledger.certificates}
    known |= {row.id for row in ledger.revocations} | {str(row.number) for row in ledger.applications}
    known |= {row.id for row in ledger.calls} | {row.cn for row in ledger.seats}
    known |= {row.code for row in ledger.institutions} | {f"checkpoint {row.size}" for row in ledger.checkpoints}
    live = {row.id for row in ledger.credentials if row.status in LIVE}
    ended = {row.id for row in ledger.credentials} - live
    for mail in ledger.mails:
        name = f"The {mail.kind} mail {mail.id} of {mail.cn or f'application {mail.application}'}"
        if _about(mail) not in known:
            yield f"{name} is about {_about(mail)}, which is not there."
        if mail.status not in list(MailStatus):
            yield f"{name} has the status {mail.status!r}, which there is none of."
        if mail.status == MailStatus.DEAD and mail.credential_id not in ended:
            yield f"{name} is dead: {mail.failure}"
        if mail.status == MailStatus.VOID and mail.credential_id in live:
            yield f"{name} was given up as void, but its credential lives."


def late_mails(ledger: Ledger, now: int) -> list[str]:
    """Return a sentence for each mail that has been waiting for more than a day: it is tried again and again."""
    return [
        sentence(
            "The {kind} mail {id} has been waiting for more than a day: {failure}",
            kind=mail.kind,
            id=mail.id,
            failure=mail.failure,
        )
        for mail in ledger.mails
        if mail.status == MailStatus.PENDING and now - mail.created_at > DAY
    ]
