"""Revocation (失効): by an officer or an application for a CN, by a holder for one certificate.

A CN's revocation ends every certificate of it that has not ended, old and renewed, its credentials, its accounts and
its plans. Nothing undoes it. It is visible in OCSP with the commit; the CRL follows, and then the completion mail.
"""

import dataclasses
from collections.abc import Callable

from ca_server import store
from ca_server.domain.certificates import Certificate, CertificateStatus
from ca_server.domain.seats import SeatStatus
from ca_server.errors import AlreadyRevoked, NotAllowed, NotFound
from ca_server.language import sentence
from ca_server.store import accounts, audit, certificates, credentials, revocations, seats
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason

EntryMaker = Callable[[str, int, int], bytes]
"""Makes the DER of a CRL entry from serial, moment and reason code; the authority's, handed in."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """Who revokes, why, when, and on which application."""

    reason: RevocationReason
    actor: str
    now: int
    application: int | None = None
    since: int | None = None
    """The moment that CRL and OCSP tell, where it lies before: a restored record takes it from a published list."""

    @property
    def moment(self) -> int:
        """Return what CRL and OCSP tell."""
        return self.now if self.since is None else self.since


def revoke_seat(
    connection: store.Connection, cn: CommonName, decision: Decision, entry: EntryMaker
) -> revocations.Revocation | AlreadyRevoked:
    """Revoke a CN with all it has and return the record whose publication completes it.

    A compromise blocks the key of every certificate the CN ever had, also when all were revoked before: therefore
    AlreadyRevoked is returned, not raised, and whoever called raises it after the commit. Raises NotFound for a CN
    never assigned.
    """
    seat = seats.get(connection, cn)
    if decision.reason is RevocationReason.keyCompromise:
        for certificate in certificates.of_seat(connection, str(cn)):
            certificates.block_key(connection, certificate.serial, decision.now)
    if seat.status is SeatStatus.REVOKED:
        return AlreadyRevoked(sentence("{cn} was revoked before.", cn=cn))
    seats.move(connection, seat, seat.revoked(), decision.now, decision.actor)
    ended = certificates.unended(connection, str(cn), decision.now)
    for certificate in ended:
        _end(connection, certificate, decision, entry)
    credentials.replace_live(connection, str(cn), decision.now, decision.actor)
    accounts.revoke_others(connection, str(cn), kept="")
    return _decided(connection, str(cn), ended, decision)


def revoke_certificate(
    connection: store.Connection, serial: str, decision: Decision, entry: EntryMaker
) -> revocations.Revocation | AlreadyRevoked:
    """Revoke one certificate; its siblings live on unless its key is compromised or it was the last valid one.

    A compromise is taken in after the certificate's revocation or end as well. Returns AlreadyRevoked as `revoke_seat`
    does. Raises NotFound for a serial that we never signed, AlreadyRevoked, and NotAllowed for one that has ended.
    """
    certificate = certificates.find(connection, serial)
    if certificate is None or certificate.status in (CertificateStatus.PLANNED, CertificateStatus.ABORTED):
        raise NotFound(sentence("There is no such certificate."))
    if decision.reason is RevocationReason.keyCompromise:
        return revoke_seat(connection, certificate.cn, decision, entry)
    if certificate.status is CertificateStatus.REVOKED:
        raise AlreadyRevoked(
            sentence("The certificate {serial} of {cn} was revoked before.", serial=serial, cn=certificate.cn)
        )
    if certificate.not_after <= decision.now:
        raise NotAllowed(
            sentence(
                "The certificate {serial} of {cn} has ended; there is nothing to revoke.",
                serial=serial,
                cn=certificate.cn,
            )
        )
    siblings = [c for c in certificates.unended(connection, str(certificate.cn), decision.now) if c.serial != serial]
    if not siblings:
        return revoke_seat(connection, certificate.cn, decision, entry)
    _end(connection, certificate, decision, entry)
    return _decided(connection, str(certificate.cn), [certificate], decision)


def revoke_listed(
    connection: store.Connection, certificate: Certificate, decision: Decision, entry: EntryMaker
) -> revocations.Revocation | AlreadyRevoked:
    """Revoke one certificate because a published list says so, as `revoke_certificate` does, but an ended one too."""
    if certificate.not_after > decision.now:
        return revoke_certificate(connection, certificate.serial, decision, entry)
    _end(connection, certificate, decision, entry)
    decided = _decided(connection, str(certificate.cn), [certificate], decision)
    if decision.reason is RevocationReason.keyCompromise:
        revoke_seat(connection, certificate.cn, decision, entry)
    return decided


def _end(connection: store.Connection, certificate: Certificate, decision: Decision, entry: EntryMaker) -> None:
    code = int(decision.reason)
    mark = (decision.moment, code, entry(certificate.serial, decision.moment, code))
    certificates.end(connection, certificate, CertificateStatus.REVOKED, mark)


def _decided(
    connection: store.Connection, cn: str, ended: list[Certificate], decision: Decision
) -> revocations.Revocation:
    serials = tuple(certificate.serial for certificate in ended)
    record = revocations.decided(cn, serials, int(decision.reason), decision.application, decision.moment)
    revocations.add(connection, record, decision.actor)
    audit.record(
        connection,
        decision.now,
        decision.actor,
        "certificates revoked",
        cn,
        serials=list(serials),
        reason=decision.reason.name,
        application=decision.application,
    )
    return record


@dataclasses.dataclass(frozen=True)
class HoldersProof:
    """How a holder proves a right to revoke: the account that signed, or the certificate's own key (§7.6)."""

    account_id: str | None
    spki_sha256: str | None


def require_holder(connection: store.Connection, serial: str, proof: HoldersProof) -> None:
    """Do nothing when the account is of the certificate's seat, or the key is the certificate's.

    Raises NotFound otherwise, as for a serial never planned, and AccountUnusable for a dead account.
    """
    owner = certificates.owner(connection, serial)
    if proof.account_id is not None:
        account = accounts.get(connection, proof.account_id)
        if owner is not None and account.cn == owner[1]:
            return
    elif owner is not None and certificates.key_of(connection, serial) == proof.spki_sha256:
        return
    raise NotFound(sentence("There is no such certificate, or it is not this key's to revoke."))


def revoke_by_holder(
    connection: store.Connection, serial: str, proof: HoldersProof, decision: Decision, entry: EntryMaker
) -> revocations.Revocation | AlreadyRevoked:
    """Revoke one certificate at its holder's wish (RFC 8555 §7.6)."""
    require_holder(connection, serial, proof)
    return revoke_certificate(connection, serial, decision, entry)
