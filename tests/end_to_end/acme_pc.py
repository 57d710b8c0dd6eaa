"""A PC that uses Certbot's `acme` library, unmodified: binds an account, orders, renews, reads renewal information.

The library knows neither `permanent-identifier` nor `replaces`; both are given to it in its own words.
"""

import base64
import datetime
from typing import Any

from acme import client, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from josepy.json_util import field
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from tests.end_to_end.agency import Agency, Invitation

DNS = messages.IDENTIFIER_FQDN
PERMANENT_IDENTIFIER = messages.IdentifierType("permanent-identifier")


class RenewalOrder(messages.NewOrder):
    """A newOrder with the member of RFC 9773 §5."""

    replaces: str | None = field("replaces", omitempty=True)


class AcmePc:
    """A PC with an account key of its own; certificates get fresh keys."""

    def __init__(self, agency: Agency, invitation: Invitation) -> None:
        self.cn = invitation.cn
        key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        trust: Any = str(agency.root)  # the library hands it on to `requests`, where a path is as good as a truth
        network = client.ClientNetwork(key, alg=ES256, verify_ssl=trust)
        network.session.trust_env = False
        self.statuses: list[int] = []
        network.session.hooks["response"].append(lambda answer, **_: self.statuses.append(answer.status_code))
        directory = messages.Directory.from_json(network.get(f"{agency.public_url}/directory").json())
        self.client = client.ClientV2(directory, network)
        binding = messages.ExternalAccountBinding.from_data(
            key.public_key(), invitation.kid, invitation.mac_key, directory
        )
        self.account = self.client.new_account(
            messages.NewRegistration.from_data(terms_of_service_agreed=True, external_account_binding=binding)
        )

    def order(
        self, kind: messages.IdentifierType = PERMANENT_IDENTIFIER, replaces: x509.Certificate | None = None
    ) -> messages.OrderResource:
        """Order a certificate for the seat, by either type of identifier, as the successor of `replaces` if given."""
        value = self.cn if kind == PERMANENT_IDENTIFIER else self.cn.lower()
        asked = RenewalOrder(
            identifiers=[messages.Identifier(typ=kind, value=value)],
            replaces=None if replaces is None else certificate_id(replaces),
        )
        directory = self.client.directory
        answer = self.client.net.post(directory["newOrder"], asked, new_nonce_url=directory["newNonce"])
        return messages.OrderResource(
            body=messages.Order.from_json(answer.json()),
            uri=answer.headers["Location"],
            authorizations=[],
            csr_pem=signing_request(self.cn),
        )

    def fetch(self, order: messages.OrderResource) -> x509.Certificate:
        """Finalize the order and return the certificate; the library itself would sleep a second before it looks."""
        answered = self.client.begin_finalization(order)
        assert answered.body.status == messages.STATUS_VALID
        directory = self.client.directory
        return leaf_of(self.client.net.post(answered.body.certificate, None, new_nonce_url=directory["newNonce"]).text)

    def enrol(
        self, kind: messages.IdentifierType = PERMANENT_IDENTIFIER, replaces: x509.Certificate | None = None
    ) -> x509.Certificate:
        """Order a certificate and return it."""
        return self.fetch(self.order(kind, replaces))

    def renewal_time(self, certificate: x509.Certificate) -> datetime.datetime | None:
        """Return when the library would renew: a moment at random within the window that the CA suggests."""
        return self.client.renewal_time(certificate.public_bytes(Encoding.PEM))[0]


def signing_request(cn: str) -> bytes:
    """Return a CSR in PEM for a fresh key, with the CN and nothing else."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    key = ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    )


def leaf_of(chain: str) -> x509.Certificate:
    """Return the first certificate of a PEM chain, which must hold the issuing CA and no root besides."""
    leaf, issuer = x509.load_pem_x509_certificates(chain.encode())
    assert issuer.subject == leaf.issuer
    return leaf


def certificate_id(certificate: x509.Certificate) -> str:
    """Return the CertID of RFC 9773 §4.1: key identifier of the issuer, serial with its leading zero if it has one."""
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert issuer is not None
    number = certificate.serial_number
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (issuer, serial))
