"""OCSP (RFC 6960): reads a request strictly and answers it with the delegated signer's key.

One certificate a request, named by SHA-1 or SHA-256; a nonce as RFC 9654 wants it: 16 to 32 octets come back, others
up to 128 are passed over. Answers name the responder by its key and carry its certificate, and never outlive it. The
library loads lazily and raises many kinds of error; all of them leave here as MalformedRequest.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from ca_server.authority import der
from ca_server.authority.signer import Signer
from ca_server.clock import moment
from protocol.vocabulary import RevocationReason

MAX_REQUEST_BYTES: Final = 4096
"""Room for one CertID, a nonce and a requester's signature with its certificate; the usual request has 80 bytes."""

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303  it names an issuer and secures nothing
    "sha256": hashes.SHA256(),
}
_NONCES_ECHOED: Final = range(16, 33)
_NONCES_LET_PASS: Final = range(1, 129)


class MalformedRequest(Exception):
    """The bytes are not a request that RFC 6960 and this responder know."""


class SignerEnded(Exception):
    """The signer's certificate ends before the answer would begin."""


class ErrorCode(Enum):
    """The OCSPResponseStatus of an answer without content (RFC 6960 §4.2.1)."""

    MALFORMED_REQUEST = ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    INTERNAL_ERROR = ocsp.OCSPResponseStatus.INTERNAL_ERROR
    TRY_LATER = ocsp.OCSPResponseStatus.TRY_LATER
    UNAUTHORIZED = ocsp.OCSPResponseStatus.UNAUTHORIZED
    """We are not the responder of that issuer (RFC 5019 §2.2.3)."""


@dataclass(frozen=True)
class IssuerHash:
    """How a request names the issuer: hashes of its name and of its key."""

    hash_name: str
    """sha1 or sha256."""
    name_hash: bytes
    key_hash: bytes


@dataclass(frozen=True)
class OcspQuery:
    """One question: what about this serial of that issuer? `nonce` is there only when it is to be echoed."""

    issuer: IssuerHash
    serial: int
    nonce: bytes | None


@dataclass(frozen=True)
class OcspStatus:
    """What is answered; see GOOD, UNKNOWN and `revoked`."""

    word: ocsp.OCSPCertStatus
    revoked_at: int | None = None
    reason: RevocationReason | None = None


GOOD: Final = OcspStatus(ocsp.OCSPCertStatus.GOOD)
UNKNOWN: Final = OcspStatus(ocsp.OCSPCertStatus.UNKNOWN)


def revoked(at: int, reason: RevocationReason) -> OcspStatus:
    """Return the status of a certificate revoked at this moment, for good or, with certificateHold, for a while."""
    return OcspStatus(ocsp.OCSPCertStatus.REVOKED, at, reason)


def issuer_hashes(certificate: x509.Certificate) -> tuple[IssuerHash, ...]:
    """Return every way in which a request can name this issuer (RFC 6960 §4.1.1)."""
    name = certificate.subject.public_bytes()
    key = der.key_bits(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return tuple(
        IssuerHash(word, hashlib.new(word, name).digest(), hashlib.new(word, key).digest()) for word in _HASHES
    )


def parse_request(encoded: bytes) -> OcspQuery:
    """Return the question in a DER request. Raises MalformedRequest, and nothing else, whatever the bytes are."""
    if len(encoded) > MAX_REQUEST_BYTES:
        raise MalformedRequest(f"The request has more than {MAX_REQUEST_BYTES} bytes.")
    try:
        return _query(ocsp.load_der_ocsp_request(encoded), encoded)
    except MalformedRequest:
        raise
    except Exception as error:
        raise MalformedRequest(f"The request cannot be read: {error}") from error


def answer(query: OcspQuery, status: OcspStatus, signer: Signer, this_update: int, next_update: int) -> bytes:
    """Return a signed response in DER, valid until `next_update` or the end of the signer's certificate.

    Raises SignerEnded when the signer's certificate is over at `this_update`.
    """
    end = der.seconds(signer.certificate.not_valid_after_utc)
    if this_update > end:
        raise SignerEnded("The OCSP signer's certificate is over; a new one is due.")
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            issuer_name_hash=query.issuer.name_hash,
            issuer_key_hash=query.issuer.key_hash,
            serial_number=query.serial,
            algorithm=_HASHES[query.issuer.hash_name],
            cert_status=status.word,
            this_update=moment(this_update),
            next_update=moment(min(next_update, end)),
            revocation_time=None if status.revoked_at is None else moment(status.revoked_at),
            revocation_reason=_flag(status.reason),
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
        .certificates([signer.certificate])
    )
    if query.nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(query.nonce), critical=False)
    return builder.sign(signer.private_key, signer.hash).public_bytes(Encoding.DER)


def error(code: ErrorCode) -> bytes:
    """Return the answer, which nobody signs, that says why there is none."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(code.value).public_bytes(Encoding.DER)


def _query(request: ocsp.OCSPRequest, encoded: bytes) -> OcspQuery:
    """Touch every lazy part of the library's request, and judge it."""
    word = request.hash_algorithm.name
    name_hash, key_hash = request.issuer_name_hash, request.issuer_key_hash
    if word not in _HASHES or {len(name_hash), len(key_hash)} != {_HASHES[word].digest_size}:
        raise MalformedRequest("The issuer is named by SHA-1 or SHA-256 hashes.")
    if request.serial_number < 0:
        raise MalformedRequest("A serial number is not negative.")
    return OcspQuery(IssuerHash(word, name_hash, key_hash), request.serial_number, _nonce(request.extensions, encoded))


def _nonce(extensions: x509.Extensions, encoded: bytes) -> bytes | None:
    """Return the nonce to echo (RFC 9654 §2.1). A critical extension that we do not know must not be passed over."""
    nonce = None
    for extension in extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            nonce = extension.value.nonce
            if len(nonce) not in _NONCES_LET_PASS:
                raise MalformedRequest("A nonce has 1 to 128 octets.")
            # The library takes a bare nonce too, which would come back in another form and match nothing.
            if der.element(der.OCTET_STRING, extension.value.public_bytes()) not in encoded:
                raise MalformedRequest("A nonce is an OCTET STRING.")
        elif extension.critical:
            raise MalformedRequest(f"The critical extension {extension.oid.dotted_string} is not known here.")
    return nonce if nonce is not None and len(nonce) in _NONCES_ECHOED else None


def _flag(reason: RevocationReason | None) -> x509.ReasonFlags | None:
    """Return the library's word; as in a CRL, an unspecified reason is left out."""
    if reason is None or reason is RevocationReason.unspecified:
        return None
    return x509.ReasonFlags(reason.name)
