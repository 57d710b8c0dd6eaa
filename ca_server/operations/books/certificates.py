"""Stored certificates: they are what was planned, our key signed them, and they obey the profile.

The profile's values (organisation, policy, URLs, days) may have been configured anew since a certificate was issued.
So they are read from the certificate itself, and the linter's closed list says that all else is as it must be.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from ca_server.authority import der
from ca_server.authority.lint import ExpectedLeaf, lint
from ca_server.authority.profile import CertificateProfile, LeafFacts
from ca_server.authority.signer import issuer_public_key
from ca_server.clock import DAY
from ca_server.language import sentence
from ca_server.operations.books.book import Book, book
from ca_server.store.ledger import CertificateRow, Ledger
from keys.algorithms import PublicKey, kind_of, verify
from keys.errors import KeysError
from keys.policy import spki_sha256
from protocol.names import CommonName

_NO_POLICY = "2.5.29.32.0"
_LAST_CRL = 8 * DAY  # the longest that a list which shows it can be believed


def certificates(ledger: Ledger, issuing: Mapping[str, x509.Certificate], now: int) -> Book:
    """Balance what is stored with what was planned: bytes, signature, serial number, names, times and key.

    `issuing` holds the issuing CAs' certificates by their names in the records. Of one that was put away what has ended
    is left out: there is nothing to compare its signature with.
    """
    stored = [
        row for row in ledger.certificates if row.der is not None and (row.issuer in issuing or _stands(row, now))
    ]
    keys = {name: issuer_public_key(certificate) for name, certificate in issuing.items()}
    findings = (finding for row in stored for finding in _named(row, _stored(row, keys)))
    return book("certificates", len(stored), findings)


def profile(ledger: Ledger, issuing: Mapping[str, x509.Certificate]) -> Book:
    """Balance what is stored with the profile, through the linter that judged it before it was signed."""
    stored = [row for row in ledger.certificates if row.der is not None and row.issuer in issuing]
    findings = (finding for row in stored for finding in _named(row, _linted(row, issuing[row.issuer])))
    return book("profile", len(stored), findings)


def idle_issuers(ledger: Ledger, issuers: Sequence[str], now: int) -> list[str]:
    """Return a sentence for each issuer that issued once and of which nothing stands, so that it can be put away."""
    ever = {row.issuer for row in ledger.certificates}
    standing = {row.issuer for row in ledger.certificates if _stands(row, now)}
    return [
        sentence("All certificates of {issuer} have ended: its [[former]] can leave the configuration.", issuer=issuer)
        for issuer in issuers
        if issuer in ever - standing
    ]


def _stands(row: CertificateRow, now: int) -> bool:
    return row.not_after + _LAST_CRL > now


def _named(row: CertificateRow, findings: Iterator[str]) -> Iterator[str]:
    """Yield the findings with the certificate's name; bytes that cannot be read are one."""
    try:
        for finding in findings:
            yield f"The certificate {row.serial} of {row.cn}: {finding}"
    except (ValueError, KeysError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        yield f"The certificate {row.serial} of {row.cn} cannot be read: {error}"


def _stored(row: CertificateRow, keys: Mapping[str, PublicKey]) -> Iterator[str]:
    certificate = x509.load_der_x509_certificate(row.der or b"")
    tbs = certificate.tbs_certificate_bytes
    if hashlib.sha256(tbs).hexdigest() != row.tbs_sha256:
        yield "It is not what was planned: the SHA-256 of its to-be-signed bytes is another."
    if row.issuer not in keys:
        yield f"Its issuer {row.issuer} is none of those configured: {', '.join(keys)}."
        return
    try:
        verify(keys[row.issuer], certificate.signature, tbs)
    except KeysError as error:
        yield f"Its signature is not the issuing CA's: {error}"
    names = [[str(each.value) for each in certificate.subject.get_attributes_for_oid(oid)] for oid in _NAMES]
    for what, found, recorded in (
        ("serial number", f"{certificate.serial_number:x}", row.serial),
        ("CN", names[0], [row.cn]),
        ("OU", names[1], [row.cn.partition("-")[0]]),
        ("notBefore", der.seconds(certificate.not_valid_before_utc), row.not_before),
        ("notAfter", der.seconds(certificate.not_valid_after_utc), row.not_after),
        ("public key", spki_sha256(_public_key(certificate)), row.spki_sha256),
    ):
        if found != recorded:
            yield f"Its {what} is {found}; the records say {recorded}."


_NAMES = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)


def _linted(row: CertificateRow, issuing: x509.Certificate) -> Iterator[str]:
    certificate = x509.load_der_x509_certificate(row.der or b"")
    seconds = row.not_after - row.not_before + 1
    if seconds % DAY:
        yield f"It is valid for {seconds} seconds, which are no whole days."
        return
    facts = LeafFacts(
        CommonName.parse(row.cn), _public_key(certificate), int(row.serial, 16), row.not_before, _alias(certificate)
    )
    expected = ExpectedLeaf(_profile_of(certificate, seconds // DAY), issuing, facts)
    yield from lint(certificate.tbs_certificate_bytes, expected)


def _public_key(certificate: x509.Certificate) -> PublicKey:
    key = certificate.public_key()
    kind_of(key)
    return cast(PublicKey, key)


def _alias(certificate: x509.Certificate) -> str | None:
    """Return the dNSName, None when there is no subjectAltName; whether it may be there is the linter's to say."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    return next(iter(names.get_values_for_type(x509.DNSName)), "")


def _profile_of(certificate: x509.Certificate, days: int) -> CertificateProfile:
    """Return the profile with the values that this certificate has; what it lacks, the linter will miss."""
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    policy_oid, cps_url = _NO_POLICY, ""
    urls = {"crl": "", "ocsp": "", "ca_issuers": ""}
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.CertificatePolicies):
            policy_oid = value[0].policy_identifier.dotted_string
            cps_url = next((str(each) for each in value[0].policy_qualifiers or () if isinstance(each, str)), "")
        elif isinstance(value, x509.CRLDistributionPoints):
            urls["crl"] = next((str(name.value) for name in value[0].full_name or ()), "")
        elif isinstance(value, x509.AuthorityInformationAccess):
            for access in value:
                ocsp = access.access_method == AuthorityInformationAccessOID.OCSP
                urls["ocsp" if ocsp else "ca_issuers"] = str(access.access_location.value)
    return CertificateProfile(
        organization=str(organizations[0].value) if organizations else "",
        policy_oid=policy_oid,
        cps_url=cps_url,
        crl_url=urls["crl"],
        ocsp_url=urls["ocsp"],
        ca_issuers_url=urls["ca_issuers"],
        validity_days=days,
    )
