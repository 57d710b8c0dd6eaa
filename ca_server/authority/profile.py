"""The profile of a client certificate (requirements K2), and the bytes that it makes of the records' facts.

clientAuth and digitalSignature only, no CA bit, identifiers of both keys, pointers to CRL, OCSP and issuer, one policy
with its CPS; a dNSName only when one was ordered. RFC 5280 §4.1 and §4.2. Names come from the records alone, never
from the signing request (N3); `lint` judges the result before it is recorded and signed.

The library writes each name, key and extension; they are joined here, for its builder gives DER only together with a
signature, which is not this module's to make. The tests hold what comes out against the builder's.
"""

import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca_server.authority import der, extensions
from ca_server.authority.signer import algorithm_of, issuer_public_key
from ca_server.clock import DAY, HOUR
from keys.algorithms import PublicKey
from protocol.names import CommonName, SubjectName

_VERSION_3: Final = der.explicit(0, der.integer(2))


@dataclass(frozen=True)
class CertificateProfile:
    """What all client certificates of one issuer share; from configuration."""

    organization: str
    """O of the subject."""
    policy_oid: str
    """Dotted; the operator's certificate policy."""
    cps_url: str
    crl_url: str
    """Where the CRL of all certificates is; those in a partition point to the partition's, beside it."""
    ocsp_url: str
    ca_issuers_url: str
    validity_days: int = 395
    """Days from notBefore to notAfter, both ends counted: thirteen months, so that a renewal a year fits."""
    backdate_seconds: int = HOUR
    """Seconds that notBefore lies back, for PCs whose clock is slow; not more than the issuing CA's own hour."""
    crl_partitions: int = 0
    """Partitions that new certificates are spread over, each with a CRL of its own; 0 for the one CRL of all."""

    def not_before(self, now: int) -> int:
        """Return the first second of a certificate made now."""
        return now - self.backdate_seconds

    def not_after(self, not_before: int) -> int:
        """Return the last second, which RFC 5280 §4.1.2.5 counts in: one less than the sum."""
        return not_before + self.validity_days * DAY - 1

    def partition(self, serial: int) -> int:
        """Return the partition of a certificate made now, 0 for none; the records keep it, for the count may change."""
        return 1 + serial % self.crl_partitions if self.crl_partitions else 0


@dataclass(frozen=True)
class LeafFacts:
    """What the records say of one certificate."""

    common_name: CommonName
    public_key: PublicKey
    serial: int
    not_before: int
    """Seconds since 1970."""
    dns_name: str | None = None
    """The alias with the operator's suffix, if it was ordered."""


def serial_number() -> int:
    """Return 128 random bits for a serial number: no two meet, and nobody can guess the next (RFC 5280 §4.1.2.2)."""
    return secrets.randbits(128)


def to_be_signed(profile: CertificateProfile, issuer_certificate: x509.Certificate, facts: LeafFacts) -> bytes:
    """Return the DER of the TBSCertificate, made once: linted, recorded and signed as it is.

    Raises UnsupportedKey when the issuer's key is of no kind that a CA may have.
    """
    shared = _shared(profile, issuer_certificate, profile.partition(facts.serial))
    own = _extension(extensions.subject_key_identifier(facts.public_key))
    if facts.dns_name is not None:
        own += _extension(x509.SubjectAlternativeName([x509.DNSName(facts.dns_name)]))
    return der.sequence(
        _VERSION_3,
        der.integer(facts.serial),
        shared.algorithm,
        shared.issuer,
        der.sequence(der.time(facts.not_before), der.time(profile.not_after(facts.not_before))),
        SubjectName(profile.organization, facts.common_name).x509().public_bytes(),
        facts.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        der.explicit(3, der.sequence(shared.extensions, own)),
    )


class _Shared(NamedTuple):
    """What all certificates of a profile, an issuer and a partition have in common, in DER."""

    algorithm: bytes
    issuer: bytes
    extensions: bytes
    """In a row."""


@lru_cache(maxsize=1024)
def _shared(profile: CertificateProfile, issuer_certificate: x509.Certificate, partition: int) -> _Shared:
    """Return it; what the library writes of the extensions takes longer than the rest of a certificate."""
    shared = (
        _extension(extensions.authority_key_identifier(issuer_certificate)),
        _extension(extensions.key_usage("digital_signature"), critical=True),
        _extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
        _extension(extensions.policy(profile.policy_oid, profile.cps_url)),
        _extension(extensions.issuer_pointers(profile.ca_issuers_url, profile.ocsp_url)),
        _extension(extensions.crl_pointer(extensions.crl_url_of(profile.crl_url, partition))),
    )
    algorithm = algorithm_of(issuer_public_key(issuer_certificate))
    return _Shared(algorithm, issuer_certificate.subject.public_bytes(), b"".join(shared))


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> bytes:
    return der.extension(der.object_identifier(value.oid.dotted_string), value.public_bytes(), critical=critical)
