"""Making restored records safe before anybody is served: they have forgotten what happened since their backup.

What published CRLs outlived is taken from them. What nobody can know is judged as if it had happened:

- CRL numbers go on above every one that can have been published: `_NUMBERS_A_SECOND` for each second since the backup,
  more than a server can publish, so that no list has to be at hand for that
- what the newest lists revoke is revoked, with their moments and reasons, and what they hold is suspended; a serial
  number that the records do not know stays on the CRL (`store.lost`)
- where an export of the audit log outlived the records, the seats that it tells to be revoked are revoked, and so are
  the certificates that it alone knows, for nobody could revoke them any more: their seats get fresh pairs; officers
  that it tells to be disabled are, and their keys count no longer, nor do others that were replaced or withdrawn
- a pair that was open may have been used since, and would yield a second certificate: each is replaced, and a fresh one
  is mailed, some hours later, so that a change of administrator since then can be entered first
- an account without certificate may have been used as well, and ends; its administrator gets a fresh pair, too

A plan that stood is finished as ever: the same bytes under the same serial number. A mail that waited goes out, perhaps
for the second time, under its old Message-ID; if it holds a half of a replaced pair, it is void.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

from ca_server import store
from ca_server.clock import DAY, HOUR, rfc3339
from ca_server.domain.approvals import OfficerKey
from ca_server.domain.certificates import Certificate, CertificateStatus
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.domain.officers import Acting
from ca_server.domain.reasons import Reason
from ca_server.domain.seats import SeatStatus
from ca_server.errors import Invalid
from ca_server.language import sentence
from ca_server.operations import invitation, issuance, suspension
from ca_server.operations.revocation import Decision, EntryMaker, revoke_listed, revoke_seat
from ca_server.store import accounts as account_records
from ca_server.store import audit, certificates, credentials, lost, officers, revocations, seats
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason

SECONDS_TO_CORRECT: Final = 4 * HOUR
"""After so many the mails of fresh pairs leave."""

_NUMBERS_A_SECOND: Final = 10  # the schedule makes a list four times a second at the most
_CALLER: Final = "the newest CRL"


@dataclasses.dataclass(frozen=True)
class Listed:
    """One entry of a published CRL."""

    serial: str
    revoked_at: int
    reason: RevocationReason


@dataclasses.dataclass(frozen=True)
class Planned:
    """A certificate that an audit log tells of."""

    serial: str
    cn: CommonName


@dataclasses.dataclass(frozen=True)
class Revoked:
    """A seat of whose revocation an audit log tells."""

    cn: CommonName
    reason: RevocationReason
    revoked_at: int


@dataclasses.dataclass(frozen=True)
class KeyChange:
    """An officer's key, by its SHA-256, from when on it counted alone; None from when on none did."""

    officer: str
    sha256: str | None
    at: int


@dataclasses.dataclass(frozen=True)
class Chronicle:
    """What an exported audit log tells."""

    planned: Sequence[Planned] = ()
    revoked: Sequence[Revoked] = ()
    disabled: Sequence[str] = ()
    """Ids of officers."""
    keys: Sequence[KeyChange] = ()
    until: int = 0
    """The moment of its newest checkpoint: of what came later it tells nothing."""


@dataclasses.dataclass(frozen=True)
class PublishedList:
    """The newest list of all of an issuing CA that was to be had."""

    issuer: str
    number: int
    this_update: int
    next_update: int
    entries: Sequence[Listed]


@dataclasses.dataclass(frozen=True)
class Premises:
    """What making records safe needs besides them."""

    made_at: int
    """The moment of the backup."""
    issuers: Sequence[str]
    terms: invitation.Terms
    entry: EntryMaker
    partitions: int
    validity_days: int
    actor: str
    """Who restores."""
    officer: Acting | None = None
    """Who suspends anew what the lists hold."""
    chronicle: Chronicle = Chronicle()
    superseded: Sequence[OfficerKey] = ()
    """Keys of the backup that count no longer, as the chronicle says."""


