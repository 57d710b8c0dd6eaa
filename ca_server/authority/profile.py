"""The profile of a client certificate (requirements K2), and the bytes that it makes of the records' facts.

clientAuth and digitalSignature only, no CA bit, identifiers of both keys, pointers to CRL, OCSP and issuer, one policy
with its CPS; a dNSName only when one was ordered. RFC 5280 §4.1 and §4.2. Names come from the records alone, never
from the signing request (N3); `lint` judges the result before it is recorded and signed.
"""

import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca_server.authority import extensions
from ca_server.authority.signer import hash_of, issuer_public_key
from ca_server.authority.stand_in import stand_in_for
from ca_server.clock import DAY, HOUR, moment
from keys.algorithms import PrivateKey, PublicKey
from protocol.names import CommonName, SubjectName


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
    builder = (
        shared.builder.subject_name(SubjectName(profile.organization, facts.common_name).x509())
        .serial_number(facts.serial)
        .public_key(facts.public_key)
        .not_valid_before(moment(facts.not_before))
        .not_valid_after(moment(profile.not_after(facts.not_before)))
        .add_extension(extensions.subject_key_identifier(facts.public_key), critical=False)
    )
    if facts.dns_name is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(facts.dns_name)]), critical=False)
    return builder.sign(shared.key, shared.hash).tbs_certificate_bytes


class _Shared(NamedTuple):
    """What all certificates of a profile, an issuer and a partition have in common."""

    builder: x509.CertificateBuilder
    key: PrivateKey
    """Stands in for the issuer's."""
    hash: SHA256 | SHA384


@lru_cache(maxsize=1024)
def _shared(profile: CertificateProfile, issuer_certificate: x509.Certificate, partition: int) -> _Shared:
    """Return it with each extension written by the library once, which takes longer than the rest of a certificate."""
    listed: list[tuple[x509.ExtensionType, bool]] = [
        (extensions.authority_key_identifier(issuer_certificate), False),
        (extensions.key_usage("digital_signature"), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (extensions.policy(profile.policy_oid, profile.cps_url), False),
        (extensions.crl_pointer(extensions.crl_url_of(profile.crl_url, partition)), False),
        (extensions.issuer_pointers(profile.ca_issuers_url, profile.ocsp_url), False),
    ]
    builder = x509.CertificateBuilder().issuer_name(issuer_certificate.subject)
    for each, critical in listed:
        builder = builder.add_extension(x509.UnrecognizedExtension(each.oid, each.public_bytes()), critical)
    issuer_key = issuer_public_key(issuer_certificate)
    return _Shared(builder, stand_in_for(issuer_key), hash_of(issuer_key))
