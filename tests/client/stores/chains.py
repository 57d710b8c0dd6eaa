"""Issues certificates for the keys of a holder: leaf, issuing CA and root, as the server sends them."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from client.stores.holder import Holder
from tests.client.small_authority import Issuer

_ROOT, _KEYHOLDER = Issuer.root("みどり Root"), Issuer.root("Issuing CA")
_BUILDER = (
    x509.CertificateBuilder()
    .issuer_name(_ROOT.certificate.subject)
    .subject_name(_KEYHOLDER.certificate.subject)
    .public_key(_KEYHOLDER.key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(_KEYHOLDER.certificate.not_valid_before_utc)
    .not_valid_after(_KEYHOLDER.certificate.not_valid_after_utc)
)
ISSUING = Issuer(_ROOT.sign(_BUILDER), _KEYHOLDER.key)


def chain_of(holder: Holder, reference: str) -> list[x509.Certificate]:
    """Return a chain whose leaf is F123456-001's, with the key of a reference."""
    public_key = holder.key(reference).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    return [ISSUING.client("F123456-001", public_key, 32), ISSUING.certificate, _ROOT.certificate]
