"""What each mail is filled with, read from the records at the moment of its delivery: the outbox holds ids only."""

import dataclasses
import json
from collections.abc import Sequence

from ca_server import store
from ca_server.clock import DAY
from ca_server.domain.certificates import Certificate, CertificateStatus
from ca_server.domain.credentials import Credential, CredentialKind, CredentialStatus
from ca_server.domain.help_desk import Times
from ca_server.domain.inventory import Entry
from ca_server.domain.renewal import days_left
from ca_server.language import choose, sentence
from ca_server.notices.attachment import Attachment
from ca_server.notices.messages import NoticeKind
from ca_server.operations import inventory
from ca_server.store import (
    accounts,
    applications,
    calls,
    certificates,
    changes,
    checkpoints,
    credentials,
    institutions,
    revocations,
    seats,
)
from ca_server.store.outbox import Mail
from keys.sealing import Sealer
from protocol.credential import grouped
from protocol.names import CommonName, InstitutionCode
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
    times: Times


Facts = dict[str, object]


@dataclasses.dataclass(frozen=True)
class Letter:
    """What one mail is filled with, and the list that goes with it; None where none does."""

    facts: Facts
    inventory: Sequence[Entry] | None = None


def letter_of(connection: store.Connection, mail: Mail, letters: Letters, now: int) -> Letter | None:
    """Return what the mail is filled with, None when what it is about ended before it left."""
    if mail.kind == NoticeKind.INVENTORY:
        if not _is_registered(connection, mail):
            return None
        entries = inventory.listed(connection, letters.times, now, InstitutionCode.parse(mail.institution))
        facts = _addressee(connection, mail) | {"listed_at": now, "count": len(entries)}
        return Letter(facts, entries)
    if mail.kind == NoticeKind.CHECKPOINT:
        return _checkpoint(connection, mail)
    found = _facts(connection, mail, letters, now)
    return None if found is None else Letter(found)


def _is_registered(connection: store.Connection, mail: Mail) -> bool:
    """Tell whether the mail goes to who is registered now: a list never reaches a former administrator."""
    institution = institutions.find(connection, InstitutionCode.parse(mail.institution))
    return institution is not None and mail.recipient == institution.administrator.email


def _checkpoint(connection: store.Connection, mail: Mail) -> Letter:
    signed = checkpoints.of_size(connection, mail.checkpoint or 0)
    if signed is None:
        raise LookupError(f"mail {mail.id} names a checkpoint that is not there")
    return Letter({"made_at": signed.at, "entries": signed.size, "lines": signed.note.splitlines()})


def enclosures(letter: Letter, mail: Mail, now: int) -> tuple[Attachment, ...]:
    """Return the files that go with a mail; drawing a workbook takes a while, so that no transaction waits for it."""
    if letter.inventory is None:
        return ()
    return (inventory.attachment(letter.inventory, InstitutionCode.parse(mail.institution), mail.language, now),)


def _facts(connection: store.Connection, mail: Mail, letters: Letters, now: int) -> Facts | None:
    facts: Facts = {"cn": mail.cn, "application": mail.application}
    if mail.cn is not None and mail.application is None:
        facts["application"] = seats.application_of(connection, CommonName.parse(mail.cn))
    facts |= _addressee(connection, mail)
    if mail.kind == NoticeKind.EXPIRED_UNUSED:
        return facts | _expired(connection, mail, letters)
    if mail.kind == NoticeKind.RENEWAL_REMINDER:
        ending = _ending(connection, mail.serial or "", now)
        return None if ending is None else facts | ending
    if mail.credential_id is not None:
        halves = _halves(connection, mail, letters, now)
        if halves is None:
            return None
        facts |= halves
    elif mail.application is not None:
        facts |= _application(connection, mail)
    if mail.serial is not None:
        facts |= _fetched(connection, mail.serial)
    if mail.revocation_id is not None:
        facts |= _revoked(connection, mail.revocation_id, mail.language)
    if mail.call_id is not None:
        facts |= _called(connection, mail.call_id, mail.language)
    if mail.attempt is not None:
        facts |= {"attempt": mail.attempt, "attempted_at": mail.created_at}
    if mail.kind == NoticeKind.KEY_CHANGED:
        facts |= _key_changed(connection, mail)
    return facts


def _ending(connection: store.Connection, serial: str, now: int) -> Facts | None:
    """Return when a certificate ends that is still to be renewed, None once it was renewed, is not good or ended."""
    certificate = certificates.find(connection, serial)
    if certificate is None or certificate.status is not CertificateStatus.ISSUED or certificate.successor is not None:
        return None
    if now > certificate.not_after:
        return None
    return {"not_after": certificate.not_after, "days_left": days_left(certificate.not_after, now)}


