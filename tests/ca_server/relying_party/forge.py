"""CAs made by the product's own authority, and what they would never sign: forgeries for relying systems to refuse."""

import datetime
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from ca_server.authority import crl, hierarchy
from ca_server.authority.profile import CertificateProfile, LeafFacts, serial_number, to_be_signed
from ca_server.authority.signer import Signer
from ca_server.clock import DAY, HOUR, moment
from keys.generate import generate
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason

ORGANIZATION = "割符試験機構"
POLICY = "1.3.6.1.4.1.32473.1.1"
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
KEY = ec.generate_private_key(ec.SECP256R1())
"""The key of all forgeries; what it certifies is theirs to say."""
Attribute = tuple[ObjectIdentifier, str]


@dataclass(frozen=True)
class Ca:
    """A root, its issuing CA and OCSP signer."""

    organization: str
    root: Signer
    issuing: Signer
    ocsp: Signer
    now: int

    def certificate(self, cn: str = "F123456-001", key: ec.EllipticCurvePrivateKey = KEY) -> x509.Certificate:
        """Return a client certificate as the product makes it."""
        profile = CertificateProfile(
            self.organization, POLICY, "https://ca.example/", "http://ca.example/crl/issuing-1.crl",
            "http://ca.example/ocsp", "http://ca.example/ca/issuing-1.cer",
        )  # fmt: skip
        facts = LeafFacts(CommonName.parse(cn), key.public_key(), serial_number(), profile.not_before(self.now))
        return x509.load_der_x509_certificate(self.issuing.sign(to_be_signed(profile, self.issuing.certificate, facts)))

    def name(self, code: str = "F123456", cn: str = "F123456-001") -> list[list[Attribute]]:
        """Return a subject, RDN by RDN."""
        return [
            [(NameOID.COUNTRY_NAME, "JP")],
            [(NameOID.ORGANIZATION_NAME, self.organization)],
            [(NameOID.ORGANIZATIONAL_UNIT_NAME, code)],
            [(NameOID.COMMON_NAME, cn)],
        ]

    def forged(
        self,
        *,
        name: Sequence[Sequence[Attribute]] | None = None,
        purposes: Sequence[ObjectIdentifier] = (CLIENT_AUTH,),
        days: tuple[int, int] = (-2, 30),
        key: ec.EllipticCurvePublicKey | None = None,
        more: Sequence[tuple[x509.ExtensionType, bool]] = (),
        usage: x509.KeyUsage | None = None,
    ) -> x509.Certificate:
        """Return what the issuing CA would sign if it were asked to.

        `days` are from now to begin and, half a day later, to end.
        """
        issuer = self.issuing.certificate
        rdns = [
            x509.RelativeDistinguishedName([x509.NameAttribute(*attribute) for attribute in rdn])
            for rdn in (name or self.name())
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(rdns))
            .issuer_name(issuer.subject)
            .serial_number(serial_number())
            .public_key(key or KEY.public_key())
            .not_valid_before(moment(self.now + days[0] * DAY))
            .not_valid_after(moment(self.now + days[1] * DAY + 12 * HOUR))
            .add_extension(x509.AuthorityKeyIdentifier(_identifier(issuer), None, None), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key or KEY.public_key()), critical=False)
            .add_extension(usage or usage_of(), critical=True)
        )
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        for extension, critical in more:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.issuing.private_key, hashes.SHA256())

    def crl(
        self, *revoked: x509.Certificate, of: Signer | None = None, number: int = 2, hours: tuple[int, int] = (-1, 23)
    ) -> bytes:
        """Return a CRL in DER, of the issuing CA when not told otherwise; `hours` are from now to begin and to end."""
        entries = [crl.entry(each.serial_number, self.now - 60, RevocationReason.superseded) for each in revoked]
        begin, end = (self.now + each * HOUR for each in hours)
        return crl.build(of or self.issuing, entries, number, begin, end)

    @property
    def chain(self) -> bytes:
        """Return root and issuing CA in PEM."""
        return pem(self.root.certificate) + pem(self.issuing.certificate)

    @property
    def crls(self) -> bytes:
        """Return both CRLs in PEM, nobody revoked."""
        return pem_crl(self.crl(of=self.root)) + pem_crl(self.crl())

    @property
    def at(self) -> datetime.datetime:
        """Return the present moment."""
        return moment(self.now)


def usage_of(*, sign: bool = True, certify: bool = False) -> x509.KeyUsage:
    """Return a key usage."""
    return x509.KeyUsage(
        digital_signature=sign, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=certify, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


@functools.cache
def ca(organization: str = ORGANIZATION, number: int = 0) -> Ca:
    """Return a CA; `number` tells those of one name apart."""
    now = int(time.time())
    profile = hierarchy.HierarchyProfile(
        organization, POLICY, "http://ca.example/crl/root.crl", "http://ca.example/ca/root.cer"
    )
    root = hierarchy.make_root(profile, generate("P-384"), now - DAY * (number + 60))
    issuing = hierarchy.make_issuing(profile, root, generate("P-256"), now - DAY * 60)
    return Ca(organization, root, issuing, hierarchy.make_ocsp_signer(profile, issuing, generate("P-256"), now), now)


def pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates in PEM."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def pem_crl(der: bytes) -> bytes:
    """Return a CRL in PEM."""
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def _identifier(certificate: x509.Certificate) -> bytes:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
