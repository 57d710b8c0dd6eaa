"""One hierarchy for each kind of issuing key, made once, and the linter that judges what they sign."""

import functools
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server.authority import hierarchy
from ca_server.authority.lint import ExpectedLeaf
from ca_server.authority.profile import CertificateProfile, LeafFacts, to_be_signed
from ca_server.authority.signer import Signer
from keys.algorithms import PrivateKey
from keys.generate import generate
from protocol.names import CommonName

SERIAL = 0xD1FF1E5EED0C0FFEE0000000000000A7


@dataclass(frozen=True)
class House:
    """A root, its issuing CA and OCSP signer, and the profile of the client certificates."""

    hierarchy_profile: hierarchy.HierarchyProfile
    root: Signer
    issuing: Signer
    ocsp: Signer
    profile: CertificateProfile
    now: int

    def facts(self, key_kind: str = "P-256", **changes: object) -> LeafFacts:
        """Return the facts of a certificate for F123456-001, with changes."""
        facts: dict[str, object] = {
            "common_name": CommonName.parse("F123456-001"),
            "public_key": key(key_kind).public_key(),
            "serial": SERIAL,
            "not_before": self.profile.not_before(self.now),
        }
        return LeafFacts(**(facts | changes))  # type: ignore[arg-type]

    def planned(self, **changes: object) -> tuple[bytes, ExpectedLeaf]:
        """Return the bytes to be signed, and what the linter is to expect of them."""
        facts = self.facts(**changes)
        issuer = self.issuing.certificate
        return to_be_signed(self.profile, issuer, facts), ExpectedLeaf(self.profile, issuer, facts)

    def leaf(self, facts: LeafFacts) -> x509.Certificate:
        """Return the certificate that the facts become."""
        tbs = to_be_signed(self.profile, self.issuing.certificate, facts)
        return x509.load_der_x509_certificate(self.issuing.sign(tbs))


@functools.cache
def key(kind: str, number: int = 0) -> PrivateKey:
    """Return a key that the whole session shares; `number` tells keys of one kind apart."""
    return generate(kind)


@functools.cache
def house(kind: str) -> House:
    now = int(time.time())
    hierarchy_profile = hierarchy.HierarchyProfile(
        organization="割符試験機構",
        policy_oid="1.3.6.1.4.1.32473.1.1",
        root_crl_url="http://ca.example:8080/crl/root.crl",
        root_certificate_url="http://ca.example:8080/ca/root.cer",
    )
    root = hierarchy.make_root(hierarchy_profile, key("P-384"), now)
    issuing = hierarchy.make_issuing(hierarchy_profile, root, key(kind, 1), now)
    ocsp = hierarchy.make_ocsp_signer(hierarchy_profile, issuing, key("P-256", 2), now)
    profile = CertificateProfile(
        organization="割符試験機構",
        policy_oid=hierarchy_profile.policy_oid,
        cps_url="https://ca.example:8443/cps",
        crl_url="http://ca.example:8080/crl/issuing.crl",
        ocsp_url="http://ca.example:8080/ocsp",
        ca_issuers_url="http://ca.example:8080/ca/issuing.cer",
    )
    return House(hierarchy_profile, root, issuing, ocsp, profile, now)


@pytest.fixture(scope="session", params=["P-256", "RSA-3072"])
def each_house(request: pytest.FixtureRequest) -> House:
    """A hierarchy for each kind of key that an issuing CA may have."""
    return house(request.param)


@pytest.fixture(scope="session")
def the_house() -> House:
    """The hierarchy that `init` makes when not told otherwise."""
    return house("P-256")


@pytest.fixture(scope="session")
def house_of() -> Callable[[str], House]:
    """The hierarchy whose issuing CA has a key of a kind."""
    return house


@pytest.fixture(scope="session")
def key_of() -> Callable[..., PrivateKey]:
    """Keys that the whole session shares, by the name of their kind."""
    return key


class Pkilint:
    """pkilint as its commands put it together; each method returns the codes at NOTICE or above."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its libraries' own
            from pkilint import loader, pkix
            from pkilint.bin import lint_pkix_signer_signee_cert_chain as chain
            from pkilint.pkix import certificate, crl, extension, name, ocsp
        self._loader = loader
        self._chain = chain
        self._certificate = certificate.create_pkix_certificate_validator_container(
            certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
            [
                certificate.create_issuer_validator_container([]),
                certificate.create_validity_validator_container(),
                certificate.create_subject_validator_container([]),
                certificate.create_extensions_validator_container([]),
                certificate.create_spki_validator_container([]),
            ],
        )
        decoders = [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ]
        self._crl = crl.create_pkix_crl_validator_container(
            decoders,
            [
                crl.create_issuer_validator_container([]),
                crl.create_validity_validator_container([]),
                crl.create_extensions_validator_container([]),
            ],
        )
        self._ocsp = ocsp.create_pkix_ocsp_response_validator_container([ocsp.create_response_decoder(), *decoders], [])

    def certificate(self, certificate: x509.Certificate) -> set[str]:
        document = self._loader.load_certificate(certificate.public_bytes(Encoding.DER), "certificate")
        return self._codes(self._certificate.validate(document.root))

    def chain(self, issuer: x509.Certificate, subject: x509.Certificate) -> set[str]:
        """Judge what the one certificate says of the other: names, key identifiers, policies, the signature."""
        documents: dict[str, object] = {}
        loader = self._loader.RFC5280CertificateDocumentLoader()
        for word, certificate in (("issuer", issuer), ("subject", subject)):
            der = certificate.public_bytes(Encoding.DER)
            documents[word] = loader.load_der_document(der, word, word, documents)
        roots = [documents["issuer"].root, documents["subject"].root]
        decoding = self._chain.create_decoder_validation_container()
        results = [result for root in roots for result in decoding.validate(root)]
        results += self._chain.create_issuer_validation_container().validate(roots[0])
        results += self._chain.create_subject_validation_container().validate(roots[1])
        return self._codes(results)

    def crl(self, der: bytes) -> set[str]:
        return self._codes(self._crl.validate(self._loader.load_crl(der, "crl").root))

    def ocsp_response(self, der: bytes) -> set[str]:
        return self._codes(self._ocsp.validate(self._loader.load_ocsp_response(der, "response").root))

    @staticmethod
    def _codes(results: list) -> set[str]:
        found = [description.finding for result in results for description in result.finding_descriptions]
        return {finding.code for finding in found if finding.severity.name in ("FATAL", "ERROR", "WARNING", "NOTICE")}


@pytest.fixture(scope="session")
def pkilint() -> Pkilint:
    """The linter that judges ours, built once: that takes longer than to lint."""
    return Pkilint()
