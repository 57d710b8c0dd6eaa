"""What is asked about a certificate: its revocation (RFC 8555 §7.6) and when to renew it (RFC 9773)."""

import dataclasses

from cryptography import x509

from ca_server import store
from ca_server.clock import Clock, moment
from ca_server.errors import AlreadyRevoked, NotFound
from ca_server.language import sentence
from ca_server.operations import enrolment, revocation
from ca_server.operations.revocation import Decision, EntryMaker, HoldersProof
from ca_server.web.authenticate import Signed
from ca_server.web.issuers import Issuers
from ca_server.web.render import Answer
from keys.policy import spki_sha256
from protocol.problems import Problem, ProblemType
from protocol.renewal_info import (
    RETRY_AFTER_SECONDS,
    BadCertificateId,
    RenewalTimes,
    parse_certificate_id,
    suggested_window,
)
from protocol.requests import RevokeCertificate
from protocol.resources import RenewalInfo


@dataclasses.dataclass(frozen=True)
class CertificateHandlers:
    """The handlers of revokeCert and renewalInfo."""

    database: store.Database
    entry: EntryMaker
    times: RenewalTimes
    issuers: Issuers
    clock: Clock

    async def revoke(self, signed: Signed) -> Answer:
        """revokeCert (§7.6): by an account of the seat, or by the certificate's own key."""
        asked = RevokeCertificate.parse(signed.members())
        serial = self._serial(asked.certificate)
        spki = spki_sha256(signed.public_key) if signed.account_id is None else None
        proof = HoldersProof(signed.account_id, spki)
        actor = f"account:{signed.account_id}" if signed.account_id else "certificate key"
        decision = Decision(asked.reason, actor, self.clock.now())
        outcome = await self.database.write(revocation.revoke_by_holder, serial, proof, decision, self.entry)
        if isinstance(outcome, AlreadyRevoked):
            raise outcome
        return Answer()

    async def renewal_info(self, certificate_id: str) -> Answer:
        """renewalInfo (RFC 9773 §4): the window in which agents renew, asked for again every six hours."""
        try:
            key_id, serial = parse_certificate_id(certificate_id)
        except BadCertificateId as error:
            raise Problem(ProblemType.MALFORMED, str(error)) from error
        if key_id not in self.issuers.key_ids:
            raise NotFound(sentence("This certificate is of another issuer."))
        now = self.clock.now()
        not_after = await self.database.lookup(enrolment.renewal_of, f"{serial:x}", self.times, now)
        start, end = suggested_window(not_after, self.times)
        info = RenewalInfo(moment(start), moment(end))
        return Answer(info.render(), retry_after=RETRY_AFTER_SECONDS)

    def _serial(self, der: bytes) -> str:
        try:
            certificate = x509.load_der_x509_certificate(der)
            issuer, serial = certificate.issuer.public_bytes(), certificate.serial_number
        except Exception as error:
            raise Problem(ProblemType.MALFORMED, "`certificate` is not a certificate.") from error
        if issuer not in self.issuers.chains:
            raise NotFound(sentence("This certificate was not issued here."))
        return f"{serial:x}"
