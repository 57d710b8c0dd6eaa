"""Certificate revocation lists (RFC 5280 §5): version 2, with the issuer's key identifier and a rising number.

A list is joined from whole elements: its entries were encoded when their certificates were revoked and lie in the
store, so that a million of them cost one join and one signature, where the library's builder takes minutes. A
randomised test holds the result equal to the builder's. The list for all of an issuer's certificates has no
issuingDistributionPoint; a partition's has one, critical, with the URL that its certificates name (§5.2.5).
"""

import mmap
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
_ISSUING_DISTRIBUTION_POINT: Final = der.object_identifier("2.5.29.28")
_ENUMERATED: Final = 0x0A
_URI: Final = 0x86
_EXTENSIONS: Final = 0xA0


def entry(serial: int, revoked_at: int, reason: RevocationReason) -> bytes:
    """Return the DER of one revokedCertificate; the reason is left out when unspecified (RFC 5280 §5.3.1).

    Raises ValueError for removeFromCRL, which only delta CRLs know.
    """
    if reason is RevocationReason.removeFromCRL:
        raise ValueError("removeFromCRL is a word of delta CRLs, and there are none here.")
    if reason is RevocationReason.unspecified:
        return der.sequence(der.integer(serial), der.time(revoked_at))
    code = der.extension(_REASON_CODE, der.element(_ENUMERATED, bytes((reason,))))
    return der.sequence(der.integer(serial), der.time(revoked_at), der.sequence(code))


def entry_of_records(serial: str, revoked_at: int, code: int) -> bytes:
    """Return an entry from a serial and a reason as the records hold them."""
    return entry(int(serial, 16), revoked_at, RevocationReason(code))


def build(
    signer: Signer, entries: Sequence[bytes], number: int, this_update: int, next_update: int, scope: str | None = None
) -> bytes:
    """Return a signed CRL in DER; `number` is never used twice by an issuer for the same scope.

    `entries` are pieces, each of any number of entries that `entry` made, one after the other. `scope` is the URL in
    the certificates of a partition, None for the list of all.
    """
    return b"".join(pieces(signer, entries, number, this_update, next_update, scope))


def pieces(
    signer: Signer, entries: Sequence[bytes], number: int, this_update: int, next_update: int, scope: str | None = None
) -> list[bytes]:
    """Return what `build` returns, not joined: a million entries are copied nowhere."""
    return signer.sign_pieces(_to_be_signed(signer, entries, number, (this_update, next_update), scope))


def to_be_signed(
    signer: Signer, entries: Sequence[bytes], number: int, this_update: int, next_update: int, scope: str | None = None
) -> bytes:
    """Return the DER of the TBSCertList. An empty list is left out, not written empty (RFC 5280 §5.1.2.6)."""
    return b"".join(_to_be_signed(signer, entries, number, (this_update, next_update), scope))


def _to_be_signed(
    signer: Signer, entries: Sequence[bytes], number: int, times: tuple[int, int], scope: str | None
) -> list[bytes]:
    extensions = [
        der.extension(_AUTHORITY_KEY_IDENTIFIER, authority_key_identifier(signer.certificate).public_bytes()),
        der.extension(_CRL_NUMBER, der.integer(number)),
    ]
    if scope is not None:
        full_name = der.explicit(0, der.explicit(0, der.element(_URI, scope.encode("ascii"))))
        extensions.append(der.extension(_ISSUING_DISTRIBUTION_POINT, der.sequence(full_name), critical=True))
    length = sum(map(len, entries))
    fields = (
        _VERSION_2,
        signer.algorithm,
        signer.certificate.subject.public_bytes(),
        der.time(times[0]),
        der.time(times[1]),
        *((der.head(der.SEQUENCE, length), *entries) if length else ()),
        der.explicit(0, der.sequence(*extensions)),
    )
    return [der.head(der.SEQUENCE, sum(map(len, fields))), *fields]


def number_of(encoded: bytes | mmap.mmap) -> int:
    """Return the number of a CRL without reading its entries, of which there may be a million, nor its signature.

    Raises BadDer when it is not a CRL, or has no number.
    """
    inner, end = der.bounds(encoded, 0)
    after, list_end = der.bounds(encoded, inner)
    last = after
    while after < list_end:
        last, after = after, der.bounds(encoded, after)[1]
    if end != len(encoded) or after != list_end:
        raise der.BadDer("This is not a CRL, or it is cut off.")
    extensions = der.contents(encoded[last:list_end], _EXTENSIONS)
    for extension in der.split(der.contents(extensions, der.SEQUENCE)):
        fields = der.split(der.contents(extension, der.SEQUENCE))
        if fields[:1] == [_CRL_NUMBER]:
            return int.from_bytes(der.contents(der.contents(fields[-1], der.OCTET_STRING), der.INTEGER), "big")
    raise der.BadDer("This CRL has no number.")
