"""A small authority for the tests: root, issuing CA and leaves, made once with cryptography."""

import datetime
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from keys.algorithms import PublicKey

NOT_BEFORE = datetime.datetime(2026, 11, 26, tzinfo=datetime.UTC)
NOT_AFTER = datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)

_key = functools.cache(lambda _: ec.generate_private_key(ec.SECP256R1()))


@functools.cache
def issuers() -> list[bytes]:
    """Return the issuing CA and the root in DER."""
    return [_issuer(name("Issuing CA"), _key("issuing")), _issuer(name("Root"), _key("root"))]


def chain_of(public_key: PublicKey) -> list[bytes]:
    """Return a leaf for a key, and the issuers, in DER."""
    subject = name("F123456-001", x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "F123456"))
    return [certificate(subject, public_key), *issuers()]


def certificate(
    subject: x509.Name,
    public_key: PublicKey | None = None,
    serial: int | None = None,
    times: tuple[datetime.datetime, datetime.datetime] = (NOT_BEFORE, NOT_AFTER),
) -> bytes:
    """Return a leaf in DER; what is not given is of no matter."""
    key = public_key or _key("leaf").public_key()
    builder = x509.CertificateBuilder(name("Issuing CA"), subject, key, serial or x509.random_serial_number(), *times)
    return builder.sign(_key("issuing"), hashes.SHA256()).public_bytes(Encoding.DER)


def name(common_name: str, *others: x509.NameAttribute) -> x509.Name:
    """Return a name that ends in a common name."""
    return x509.Name([*others, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _issuer(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> bytes:
    """NSS gives a certificate without a name of its own the common name only if it is a CA's."""
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(name("Root"), subject, key.public_key(), serial, NOT_BEFORE, NOT_AFTER)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(_key("root"), hashes.SHA256()).public_bytes(Encoding.DER)
