"""A key that lives elsewhere passes for a private key with everything that signs."""

from copy import copy, deepcopy

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, Hash, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keys.algorithms import sign, verify
from keys.csr import build_signing_request, parse_signing_request
from keys.errors import BadSignature, KeystoreError
from keys.token import TokenKey
from protocol import jws

CURVES: list[tuple[ec.EllipticCurve, HashAlgorithm]] = [(ec.SECP256R1(), SHA256()), (ec.SECP384R1(), SHA384())]


def token_key(curve: ec.EllipticCurve, algorithm: HashAlgorithm) -> TokenKey:
    """Return a key that a token in this process holds: it signs a digest and returns r‖s, as PKCS#11 and CNG do."""
    inside = ec.generate_private_key(curve)
    size = curve.key_size // 8

    def signed(digest: bytes) -> bytes:
        return b"".join(
            half.to_bytes(size) for half in decode_dss_signature(inside.sign(digest, ec.ECDSA(Prehashed(algorithm))))
        )

    return TokenKey(inside.public_key(), signed)


@pytest.fixture(params=CURVES, ids=["P-256", "P-384"])
def key(request: pytest.FixtureRequest) -> TokenKey:
    return token_key(*request.param)


def test_the_library_asks_of_a_private_key_what_ours_has() -> None:
    assert ec.EllipticCurvePrivateKey.__abstractmethods__ == {
        "__copy__", "__deepcopy__", "curve", "exchange", "key_size", "private_bytes", "private_numbers", "public_key",
        "sign",
    }  # fmt: skip
    assert not TokenKey.__abstractmethods__


def test_it_makes_certificate_requests(key: TokenKey) -> None:
    request = parse_signing_request(build_signing_request(key, "F123456-001"))
    assert request.public_key == key.public_key()


def test_it_signs_jws(key: TokenKey) -> None:
    message = jws.parse(jws.sign(key, b"{}", {"kid": "k", "nonce": "n", "url": "u"}))
    jws.verify(message, key.public_key())


def test_it_signs_what_is_hashed_already(key: TokenKey) -> None:
    algorithm = {curve.name: algorithm for curve, algorithm in CURVES}[key.curve.name]
    hashed = Hash(algorithm)
    hashed.update(b"data")
    signature = key.sign(hashed.finalize(), ec.ECDSA(Prehashed(algorithm)))
    verify(key.public_key(), signature, b"data")


def test_it_signs_certificates(key: TokenKey) -> None:
    request = x509.load_der_x509_csr(build_signing_request(key, "F123456-001"))
    assert request.is_signature_valid


def test_an_answer_of_another_length_is_refused(key: TokenKey) -> None:
    with pytest.raises(BadSignature):
        sign(TokenKey(key.public_key(), lambda digest: digest[:-1]), b"data")


def test_it_cannot_be_read(key: TokenKey) -> None:
    with pytest.raises(KeystoreError):
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeystoreError):
        key.private_numbers()
    with pytest.raises(KeystoreError):
        key.exchange(ec.ECDH(), key.public_key())


def test_copies_are_the_same_key(key: TokenKey) -> None:
    assert copy(key) is key
    assert deepcopy(key) is key