@dataclasses.dataclass
class Outcome:
    """What was done: CNs, but where serial numbers are said."""

    number: int
    """The CRL number above which the next one is."""
    revoked: list[str] = dataclasses.field(default_factory=list)
    """Serial numbers of certificates."""
    ended: list[str] = dataclasses.field(default_factory=list)
    """Seats that the audit log alone tells to be revoked."""
    suspended: list[str] = dataclasses.field(default_factory=list)
    lost: list[str] = dataclasses.field(default_factory=list)
    """Serial numbers of revoked certificates that the records do not know."""
    unknown: list[str] = dataclasses.field(default_factory=list)
    """Of the audit log, and not in the records: they were approved since."""
    invited: list[str] = dataclasses.field(default_factory=list)
    """Who get a fresh pair."""
    accounts_ended: int = 0
    disabled: list[str] = dataclasses.field(default_factory=list)
    """Names of officers."""
    withdrawn: list[str] = dataclasses.field(default_factory=list)
    """Names of officers whose key counts no longer."""


def make_safe(connection: store.Connection, lists: Sequence[PublishedList], premises: Premises, now: int) -> Outcome:
    """Make restored records safe, in one transaction with the entry that says that they were restored.

    Raises Invalid when a list holds certificates and no officer was named who suspends them.
    """
    outcome = Outcome(_go_on_above(connection, lists, premises, now))
    for each in lists:
        _take_over(connection, each, premises, outcome, now)
    _end_seats(connection, premises, outcome, now)
    _take_rights(connection, premises, outcome, now)
    seats_of_lost = _give_up(connection, premises, outcome, now)
    _replace_pairs(connection, premises, outcome, now)
    _invite(connection, [cn for cn in seats_of_lost if str(cn) not in outcome.invited], premises, outcome, now)
    audit.record(
        connection,
        now,
        premises.actor,
        "records restored",
        rfc3339(premises.made_at),
        number=outcome.number,
        revoked=len(outcome.revoked),
        suspended=len(outcome.suspended),
        lost=len(outcome.lost),
        pairs=len(outcome.invited),
    )
    return outcome


def _go_on_above(connection: store.Connection, lists: Sequence[PublishedList], premises: Premises, now: int) -> int:
    """Take the numbers of the lists, and one above all that can have been published, and return it."""
    taken = [revocations.last_number(connection, issuer) for issuer in premises.issuers]
    known = max([*taken, *(each.number for each in lists)], default=0)
    for each in lists:
        if each.number > revocations.last_number(connection, each.issuer):
            revocations.draft_crl(connection, each.issuer, each.number, (each.this_update, each.next_update), 0)
    number = known + _NUMBERS_A_SECOND * (now - premises.made_at)
    for issuer in premises.issuers:
        if number > revocations.last_number(connection, issuer):
            revocations.draft_crl(connection, issuer, number, (now, now), 0)
    return number


def _take_over(
    connection: store.Connection, published: PublishedList, premises: Premises, outcome: Outcome, now: int
) -> None:
    good: dict[str, list[tuple[Certificate, Listed]]] = {}
    for each in published.entries:
        certificate = certificates.find(connection, each.serial)
        if certificate is None:
            if lost.mark(connection, published.issuer, each.serial) is None:
                lost.add(connection, _lost(published.issuer, each, premises, now), now, premises.actor)
                outcome.lost.append(each.serial)
        elif certificate.status is CertificateStatus.PLANNED:
            issuance.abort(connection, each.serial, premises.entry(each.serial, now, 0), now)
            outcome.revoked.append(each.serial)
        elif _is_news(certificate, each):
            good.setdefault(str(certificate.cn), []).append((certificate, each))
    for listed in good.values():
        held = [certificate for certificate, each in listed if each.reason is RevocationReason.certificateHold]
        if held:
            _suspend(connection, held, premises, outcome, now)
        ended = [each for each in listed if each[1].reason is not RevocationReason.certificateHold]
        for certificate, each in sorted(ended, key=lambda pair: (pair[1].revoked_at, pair[0].serial)):
            if not _stands(connection, each.serial):
                continue  # its seat was revoked with a certificate before it
            decision = Decision(each.reason, premises.actor, now, since=each.revoked_at)
            revoke_listed(connection, certificate, decision, premises.entry)
            outcome.revoked.append(each.serial)


def _end_seats(connection: store.Connection, premises: Premises, outcome: Outcome, now: int) -> None:
    for each in premises.chronicle.revoked:
        seat = seats.find(connection, each.cn)
        if seat is not None and seat.status is not SeatStatus.REVOKED:
            decision = Decision(each.reason, premises.actor, now, since=each.revoked_at)
            revoke_seat(connection, each.cn, decision, premises.entry)
            outcome.ended.append(str(each.cn))


