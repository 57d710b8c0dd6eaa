"""Delivering mail from the outbox: intent, commit, act, record.

The try is counted before the mail server is spoken to, so that a crash costs at most a second copy with the same
Message-ID, never a mail. The body is made here from the records and exists nowhere else; a mail whose credential ended
meanwhile is void.
"""

import asyncio
import dataclasses
import json
import logging

from ca_server import store
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.notices.mailer import Accepted, Deferred, Mailer, is_hopeless, next_try
from ca_server.notices.messages import Messages, NoticeKind
from ca_server.store import accounts, applications, audit, certificates, credentials, institutions, outbox, revocations
from ca_server.store.outbox import Mail, MailStatus
from keys.sealing import Sealer
from protocol.credential import grouped
from protocol.names import InstitutionCode
from protocol.vocabulary import RevocationReason

log = logging.getLogger(__name__)

_AT_ONCE = 16
_URLS = (NoticeKind.ENROLMENT_URL, NoticeKind.RENEWAL_URL)
_PASSWORDS = (NoticeKind.ENROLMENT_PASSWORD, NoticeKind.RENEWAL_PASSWORD)
_REASONS = {
    "ja": {
        RevocationReason.keyCompromise: "紛失・盗難・不正利用などのおそれ",
        RevocationReason.superseded: "証明書の入れ替え",
        RevocationReason.cessationOfOperation: "パソコンの廃棄・故障・利用の終了",
        RevocationReason.affiliationChanged: "所属の変更",
    },
    "en": {
        RevocationReason.keyCompromise: "lost, stolen, missing or misused",
        RevocationReason.superseded: "superseded",
        RevocationReason.cessationOfOperation: "the PC is no longer used",
        RevocationReason.affiliationChanged: "change of affiliation",
    },
}
_UNSAID = {"ja": "指定なし", "en": "not stated"}


@dataclasses.dataclass(frozen=True)
class PostOffice:
    """What delivering needs besides the records."""

    mailer: Mailer
    messages: Messages
    sealer: Sealer
    url_prefix: str
    wrong_passwords: int


async def deliver(database: store.Database, office: PostOffice, now: int) -> int:
    """Deliver a few of the mails that are due, at once, and return how many were tried; the next tick sees to the rest.

    A mail that cannot even be made is an alarm; its next try is set, as for any other.
    """
    mails = await database.lookup(outbox.due, now, _AT_ONCE)
    outcomes = await asyncio.gather(
        *(_deliver_one(database, office, mail, now) for mail in mails), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            log.error("ALARM: a mail could not be delivered", exc_info=outcome)
    return len(mails)


async def _deliver_one(database: store.Database, office: PostOffice, mail: Mail, now: int) -> None:
    # 1. the intent: this try is counted, and the next one set, before anything is said to the mail server
    await database.write(outbox.intend, mail, next_try(mail.attempts, now))
    # 2. the body, from the records as they are now
    facts = await database.lookup(_facts, mail, office)
    if facts is None:
        await database.write(_record, mail, MailStatus.VOID, now, "its credential had ended")
        return
    # 3. the act
    rendered = office.messages.render(NoticeKind(mail.kind), mail.language, facts)
    outcome = await office.mailer.deliver(office.messages.compose(rendered, mail.recipient, mail.id, mail.created_at))
    # 4. the record
    if isinstance(outcome, Accepted):
        await database.write(_record, mail, MailStatus.SENT, now, None)
    elif isinstance(outcome, Deferred) and not is_hopeless(mail.created_at, now):
        await database.write(outbox.defer, mail, outcome.reason)
    else:
        log.error("ALARM: mail %s (%s) cannot be delivered: %s", mail.id, mail.kind, outcome.reason)
        await database.write(_record, mail, MailStatus.DEAD, now, outcome.reason)


def _record(connection: store.Connection, mail: Mail, status: MailStatus, now: int, why: str | None) -> None:
    outbox.end(connection, mail, status, now, why)
    subject = mail.cn or f"application:{mail.application}"
    audit.record(connection, now, "schedule", f"mail {status}", subject, mail=mail.id, kind=mail.kind, why=why)


def _facts(connection: store.Connection, mail: Mail, office: PostOffice) -> dict[str, object] | None:
    """Return what the notice is filled with, None when its credential ended before it left."""
    facts: dict[str, object] = {"cn": mail.cn, "application": mail.application}
    facts |= _addressee(connection, mail)
    if mail.credential_id is not None:
        found = credentials.by_id(connection, mail.credential_id)
        if found is None or found[0].status not in (CredentialStatus.OPEN, CredentialStatus.LOCKED):
            return None
        credential, halves = found
        kid, password = halves.opened(office.sealer, credential.id)
        facts["expires"] = credential.expires_at
        facts["wrong_passwords"] = office.wrong_passwords
        if mail.kind in _URLS:
            facts["url"] = office.url_prefix + kid
        if mail.kind in _PASSWORDS:
            facts["password"] = grouped(password)
        if credential.kind is CredentialKind.RENEW:
            newest = certificates.newest(connection, str(credential.cn))
            facts["not_after"] = None if newest is None else newest.not_after
    if mail.serial is not None:
        facts |= _fetched(connection, mail.serial)
    if mail.revocation_id is not None:
        facts |= _revoked(connection, mail.revocation_id, mail.language)
    return facts


def _addressee(connection: store.Connection, mail: Mail) -> dict[str, object]:
    if mail.kind in (NoticeKind.RECEIVED, NoticeKind.RETURNED) and mail.application is not None:
        filed = applications.get(connection, mail.application)
        form, why = filed.application, applications.return_reason(connection, mail.application)
        name, person = form.institution_name, form.administrator
        facts: dict[str, object] = {"form": str(form.kind), "return_reason": why}
    else:
        institution = institutions.find(connection, InstitutionCode.parse(mail.institution))
        if institution is None:
            raise LookupError(f"mail {mail.id} names an institution that is not registered")
        name, person = institution.name, institution.administrator
        facts = {}
    return facts | {"institution_name": name, "administrator": f"{person.family_name} {person.given_name}"}


def _fetched(connection: store.Connection, serial: str) -> dict[str, object]:
    certificate, owner = certificates.find(connection, serial), certificates.owner(connection, serial)
    if certificate is None or owner is None:
        raise LookupError(f"no certificate {serial}")
    device = json.loads(accounts.device(connection, owner[0])[0])
    fetched_at, address, agent = certificates.fetched(connection, serial)
    return {
        "serial": serial,
        "fetched_at": fetched_at,
        "not_after": certificate.not_after,
        "host_name": device.get("hostName"),
        "agent": agent,
        "address": address,
    }


def _revoked(connection: store.Connection, revocation_id: str, language: str) -> dict[str, object]:
    decision = revocations.get(connection, revocation_id)
    if decision is None or decision.published_at is None:
        raise LookupError(f"revocation {revocation_id} is not published")
    return {
        "reason": _REASONS[language].get(RevocationReason(decision.reason), _UNSAID[language]),
        "revoked_at": decision.decided_at,
        "published_at": decision.published_at,
        "seconds_taken": decision.published_at - decision.decided_at,
        "serials": decision.serials,
    }
