"""The linter of client certificates: a closed list, so that what it does not know is refused.

It takes the bytes apart with `der`, writes every field that the profile allows a second time, names and extensions
without the library that wrote them first, and compares. Public linters judge RFC 5280 and let through what our profile
forbids (a certificate of twenty years without EKU, for one). Some rules hold whatever the facts say: size of the
serial, strength of the key, the issuer's own life, whose name a dNSName may be. RFC 5280 §4.1 and §4.2, requirements
N1 and K2.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca_server.authority import der
from ca_server.authority.profile import CertificateProfile, LeafFacts
from ca_server.authority.signer import algorithm_of, issuer_public_key
from ca_server.clock import DAY, rfc3339
from keys.algorithms import PublicKey
from keys.errors import KeysError
from keys.policy import require_certifiable
from protocol.names import COUNTRY, CommonName

_FIELDS: Final = ("version", "serial number", "signature algorithm", "issuer", "validity", "subject", "public key")

_AUTHORITY_KEY_IDENTIFIER: Final = der.object_identifier("2.5.29.35")
_SUBJECT_KEY_IDENTIFIER: Final = der.object_identifier("2.5.29.14")
_KEY_USAGE: Final = der.object_identifier("2.5.29.15")
_EXTENDED_KEY_USAGE: Final = der.object_identifier("2.5.29.37")
_CERTIFICATE_POLICIES: Final = der.object_identifier("2.5.29.32")
_CRL_DISTRIBUTION_POINTS: Final = der.object_identifier("2.5.29.31")
_AUTHORITY_INFORMATION_ACCESS: Final = der.object_identifier("1.3.6.1.5.5.7.1.1")
_SUBJECT_ALTERNATIVE_NAME: Final = der.object_identifier("2.5.29.17")
_NAMES: Final = {
    _AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    _SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    _KEY_USAGE: "keyUsage",
    _EXTENDED_KEY_USAGE: "extendedKeyUsage",
    _CERTIFICATE_POLICIES: "certificatePolicies",
    _CRL_DISTRIBUTION_POINTS: "cRLDistributionPoints",
    _AUTHORITY_INFORMATION_ACCESS: "authorityInfoAccess",
    _SUBJECT_ALTERNATIVE_NAME: "subjectAltName",
}

_LEAST_SERIAL: Final = 1 << 64
_SERIAL_LIMIT: Final = 1 << 159  # the first that needs 21 octets


@dataclass(frozen=True)
class ExpectedLeaf:
    """What a certificate must be: the profile, who issues it and what the records say."""

    profile: CertificateProfile
    issuer_certificate: x509.Certificate
    facts: LeafFacts

    @property
    def not_after(self) -> int:
        """Return the last second that the certificate may have."""
        return self.facts.not_before + self.profile.validity_days * DAY - 1


class BadTbs(Exception):
    """The bytes are no TBSCertificate."""


def taken_apart(tbs: bytes, common_name: CommonName) -> LeafFacts:
    """Return the facts that a TBSCertificate for `common_name` was made of, so that it can be linted once more.

    Raises BadTbs for bytes that are none, or that hold what no certificate of ours does.
    """
    no_signature = der.element(der.BIT_STRING, b"\x00")
    try:
        algorithm = der.split(der.contents(tbs, der.SEQUENCE))[2]
        read = x509.load_der_x509_certificate(der.sequence(tbs, algorithm, no_signature))
        names = [each.value for each in read.extensions if isinstance(each.value, x509.SubjectAlternativeName)]
        dns_names = [name for each in names for name in each.get_values_for_type(x509.DNSName)]
        key = cast("PublicKey", read.public_key())  # of any kind: the rules refuse what is none of ours
        not_before = der.seconds(read.not_valid_before_utc)
    except Exception as error:  # of whatever kind: the records were altered
        raise BadTbs(str(error)) from error
    return LeafFacts(common_name, key, read.serial_number, not_before, dns_names[0] if dns_names else None)


def lint(tbs: bytes, expected: ExpectedLeaf) -> list[str]:
    """Return what is wrong with a TBSCertificate, each as a sentence; an empty list lets it be signed."""
    try:
        return [*_rules(expected), *_compared(tbs, expected)]
    except der.BadDer as error:
        return [f"The bytes are not the DER of a TBSCertificate: {error}"]


def _rules(expected: ExpectedLeaf) -> Iterator[str]:
    """Yield what no fact may break."""
    facts, issuer = expected.facts, expected.issuer_certificate
    if not _LEAST_SERIAL <= facts.serial < _SERIAL_LIMIT:
        yield "The serial number must be positive, of more than 64 bits and at most 20 octets."
    try:
        require_certifiable(facts.public_key)
    except KeysError as error:
        yield f"The public key is refused: {error}"
    if expected.not_after <= facts.not_before:
        yield f"The validity ends before it begins, at {rfc3339(expected.not_after)}."
    if facts.not_before < der.seconds(issuer.not_valid_before_utc):
        yield f"The validity begins before the issuer's, at {rfc3339(facts.not_before)}."
    if expected.not_after > der.seconds(issuer.not_valid_after_utc):
        yield f"The validity ends after the issuer's, at {rfc3339(expected.not_after)}."
    if facts.dns_name is not None and not facts.dns_name.startswith(f"{facts.common_name}.".lower()):
        yield f"The dNSName {facts.dns_name} is not an alias of {facts.common_name}."


def _compared(tbs: bytes, expected: ExpectedLeaf) -> Iterator[str]:
    """Yield each field that is not, to the byte, what the profile makes of the facts."""
    wanted_fields, wanted_extensions = _wanted(expected)
    if tbs == der.sequence(*wanted_fields, der.explicit(3, der.sequence(*wanted_extensions.values()))):
        return
    *fields, extensions = der.split(der.contents(tbs, der.SEQUENCE))
    if len(fields) != len(_FIELDS):
        yield f"There are {len(fields) + 1} fields; a certificate of this profile has {len(_FIELDS) + 1}."
        return
    for name, found, wanted in zip(_FIELDS, fields, wanted_fields, strict=True):
        if found != wanted:
            yield f"The field {name} is {found.hex()}; the profile wants {wanted.hex()}."
    yield from _compared_extensions(extensions, wanted_extensions)


def _compared_extensions(field: bytes, wanted: dict[bytes, bytes]) -> Iterator[str]:
    """Yield extensions that are missing, strange, repeated or different; their order is free (RFC 5280 §4.1)."""
    seen = set()
    for extension in der.split(der.contents(der.contents(field, 0xA3), der.SEQUENCE)):
        oid = der.split(der.contents(extension, der.SEQUENCE))[0]
        name = _NAMES.get(oid, oid.hex())
        if oid in seen:
            yield f"The extension {name} is there twice."
        elif oid not in wanted:
            yield f"The extension {name} is not in the profile."
        elif extension != wanted[oid]:
            yield f"The extension {name} is {extension.hex()}; the profile wants {wanted[oid].hex()}."
        seen.add(oid)
    for oid in wanted.keys() - seen:
        yield f"The extension {_NAMES[oid]} is missing."


def _wanted(expected: ExpectedLeaf) -> tuple[tuple[bytes, ...], dict[bytes, bytes]]:
    """Return the fields in their order, and the whole extensions by their OID."""
    facts = expected.facts
    algorithm, issuer, shared = _shared(expected.profile, expected.issuer_certificate)
    key = facts.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    identifier = hashlib.sha1(der.key_bits(key), usedforsecurity=False).digest()
    fields = (
        der.explicit(0, der.integer(2)),
        der.integer(max(facts.serial, 0)),  # a negative one is refused by the rules already
        algorithm,
        issuer,
        der.sequence(der.time(facts.not_before), der.time(expected.not_after)),
        _subject(expected.profile.organization, facts.common_name),
        key,
    )
    extensions = (
        shared
        | _crl_pointer(expected.profile.crl_url, expected.profile.partition(facts.serial))
        | _extension(_SUBJECT_KEY_IDENTIFIER, der.element(der.OCTET_STRING, identifier))
    )
    if facts.dns_name is not None:
        extensions |= _extension(_SUBJECT_ALTERNATIVE_NAME, der.sequence(der.element(0x82, facts.dns_name.encode())))
    return fields, extensions


def _subject(organization: str, common_name: CommonName) -> bytes:
    """Return C, O, OU, CN in this order, one attribute each, the country alone a PrintableString (N1)."""
    attributes = (
        ("2.5.4.6", der.PRINTABLE_STRING, COUNTRY),
        ("2.5.4.10", der.UTF8_STRING, organization),
        ("2.5.4.11", der.UTF8_STRING, str(common_name.institution)),
        ("2.5.4.3", der.UTF8_STRING, str(common_name)),
    )
    return der.sequence(
        *(
            der.element(der.SET, der.sequence(der.object_identifier(oid), der.element(tag, text.encode())))
            for oid, tag, text in attributes
        )
    )


@lru_cache(maxsize=16)
def _shared(profile: CertificateProfile, issuer: x509.Certificate) -> tuple[bytes, bytes, dict[bytes, bytes]]:
    """Return what all certificates of one profile and issuer share: signature algorithm, issuer, extensions by OID."""
    issuer_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    cps = der.sequence(
        der.object_identifier("1.3.6.1.5.5.7.2.1"), der.element(der.IA5_STRING, profile.cps_url.encode())
    )
    ocsp = der.sequence(der.object_identifier("1.3.6.1.5.5.7.48.1"), _url(profile.ocsp_url))
    ca_issuers = der.sequence(der.object_identifier("1.3.6.1.5.5.7.48.2"), _url(profile.ca_issuers_url))
    policy = der.sequence(der.object_identifier(profile.policy_oid), der.sequence(cps))
    extensions = (
        _extension(_AUTHORITY_KEY_IDENTIFIER, der.sequence(der.element(0x80, issuer_identifier)))
        | _extension(_KEY_USAGE, der.element(der.BIT_STRING, b"\x07\x80"), critical=True)  # digitalSignature
        | _extension(_EXTENDED_KEY_USAGE, der.sequence(der.object_identifier("1.3.6.1.5.5.7.3.2")))  # clientAuth
        | _extension(_CERTIFICATE_POLICIES, der.sequence(policy))
        | _extension(_AUTHORITY_INFORMATION_ACCESS, der.sequence(ocsp, ca_issuers))
    )
    return algorithm_of(issuer_public_key(issuer)), issuer.subject.public_bytes(), extensions


@lru_cache(maxsize=1024)
def _crl_pointer(url: str, partition: int) -> dict[bytes, bytes]:
    """Return where the CRL of the certificate is: at `url`, in a partition with its number before the ending."""
    name, dot, ending = url.rpartition(".")
    place = _url(f"{name}-{partition}{dot}{ending}" if partition else url)
    return _extension(_CRL_DISTRIBUTION_POINTS, der.sequence(der.sequence(der.explicit(0, der.explicit(0, place)))))


def _extension(oid: bytes, value: bytes, *, critical: bool = False) -> dict[bytes, bytes]:
    return {oid: der.extension(oid, value, critical=critical)}


def _url(url: str) -> bytes:
    """Return a GeneralName of the form uniformResourceIdentifier."""
    return der.element(0x86, url.encode())
