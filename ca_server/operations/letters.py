"""What each mail is filled with, read from the records at the moment of its delivery: the outbox holds ids only."""

import dataclasses
import json

from ca_server import store
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.notices.messages import NoticeKind
from ca_server.store import accounts, applications, certificates, credentials, institutions, revocations
from ca_server.store.outbox import Mail
from keys.sealing import Sealer
from protocol.credential import grouped
from protocol.names import InstitutionCode
from protocol.vocabulary import RevocationReason

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
class Letters:
    """What filling a mail needs besides the records."""

    sealer: Sealer
    url_prefix: str
    wrong_passwords: int


def facts_of(connection: store.Connection, mail: Mail, letters: Letters) -> dict[str, object] | None:
    """Return what the notice is filled with, None when its credential ended before it left."""
    facts: dict[str, object] = {"cn": mail.cn, "application": mail.application}
    facts |= _addressee(connection, mail)
    if mail.credential_id is not None:
        found = credentials.by_id(connection, mail.credential_id)
        if found is None or found[0].status not in (CredentialStatus.OPEN, CredentialStatus.LOCKED):
            return None
        credential, halves = found
        kid, password = halves.opened(letters.sealer, credential.id)
        facts["expires"] = credential.expires_at
        facts["wrong_passwords"] = letters.wrong_passwords
        if mail.kind in _URLS:
            facts["url"] = letters.url_prefix + kid
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
