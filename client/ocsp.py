"""Asks the authority whether a certificate is good (RFC 6960), over the plain HTTP address that it names itself.

The answer is believed for its signature: the issuer's own, or that of a certificate which the issuer made for signing
such answers (§4.2.2.2) and whose time it is, over this very serial and for this time.
A suspended certificate is one that is on hold.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from client.clock import now
from client.config import Settings
from client.errors import CALL_HELP_DESK, ClientError
from client.language import Sentence, sentence
from client.transport import post_plainly
from keys.algorithms import kind_of, verify_hashed
from keys.errors import KeysError
from protocol.problems import Problem

_LEEWAY = timedelta(minutes=5)  # between two clocks that are right
_LONGEST = timedelta(days=1)  # that an answer without an end is believed


class Word(StrEnum):
    """What the authority says of a certificate."""

    GOOD = "good"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """The authority's word, and since when it is so for a certificate that is not good."""

    word: Word
    since: datetime | None = None


async def ask(certificate: x509.Certificate, issuer: x509.Certificate | None, settings: Settings) -> Standing:
    """Return how a certificate stands with its authority; None is an issuer that this PC does not know.

    Raises TryLater when the authority cannot be reached, ClientError when it gives no answer that can be believed.
    """
    if issuer is None:
        raise _unbelievable(sentence("the certificate's issuer is not on this PC"))
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA256()).build()
    url = address_of(certificate)
    if url is None:
        raise _unbelievable(sentence("the certificate names no OCSP address"))
    try:
        body = await post_plainly(url, request.public_bytes(Encoding.DER), "application/ocsp-request", settings)
        return _read(body, certificate, issuer)
    except _NO_ANSWERS as error:
        reason = error.args[0] if error.args and isinstance(error.args[0], Sentence) else str(error)
        raise _unbelievable(reason or type(error).__name__) from error


def address_of(certificate: x509.Certificate) -> str | None:
    """Return where the certificate says it can be asked about, None when it does not."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return None
    addresses = (each for each in access if each.access_method == AuthorityInformationAccessOID.OCSP)
    return next((str(each.access_location.value) for each in addresses), None)


_NO_ANSWERS = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    KeysError,
    Problem,
)
"""What is raised over octets from anybody: one bad answer must not end the questions about other certificates."""


def _read(body: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> Standing:
    response = ocsp.load_der_ocsp_response(body)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(response.response_status.name.lower())
    _verify(response, issuer)
    if response.serial_number != certificate.serial_number:
        raise ValueError(sentence("it is about another certificate"))
    begins = response.this_update_utc
    if not _is_now(begins, response.next_update_utc or begins + _LONGEST):
        raise ValueError(sentence("it is not of this time; check date and time of this PC"))
    return _standing(response)


def _is_now(begins: datetime, ends: datetime) -> bool:
    return begins - _LEEWAY <= now() <= ends + _LEEWAY


def _standing(response: ocsp.OCSPResponse) -> Standing:
    match response.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            return Standing(Word.GOOD)
        case ocsp.OCSPCertStatus.UNKNOWN:
            return Standing(Word.UNKNOWN)
    held = response.revocation_reason is x509.ReasonFlags.certificate_hold
    return Standing(Word.SUSPENDED if held else Word.REVOKED, response.revocation_time_utc)


def _verify(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> None:
    """Do nothing if the issuer, or whom it delegated, signed. Raises what cryptography and `keys` raise otherwise."""
    signer = issuer
    if response.certificates:
        signer = response.certificates[0]
        if signer != issuer:
            signer.verify_directly_issued_by(issuer)
            usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            if ExtendedKeyUsageOID.OCSP_SIGNING not in usage:
                raise ValueError(sentence("its signer may not sign such answers"))
            if not _is_now(signer.not_valid_before_utc, signer.not_valid_after_utc):
                raise ValueError(sentence("its signer's certificate is not valid now; check date and time of this PC"))
    key = signer.public_key()
    kind_of(key)
    signed, signature_hash = response.tbs_response_bytes, response.signature_hash_algorithm
    verify_hashed(key, response.signature, signed, signature_hash)  # type: ignore[arg-type]  # kind_of knows it


def _unbelievable(reason: str) -> ClientError:
    return ClientError(
        "badOcspAnswer",
        sentence("The authority's answer on the certificate cannot be used: {reason}."),
        CALL_HELP_DESK,
        facts={"reason": reason},
    )
