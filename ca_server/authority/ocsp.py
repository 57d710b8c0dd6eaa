"""OCSP (RFC 6960): reads a request strictly and answers it with the delegated signer's key.

One certificate a request, named by SHA-1 or SHA-256; a nonce as RFC 9654 wants it: 16 to 32 octets come back, others
up to 128 are passed over. Answers name the responder by its key and carry its certificate. The library loads lazily
and raises many kinds of error; all of them leave here as MalformedRequest.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from ca_server.authority import der
from ca_server.authority.extensions import subject_key_identifier
from ca_server.authority.signer import Signer
from ca_server.clock import moment
from protocol.vocabulary import RevocationReason

MAX_REQUEST_BYTES: Final = 4096
"""Room for one CertID, a nonce and a requester's signature with its certificate; the usual request has 80 bytes."""

MAX_SERIAL_BYTES: Final = 20
"""No certificate of ours, or of anybody who follows RFC 5280 §4.1.2.2, has a longer serial number."""

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303  it names an issuer and secures nothing
    "sha256": hashes.SHA256(),
}
_HASH_OIDS: Final = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1"}
_ENUMERATED: Final = 0x0A
_SECONDS_OF_A_MINUTE: Final = tuple(b"%02dZ" % second for second in range(60))
_SUCCESSFUL: Final = der.element(_ENUMERATED, b"\x00")
_BASIC_RESPONSE: Final = der.object_identifier("1.3.6.1.5.5.7.48.1.1")
_NONCE: Final = der.object_identifier("1.3.6.1.5.5.7.48.1.2")
_NEXT_UPDATE: Final = b"\xa0\x11"  # [0] around a GeneralizedTime, whose length is always the same
_MOST_LENGTHS: Final = 1024
_USUAL_NONCES: Final = (0, 16, 32)
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


Lengths = TypeVar("Lengths", bound=tuple[int, ...])
Heads = TypeVar("Heads", bound=tuple[bytes, ...])


class UsualRequest(NamedTuple):
    """How a request looks that asks for one certificate, with a nonce or without, and says nothing else.

    It is these bytes, the contents of the serial number, `middle`, and the nonce; all lengths of DER are among them, so
    that such a request is known by comparing bytes.
    """

    beginning: bytes
    serial_length: int
    middle: bytes
    """Empty without a nonce."""
    nonce_length: int

    @property
    def length(self) -> int:
        """Return how long such a request is."""
        return len(self.beginning) + self.serial_length + len(self.middle) + self.nonce_length


def usual_requests(issuer: IssuerHash) -> Iterator[UsualRequest]:
    """Yield every usual request about certificates of an issuer; the algorithm's parameters may be NULL or absent."""
    oid = der.object_identifier(_HASH_OIDS[issuer.hash_name])
    hashed = der.element(der.OCTET_STRING, issuer.name_hash) + der.element(der.OCTET_STRING, issuer.key_hash)
    for algorithm in (der.sequence(oid, der.NULL), der.sequence(oid)):
        for length in range(1, MAX_SERIAL_BYTES + 2):
            number = der.element(der.INTEGER, bytes(length))
            questions = der.sequence(der.sequence(der.sequence(algorithm, hashed, number)))
            for nonce_length in _USUAL_NONCES:
                extensions = (
                    der.explicit(2, der.sequence(_nonce_extension(bytes(nonce_length)))) if nonce_length else b""
                )
                whole = der.sequence(der.sequence(questions, extensions))
                middle = extensions[: len(extensions) - nonce_length]
                beginning = whole[: len(whole) - len(extensions) - length]
                yield UsualRequest(beginning, length, middle, nonce_length)


def _nonce_extension(nonce: bytes) -> bytes:
    """Return the Extension of a nonce (RFC 9654 §2.1)."""
    return der.sequence(_NONCE, der.element(der.OCTET_STRING, der.element(der.OCTET_STRING, nonce)))


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
    number = der.integer(query.serial)
    return AnswerForm(signer, query.issuer).signed(number, status_der(status), this_update, next_update, query.nonce)


def serial_bytes(contents: bytes) -> bytes | None:
    """Return a serial number, big-endian without leading zeros, from what an INTEGER holds; None when it is not DER.

    RFC 5280 §4.1.2.2 wants it positive; a negative one is no serial number of anybody.
    """
    if not contents or contents[0] >= 0x80:
        return None
    if contents[0] == 0:
        return contents[1:] if len(contents) > 1 and contents[1] >= 0x80 else None if len(contents) > 1 else b""
    return contents


