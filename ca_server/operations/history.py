"""The history of a CN (M2): its timeline from the audit log, the outbox and the records; the ledger of each pair."""

import dataclasses
from collections.abc import Iterator, Mapping

from ca_server import store
from ca_server.domain.credentials import Credential, CredentialStatus
from ca_server.domain.help_desk import Times
from ca_server.domain.inventory import Entry
from ca_server.domain.timeline import Event, PairLedger, in_order
from ca_server.operations import inventory
from ca_server.store import applications, audit, calls, credentials, history, officers
from ca_server.store.history import MailRow, Rows
from ca_server.store.outbox import MailStatus
from protocol.names import CommonName

_SCHEDULE = "schedule"
_OFFICER, _ACCOUNT, _CREDENTIAL = "officer:", "account:", "credential:"
_TOLD_BY_OUTBOX = {f"mail {status}" for status in MailStatus}


@dataclasses.dataclass(frozen=True)
class History:
    """What is known of a CN: how it stands, what happened, and the ledger of each pair, oldest first."""

    entry: Entry
    events: tuple[Event, ...]
    pairs: tuple[PairLedger, ...]


def of(connection: store.Connection, cn: CommonName, times: Times, now: int) -> History:
    """Return the history of a CN. Raises NotFound when it was never assigned."""
    entry = inventory.of(connection, cn, times, now)
    rows, made = history.read(connection, str(cn)), credentials.of_seat(connection, str(cn))
    names = {officer.id: officer.name for officer in officers.all_officers(connection)}
    told = [
        *_of_applications(connection, str(cn)),
        *_of_log(connection, str(cn), rows, [credential for credential, _ in made]),
        *_of_accounts(connection, rows),
        *_of_mails(rows.mails),
        *_of_uses(made),
        *_of_publications(rows),
    ]
    events = in_order(dataclasses.replace(event, by=_officer(event.actor, names)) for event in told)
    return History(entry, events, tuple(_ledger(credential, made_at, events, now) for credential, made_at in made))


def _officer(actor: str, names: Mapping[str, str]) -> str | None:
    if not actor.startswith(_OFFICER):
        return None
    return names.get(actor.removeprefix(_OFFICER).partition("@")[0])


def _ledger(credential: Credential, made_at: int, events: tuple[Event, ...], now: int) -> PairLedger:
    own = tuple(event for event in events if event.credential == credential.id)
    status = credential.status_at(now)
    return PairLedger(credential.id, credential.kind, status, made_at, credential.expires_at, own)


def _of_applications(connection: store.Connection, cn: str) -> Iterator[Event]:
    """Tell what became of every application that names the CN or was given it."""
    for number in applications.naming(connection, cn):
        form = applications.get(connection, number).application.kind
        for at, actor, action, detail in audit.of_subject(connection, f"application:{number}"):
            yield Event(at, action, actor, {**detail, "application": number, "form": form})


def _of_log(connection: store.Connection, cn: str, rows: Rows, made: list[Credential]) -> Iterator[Event]:
    """Tell what the audit log says of the CN itself, with the particulars that the records add."""
    for at, actor, action, detail in audit.of_subject(connection, cn):
        event = Event(at, action, actor, detail, _pair_of(actor, detail))
        match action:
            case "account bound":
                yield _of_pc(event, rows, actor.removeprefix(_ACCOUNT))
            case "certificate issued":
                yield _of_fetch(event, rows)
            case "wrong password":
                yield event
                if detail["status"] == CredentialStatus.LOCKED:
                    yield dataclasses.replace(event, action="credential locked", detail={})
            case "credential replaced":
                for credential in made:
                    if credential.status is CredentialStatus.REPLACED and credential.ended_at == at:
                        yield dataclasses.replace(event, credential=credential.id)
            case "call: suspended" | "call: revoked" | "held on a form":
                yield _of_call(connection, event)
            case _ if action not in _TOLD_BY_OUTBOX:
                yield event


def _pair_of(actor: str, detail: Mapping[str, object]) -> str | None:
    """Return the id of the pair that an entry is about: named in it, or what the one who did it held."""
    if actor.startswith(_CREDENTIAL):
        return actor.removeprefix(_CREDENTIAL)
    named = detail.get("credential")
    return None if named is None else str(named)


def _of_pc(event: Event, rows: Rows, account_id: str) -> Event:
    account = rows.accounts[account_id]
    return dataclasses.replace(event, detail={**event.detail, **account.particulars, "address": account.address})


def _of_fetch(event: Event, rows: Rows) -> Event:
    """Tell a fetch from a renewal, and on which PC, from where and by which software it was."""
    certificate = rows.certificates[str(event.detail["serial"])]
    account = rows.accounts[certificate.account_id]
    seen = {"host_name": account.particulars.get("host_name"), "address": certificate.address}
    return dataclasses.replace(
        event,
        action="certificate issued" if event.detail["predecessor"] is None else "certificate renewed",
        detail={**event.detail, **seen, "agent": certificate.agent},
    )


def _of_call(connection: store.Connection, event: Event) -> Event:
    call = calls.get(connection, str(event.detail["call"]))
    if call is None:
        return event
    known = {"caller": call.caller or None, "application": call.application, "held_until": call.held_until}
    return dataclasses.replace(event, detail={**event.detail, **known})


def _of_accounts(connection: store.Connection, rows: Rows) -> Iterator[Event]:
    for account in rows.accounts.values():
        for at, actor, action, detail in audit.of_subject(connection, f"{_ACCOUNT}{account.id}"):
            yield Event(at, action, actor, {**detail, **account.particulars})


def _of_mails(mails: list[MailRow]) -> Iterator[Event]:
    """Tell when each mail was made and how it ended; that one was made again, and by whom, the log tells."""
    seen: set[tuple[str | None, str]] = set()
    for mail in mails:
        half = (mail.credential_id, mail.kind)
        if mail.credential_id is None or half not in seen:
            yield _of_mail(mail, mail.created_at, "mail queued")
        seen.add(half)
        if mail.ended_at is not None:
            yield _of_mail(mail, mail.ended_at, f"mail {mail.status}", tries=mail.attempts, why=mail.failure)
        elif mail.failure is not None:
            yield _of_mail(mail, mail.next_try, "mail deferred", tries=mail.attempts, why=mail.failure)


def _of_mail(mail: MailRow, at: int, action: str, **detail: object) -> Event:
    return Event(at, action, _SCHEDULE, {"mail": mail.id, "notice": mail.kind, **detail}, mail.credential_id)


def _of_uses(made: list[tuple[Credential, int]]) -> Iterator[Event]:
    """Tell when a pair was used up, which the log knows as the certificate."""
    for credential, _ in made:
        if credential.status is CredentialStatus.USED and credential.ended_at is not None:
            yield Event(credential.ended_at, "credential used", f"{_ACCOUNT}{credential.account_id}", {}, credential.id)


def _of_publications(rows: Rows) -> Iterator[Event]:
    for revocation in rows.revocations:
        if revocation.published_at is not None:
            seconds = revocation.published_at - revocation.decided_at
            detail = {"crl": revocation.crl_number, "seconds": seconds}
            yield Event(revocation.published_at, "revocation published", _SCHEDULE, detail)