def _halves(connection: store.Connection, mail: Mail, letters: Letters, now: int) -> Facts | None:
    """Return the half of a credential that the mail brings, None once the credential ended."""
    found = credentials.by_id(connection, mail.credential_id or "")
    if found is None or found[0].status not in (CredentialStatus.OPEN, CredentialStatus.LOCKED):
        return None
    credential, halves = found
    kid, password = halves.opened(letters.sealer, credential.id)
    renews = _certificate_renewed_by(connection, credential)
    fetched = None if renews is None else certificates.fetched(connection, renews.serial)
    since = 0 if fetched is None else fetched.at or 0
    pairs = credentials.of_seat(connection, str(credential.cn))
    facts: Facts = {
        "expires": credential.expires_at,
        "wrong_passwords": letters.wrong_passwords,
        "reissued": any(
            other.kind is credential.kind and other.id != credential.id and made_at > since for other, made_at in pairs
        ),
    }
    if mail.kind in _URLS:
        facts["url"] = letters.url_prefix + kid
    if mail.kind in _PASSWORDS:
        facts["password"] = grouped(password)
    if renews is not None:
        facts |= {"not_after": renews.not_after, "ended": now > renews.not_after}
    return facts


def _certificate_renewed_by(connection: store.Connection, credential: Credential) -> Certificate | None:
    """Return the seat's newest certificate that was signed, also while its successor is being made."""
    if credential.kind is not CredentialKind.RENEW:
        return None
    signed = (CertificateStatus.ISSUED, CertificateStatus.SUSPENDED)
    ours = [each for each in certificates.of_seat(connection, str(credential.cn)) if each.status in signed]
    return max(ours, key=lambda each: each.not_after, default=None)


def _expired(connection: store.Connection, mail: Mail, letters: Letters) -> Facts:
    found = credentials.by_id(connection, mail.credential_id or "")
    if found is None:
        raise LookupError(f"no credential {mail.credential_id}")
    ended = found[0].expires_at
    return {"expired_at": ended, "fresh_pair_until": ended + letters.times.fresh_pair_days * DAY}


def _addressee(connection: store.Connection, mail: Mail) -> Facts:
    """Return whom the mail speaks to: who is registered, or before that who is named on the first application."""
    institution = institutions.find(connection, InstitutionCode.parse(mail.institution))
    if institution is not None and mail.recipient == institution.administrator.email:
        return {"institution_name": institution.name, "administrator": institution.administrator.name}
    if mail.application is not None and mail.cn is None:
        form = applications.get(connection, mail.application).application
        return {"institution_name": form.institution_name, "administrator": form.administrator.name}
    if institution is None:
        raise LookupError(f"mail {mail.id} names an institution that is not registered")
    return {"institution_name": institution.name, "administrator": institution.administrator.name}


def _application(connection: store.Connection, mail: Mail) -> Facts:
    number = mail.application or 0
    filed = applications.get(connection, number)
    why = applications.return_reason(connection, number)
    form = filed.application
    facts: Facts = {"form": str(form.kind), "cns": form.cns, "return_reason": why, "withdrawal_reason": why}
    if form.change is None:
        return facts
    changed_at, former, successor = changes.carried_out(connection, number)
    if mail.kind == NoticeKind.CHANGED:
        facts["administrator"] = successor if mail.recipient == form.change.successor.email else former
    return facts | {"successor": successor, "former": former, "changed_at": changed_at}


def _called(connection: store.Connection, call_id: str, language: str) -> Facts:
    call = calls.get(connection, call_id)
    if call is None:
        raise LookupError(f"no call {call_id}")
    language_of = choose(language, {})
    on_form = sentence("application {number}", number=call.application)
    return {
        "act": str(call.act),
        "acted_at": call.at,
        "suspended_at": call.at,
        "incident": language_of.say(call.reason.label),
        "caller": call.caller if call.application is None else language_of.say(on_form),
        "held_until": call.held_until,
        "released_at": call.released_at,
    }


def _key_changed(connection: store.Connection, mail: Mail) -> Facts:
    device, address = accounts.device_of_seat(connection, mail.cn or "")
    return {"changed_at": mail.created_at, "host_name": json.loads(device).get("hostName"), "address": address}


def _fetched(connection: store.Connection, serial: str) -> dict[str, object]:
    fetched = certificates.fetched(connection, serial)
    if fetched is None:
        raise LookupError(f"no certificate {serial}")
    return {
        "serial": serial,
        "fetched_at": fetched.at,
        "not_after": fetched.not_after,
        "host_name": json.loads(fetched.device).get("hostName"),
        "agent": fetched.agent,
        "address": fetched.address,
    }


def _revoked(connection: store.Connection, revocation_id: str, language: str) -> dict[str, object]:
    decision = revocations.get(connection, revocation_id)
    if decision is None or decision.published_at is None:
        raise LookupError(f"revocation {revocation_id} is not published")
    return {
        "reason": _reason(connection, decision, language),
        "revoked_at": decision.decided_at,
        "published_at": decision.published_at,
        "seconds_taken": decision.published_at - decision.decided_at,
        "serials": decision.serials,
    }


def _reason(connection: store.Connection, decision: revocations.Revocation, language: str) -> str:
    """Return the reason in the words of the form, where one asked for it, else in those of its code."""
    if decision.application is not None:
        for item in applications.get(connection, decision.application).application.items:
            if str(item.cn) == decision.cn and item.reason is not None:
                return choose(language, {}).say(item.reason.label)
    return _REASONS[language].get(RevocationReason(decision.reason), _UNSAID[language])