class AnswerForm:
    """What all answers of one signer have in common when they name the issuer by one hash; the rest is joined to it.

    Lengths of DER stand before what they count, but there are few of them: one set for each length of serial number,
    status and signature. So an answer is whole elements joined under heads that were made before. A randomised test
    holds what comes out equal to the library's builder.
    """

    def __init__(self, signer: Signer, issuer: IssuerHash) -> None:
        self.ends = der.seconds(signer.certificate.not_valid_after_utc)
        self.sign = signer.signature
        self._issuer_part = b"".join(
            (
                _hash_algorithm(issuer.hash_name),
                der.element(der.OCTET_STRING, issuer.name_hash),
                der.element(der.OCTET_STRING, issuer.key_hash),
            )
        )
        key_hash = subject_key_identifier(signer.public_key).digest
        self._responder = der.explicit(2, der.element(der.OCTET_STRING, key_hash))
        self._algorithm = signer.algorithm
        self._tail = der.explicit(0, der.sequence(signer.certificate.public_bytes(Encoding.DER)))
        self._heads: dict[tuple[int, int, int], tuple[bytes, bytes, bytes]] = {}
        self._covers: dict[tuple[int, int], tuple[bytes, bytes]] = {}

    def signed(
        self, number: bytes, status: bytes, this_update: int, next_update: int, nonce: bytes | None = None
    ) -> bytes:
        """Return an answer signed now, valid until `next_update` or the end of the signer's certificate.

        `number` is the serial number as a whole INTEGER, `status` DER. Raises SignerEnded when the signer's certificate
        is over at `this_update`.
        """
        if this_update > self.ends:
            raise SignerEnded("The OCSP signer's certificate is over; a new one is due.")
        data = self.to_be_signed(number, status, this_update, min(next_update, self.ends), nonce)
        return self.answer(data, self.sign(data))

    def to_be_signed(
        self, number: bytes, status: bytes, this_update: int, next_update: int, nonce: bytes | None = None
    ) -> bytes:
        """Return the ResponseData, with the nonce where there is one (RFC 9654 §2.1)."""
        produced, until = _generalized(this_update), _generalized(next_update)
        lengths = len(number), len(status), 0 if nonce is None else len(nonce)
        before, single, extension = self._heads.get(lengths) or self._remember_heads(number, status, nonce)
        parts = (before, produced, single, number, status, produced, _NEXT_UPDATE, until, extension, nonce or b"")
        return b"".join(parts)

    def answer(self, to_be_signed: bytes, signature: bytes) -> bytes:
        """Return the OCSPResponse around signed ResponseData."""
        lengths = len(to_be_signed), len(signature)
        before, middle = self._covers.get(lengths) or self._remember_covers(to_be_signed, signature)
        return b"".join((before, to_be_signed, middle, signature, self._tail))

    def _remember_heads(self, number: bytes, status: bytes, nonce: bytes | None) -> tuple[bytes, bytes, bytes]:
        """Take heads out of an answer made in full: up to producedAt, from there to the serial number, to the nonce."""
        time = _generalized(0)
        certificate = der.sequence(self._issuer_part, number)
        responses = der.sequence(der.sequence(certificate, status, time, der.explicit(0, time)))
        extension = b"" if nonce is None else der.explicit(1, der.sequence(_nonce_extension(nonce)))
        whole = der.sequence(self._responder, time, responses, extension)
        before = whole[: len(whole) - len(time) - len(responses) - len(extension)]
        single = responses[: len(responses) - len(number) - len(status) - 2 * len(time) - len(_NEXT_UPDATE)]
        lengths = len(number), len(status), len(nonce or b"")
        return _remember(self._heads, lengths, (before, single, extension[: len(extension) - lengths[2]]))

    def _remember_covers(self, to_be_signed: bytes, signature: bytes) -> tuple[bytes, bytes]:
        """Take out of an answer made in full what stands before the signed bytes, and before the signature."""
        signed = der.element(der.BIT_STRING, b"\x00", signature)
        basic = der.sequence(to_be_signed, self._algorithm, signed, self._tail)
        content = der.explicit(0, der.sequence(_BASIC_RESPONSE, der.element(der.OCTET_STRING, basic)))
        whole = der.sequence(_SUCCESSFUL, content)
        middle = self._algorithm + signed[: len(signed) - len(signature)]
        before = whole[: len(whole) - len(to_be_signed) - len(middle) - len(signature) - len(self._tail)]
        return _remember(self._covers, (len(to_be_signed), len(signature)), (before, middle))


def _remember(known: dict[Lengths, Heads], lengths: Lengths, heads: Heads) -> Heads:
    """Keep heads; strangers choose the length of a serial number, so the room for them is bounded."""
    if len(known) >= _MOST_LENGTHS:
        known.clear()
    known[lengths] = heads
    return heads


@lru_cache(maxsize=4096)
def status_der(status: OcspStatus) -> bytes:
    """Return the CertStatus (RFC 6960 §4.2.1); as in a CRL, an unspecified reason is left out."""
    if status.word is ocsp.OCSPCertStatus.GOOD:
        return b"\x80\x00"
    if status.word is ocsp.OCSPCertStatus.UNKNOWN:
        return b"\x82\x00"
    revoked_at = _generalized(status.revoked_at or 0)
    if status.reason is None or status.reason is RevocationReason.unspecified:
        return der.explicit(1, revoked_at)
    return der.explicit(1, revoked_at, der.explicit(0, der.element(_ENUMERATED, bytes((status.reason,)))))


def _generalized(seconds: int) -> bytes:
    """Return a GeneralizedTime, which OCSP takes for every year (RFC 6960 §4.2.2.1)."""
    minutes, rest = divmod(seconds, 60)
    return _minute(minutes) + _SECONDS_OF_A_MINUTE[rest]


@lru_cache(maxsize=1024)
def _minute(minutes: int) -> bytes:
    """Return a GeneralizedTime up to its seconds; kept by the second it would be a new one each second of an hour."""
    return der.head(der.GENERALIZED_TIME, 15) + moment(60 * minutes).strftime("%Y%m%d%H%M").encode()


def _hash_algorithm(word: str) -> bytes:
    """Return a CertID's AlgorithmIdentifier, with NULL for parameters as everybody writes it."""
    return der.sequence(der.object_identifier(_HASH_OIDS[word]), der.NULL)


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
