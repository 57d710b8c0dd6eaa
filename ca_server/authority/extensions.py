"""The extensions that more than one of our certificates carries (RFC 5280 §4.2), as values for the library's builders.

Key identifiers are SHA-1 of the public key (§4.2.1.2, method 1): the way that every relying system computes them too.
They name a key and secure nothing.
"""

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from keys.algorithms import PublicKey

_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def key_usage(*bits: str) -> x509.KeyUsage:
    """Return a KeyUsage with these bits, named as the library names them, and no other."""
    return x509.KeyUsage(**{bit: bit in bits for bit in _BITS})


def subject_key_identifier(public_key: PublicKey) -> x509.SubjectKeyIdentifier:
    """Return the identifier of the key that a certificate certifies."""
    return x509.SubjectKeyIdentifier.from_public_key(public_key)


def authority_key_identifier(issuer_certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Return the identifier of the issuer's key, as its own certificate writes it."""
    identifier = issuer_certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def crl_url_of(url: str, partition: int) -> str:
    """Return where a partition's CRL is, beside the list of all at `url`, which partition 0 means."""
    return f"{url.removesuffix('.crl')}-{partition}.crl" if partition else url


def crl_pointer(url: str) -> x509.CRLDistributionPoints:
    """Return where the issuer's CRL is."""
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)])


def issuer_pointers(ca_issuers_url: str, ocsp_url: str | None = None) -> x509.AuthorityInformationAccess:
    """Return where the issuer's OCSP responder, if it has one, and its certificate are."""
    methods = [(AuthorityInformationAccessOID.OCSP, ocsp_url)] if ocsp_url else []
    methods.append((AuthorityInformationAccessOID.CA_ISSUERS, ca_issuers_url))
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, x509.UniformResourceIdentifier(url)) for method, url in methods]
    )


def policy(oid: str, cps_url: str | None = None) -> x509.CertificatePolicies:
    """Return the one policy that the certificate was issued under, with a pointer to the CPS if given."""
    qualifiers: list[str | x509.UserNotice] | None = [cps_url] if cps_url else None
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), qualifiers)])