def _take_rights(connection: store.Connection, premises: Premises, outcome: Outcome, now: int) -> None:
    known = {officer.id: officer for officer in officers.all_officers(connection)}
    for key in premises.superseded:
        if key.officer in known:
            officers.withdraw_key(connection, known[key.officer], key.sha256, now, premises.actor)
        outcome.withdrawn.append(key.name)
    for each in premises.chronicle.disabled:
        if each in known and known[each].disabled_at is None:
            officers.disable(connection, known[each], now, premises.actor)
            outcome.disabled.append(known[each].name)


def _give_up(connection: store.Connection, premises: Premises, outcome: Outcome, now: int) -> Sequence[CommonName]:
    """Revoke what the audit log alone knows, on the lists of every issuer, and return the CNs that had it."""
    gone = [each for each in premises.chronicle.planned if certificates.find(connection, each.serial) is None]
    for each in gone:
        if any(lost.mark(connection, issuer, each.serial) for issuer in premises.issuers):
            continue  # a list had it, and knows whose it is
        for issuer in premises.issuers:
            listed = Listed(each.serial, now, RevocationReason.superseded)
            lost.add(connection, _lost(issuer, listed, premises, now), now, premises.actor)
        outcome.lost.append(each.serial)
    return sorted({each.cn for each in gone}, key=str)


def _invite(
    connection: store.Connection, cns: Sequence[CommonName], premises: Premises, outcome: Outcome, now: int
) -> None:
    for cn in cns:
        seat = seats.find(connection, cn)
        if seat is None:
            outcome.unknown.append(str(cn))
        elif seat.may_enrol and not certificates.plan_stands_for(connection, str(cn)):
            kind = CredentialKind.ENROL if seat.status is SeatStatus.APPROVED else CredentialKind.RENEW
            invitation.replace(connection, cn, kind, _terms(premises), now, premises.actor)
            outcome.invited.append(str(cn))


def _terms(premises: Premises) -> invitation.Terms:
    return dataclasses.replace(premises.terms, url_delay_seconds=SECONDS_TO_CORRECT)


def _is_news(certificate: Certificate, listed: Listed) -> bool:
    if listed.reason is RevocationReason.certificateHold:
        return certificate.status is CertificateStatus.ISSUED
    return certificate.status in (CertificateStatus.ISSUED, CertificateStatus.SUSPENDED)


def _stands(connection: store.Connection, serial: str) -> bool:
    certificate = certificates.find(connection, serial)
    return certificate is not None and certificate.status is not CertificateStatus.REVOKED


def _lost(issuer: str, listed: Listed, premises: Premises, now: int) -> lost.Lost:
    count = premises.partitions
    return lost.Lost(
        issuer,
        listed.serial,
        1 + int(listed.serial, 16) % count if count else 0,
        now + premises.validity_days * DAY,
        listed.revoked_at,
        int(listed.reason),
        premises.entry(listed.serial, listed.revoked_at, int(listed.reason)),
    )


def _suspend(
    connection: store.Connection, held: Sequence[Certificate], premises: Premises, outcome: Outcome, now: int
) -> None:
    cn = held[0].cn
    if premises.officer is None:
        raise Invalid(
            {"officer": sentence("The newest CRL holds {cn}: name the registration officer who suspends it.", cn=cn)}
        )
    if seats.get(connection, cn).may_enrol:
        request = suspension.Request(Reason.MISSING, _CALLER, premises.officer)
        suspension.suspend(connection, cn, request, premises.entry, now)
        outcome.suspended.append(str(cn))


def _replace_pairs(connection: store.Connection, premises: Premises, outcome: Outcome, now: int) -> None:
    for cn in credentials.seats_with_live(connection):
        newest = credentials.live_of_seat(connection, cn)[-1]
        if certificates.plan_stands_for(connection, str(cn)) or newest.status_at(now) is CredentialStatus.EXPIRED:
            continue  # the plan uses it, or the schedule writes its end down
        invitation.replace(connection, cn, newest.kind, _terms(premises), now, premises.actor)
        outcome.invited.append(str(cn))
    for account_id in account_records.unused(connection):
        cn_of = account_records.get(connection, account_id).cn
        if not certificates.plan_stands_for(connection, cn_of):
            invitation.end_accounts(connection, [account_id], now, premises.actor)
            outcome.accounts_ended += 1
