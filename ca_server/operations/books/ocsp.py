"""OCSP: what relying systems would be told of every certificate, asked of the same code that tells them."""

import dataclasses
import secrets
from collections.abc import Callable, Iterator
from typing import Protocol

from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca_server import store
from ca_server.authority import der
from ca_server.authority import ocsp as authority
from ca_server.authority.signer import Signer, issuer_public_key
from ca_server.clock import rfc3339
from ca_server.domain.certificates import CertificateStatus
from ca_server.operations.books.book import Book, book
from ca_server.operations.publication import told
from ca_server.store.ledger import CertificateRow, Ledger
from keys.algorithms import verify
from keys.errors import KeysError
from protocol.vocabulary import RevocationReason

UNKNOWN_SERIALS = 1000
WORDS: dict[str, ocsp.OCSPCertStatus] = {
    CertificateStatus.PLANNED: ocsp.OCSPCertStatus.UNKNOWN,
    CertificateStatus.ISSUED: ocsp.OCSPCertStatus.GOOD,
}


class Kept(Protocol):
    """The answers kept ready for the certificates of one issuing CA."""

    def place(self) -> int:
        """Return up to which place the records were followed."""

    def answer(self, serial: str) -> bytes | None:
        """Return what is kept for a serial (hex), or None."""


@dataclasses.dataclass(frozen=True)
class Desk:
    """An issuing CA with its OCSP responder, as `serve` has it."""

    issuer: str
    issuing: x509.Certificate
    signer: Callable[[], Signer]
    """Opens the OCSP signer's key; a key that cannot be used is a finding."""
    answer_seconds: int
    kept: Kept | None = None
    """What the responder of this machine keeps ready, where there is one."""


def answers(connection: store.Connection, ledger: Ledger, desk: Desk, now: int) -> Book:
    """Balance the answers with the records.

    - issued: good; revoked or aborted: revoked, with moment and reason; suspended: revoked; planned: unknown
    - a thousand serial numbers that nobody planned are unknown, never good
    - the issuing CA delegated the signer, whose key signs each answer
    """
    asked = [row for row in ledger.certificates if row.issuer == desk.issuer and row.not_after > now]
    return book("OCSP", len(asked) + UNKNOWN_SERIALS, _answers(connection, ledger, desk, asked, now))


def _answers(
    connection: store.Connection, ledger: Ledger, desk: Desk, asked: list[CertificateRow], now: int
) -> Iterator[str]:
    try:
        signer = desk.signer()
    except KeysError as error:
        yield f"The OCSP signer cannot be used: {error}"
        return
    findings = list(_signer(signer.certificate, desk.issuing, now))
    yield from findings
    if findings:
        return
    ask = _Inquiry(connection, desk, signer, now)
    for row in asked:
        yield from ask.findings(row)
    known = {row.serial for row in ledger.certificates}
    for _ in range(UNKNOWN_SERIALS):
        serial = f"{secrets.randbits(128):x}"
        if serial not in known and ask.answer(serial).certificate_status is not ocsp.OCSPCertStatus.UNKNOWN:
            yield f"OCSP knows {serial}, a random number that nobody planned."


def _signer(certificate: x509.Certificate, issuing: x509.Certificate, now: int) -> Iterator[str]:
    try:
        verify(issuer_public_key(issuing), certificate.signature, certificate.tbs_certificate_bytes)
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        certificate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    except (ValueError, KeysError, x509.ExtensionNotFound) as error:
        yield f"The issuing CA did not delegate OCSP to the signer's certificate: {error}"
        return
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        yield "The issuing CA did not delegate OCSP to the signer's certificate: it has another purpose."
    ends = der.seconds(certificate.not_valid_after_utc)
    if not der.seconds(certificate.not_valid_before_utc) <= now < ends:
        yield f"The OCSP signer's certificate ended at {rfc3339(ends)}; `serve` makes another."


class _Inquiry:
    """Asks as a relying system would, at one moment."""

    def __init__(self, connection: store.Connection, desk: Desk, signer: Signer, now: int) -> None:
        self._connection = connection
        self._desk = desk
        self._signer = signer
        self._now = now
        self._issuer = authority.issuer_hashes(desk.issuing)[0]

    def answer(self, serial: str) -> ocsp.OCSPResponse:
        """Return the answer for one serial, read back. Raises BadSignature when its signature is wrong."""
        query = authority.OcspQuery(self._issuer, int(serial, 16), None)
        status = told(self._connection, self._desk.issuer, serial)
        until = self._now + self._desk.answer_seconds
        response = ocsp.load_der_ocsp_response(authority.answer(query, status, self._signer, self._now, until))
        verify(self._signer.public_key, response.signature, response.tbs_response_bytes)
        return response

    def findings(self, row: CertificateRow) -> Iterator[str]:
        """Yield what the answer says and the row does not."""
        name = f"The certificate {row.serial} of {row.cn}"
        try:
            response = self.answer(row.serial)
        except (ValueError, KeysError, authority.SignerEnded) as error:
            yield f"{name} gets no OCSP answer: {error}"
            return
        wanted = WORDS.get(row.status, ocsp.OCSPCertStatus.REVOKED)
        if response.serial_number != int(row.serial, 16) or response.certificate_status is not wanted:
            yield f"{name} is {row.status}, but OCSP says {response.certificate_status.name.lower()}."
        elif row.status in (CertificateStatus.REVOKED, CertificateStatus.ABORTED):
            moment, reason = response.revocation_time_utc, response.revocation_reason
            said = (moment and der.seconds(moment), reason.value if reason else RevocationReason.unspecified.name)
            recorded = (row.revoked_at, RevocationReason(row.reason or 0).name)
            if said != recorded:
                yield f"{name} was revoked at {recorded}, but OCSP says {said}."
