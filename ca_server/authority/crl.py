"""Certificate revocation lists (RFC 5280 §5): version 2, with the issuer's key identifier and a rising number.

A list is joined from whole elements: its entries were encoded when their certificates were revoked and lie in the
store, so that a million of them cost one join and one signature, where the library's builder takes minutes. A
randomised test holds the result equal to the builder's. The list is for all of an issuer's certificates, so there is
no issuingDistributionPoint.
"""

from collections.abc import Sequence
from typing import Final

from ca_server.authority import der
from ca_server.authority.extensions import authority_key_identifier
from ca_server.authority.signer import Signer
from protocol.vocabulary import RevocationReason

_VERSION_2: Final = der.integer(1)
_REASON_CODE: Final = der.object_identifier("2.5.29.21")
_AUTHORITY_KEY_IDENTIFIER: Final = der.object_identifier("2.5.29.35")
_CRL_NUMBER: Final = der.object_identifier("2.5.29.20")
_ENUMERATED: Final = 0x0A


def entry(serial: int, revoked_at: int, reason: RevocationReason) -> bytes:
    """Return the DER of one revokedCertificate; the reason is left out when unspecified (RFC 5280 §5.3.1).

    Raises ValueError for removeFromCRL, which only delta CRLs know.
    """
    if reason is RevocationReason.removeFromCRL:
        raise ValueError("removeFromCRL is a word of delta CRLs, and there are none here.")
    if reason is RevocationReason.unspecified:
        return der.sequence(der.integer(serial), der.time(revoked_at))
    code = _extension(_REASON_CODE, der.element(_ENUMERATED, bytes((reason,))))
    return der.sequence(der.integer(serial), der.time(revoked_at), der.sequence(code))


def entry_of_records(serial: str, revoked_at: int, code: int) -> bytes:
    """Return an entry from a serial and a reason as the records hold them."""
    return entry(int(serial, 16), revoked_at, RevocationReason(code))


def build(signer: Signer, entries: Sequence[bytes], number: int, this_update: int, next_update: int) -> bytes:
    """Return a signed CRL in DER over `entries`, each made by `entry`; `number` is never used twice by an issuer."""
    return signer.sign(to_be_signed(signer, entries, number, this_update, next_update))


def to_be_signed(signer: Signer, entries: Sequence[bytes], number: int, this_update: int, next_update: int) -> bytes:
    """Return the DER of the TBSCertList. An empty list is left out, not written empty (RFC 5280 §5.1.2.6)."""
    extensions = (
        _extension(_AUTHORITY_KEY_IDENTIFIER, authority_key_identifier(signer.certificate).public_bytes()),
        _extension(_CRL_NUMBER, der.integer(number)),
    )
    return der.sequence(
        _VERSION_2,
        signer.algorithm,
        signer.certificate.subject.public_bytes(),
        der.time(this_update),
        der.time(next_update),
        der.sequence(*entries) if entries else b"",
        der.explicit(0, der.sequence(*extensions)),
    )


def _extension(oid: bytes, value: bytes) -> bytes:
    """Return an Extension that is not critical; none of a CRL for all certificates is."""
    return der.sequence(oid, der.element(der.OCTET_STRING, value))
