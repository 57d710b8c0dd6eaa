"""Asks the authority whether a certificate is good (RFC 6960), over the plain HTTP address that it names itself.

The answer is believed for its signature: the issuer's own, or that of a certificate which the issuer made for signing
such answers (§4.2.2.2), over this very serial and for this time. A suspended certificate is one that is on hold.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from client.clock import now
from client.config import Settings
from client.errors import CALL_HELP_DESK, ClientError
from client.language import sentence
from client.transport import post_plainly
from keys.algorithms import kind_of, verify_hashed
from keys.errors import KeysError

_LEEWAY = timedelta(minutes=5)  # between two clocks that are right


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


async def ask(certificate: x509.Certificate, issuer: x509.Certificate, settings: Settings) -> Standing:
    """Return how a certificate stands with its authority.

    Raises TryLater when the authority cannot be reached, ClientError when it gives no answer that can be believed.
    """
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA256()).build()
    url = address_of(certificate)
    if url is None:
        raise _unbelievable("the certificate names no OCSP address")
    body = await post_plainly(url, request.public_bytes(Encoding.DER), "application/ocsp-request", settings)
    try:
        response = ocsp.load_der_ocsp_response(body)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise _unbelievable(response.response_status.name.lower())
        _verify(response, issuer)
    except (ValueError, InvalidSignature, x509.ExtensionNotFound, KeysError) as error:
        raise _unbelievable(str(error) or type(error).__name__) from error
    if response.serial_number != certificate.serial_number:
        raise _unbelievable("it is about another certificate")
    ends = response.next_update_utc
    if response.this_update_utc > now() + _LEEWAY or (ends is not None and ends < now() - _LEEWAY):
        raise _unbelievable("it is not of this time; are date and time of this PC right?")
    return _standing(response)


def address_of(certificate: x509.Certificate) -> str | None:
    """Return where the certificate says it can be asked about, None when it does not."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return None
    addresses = (each for each in access if each.access_method == AuthorityInformationAccessOID.OCSP)
    return next((str(each.access_location.value) for each in addresses), None)


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
                raise ValueError("its signer may not sign such answers")
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
