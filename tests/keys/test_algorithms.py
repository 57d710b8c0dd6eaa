"""The table of key kinds, walked; and signatures in the form that X.509 carries."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519

from keys.algorithms import KEY_KINDS, KeyKind, PrivateKey, kind_of, sign, sign_digest, verify
from keys.errors import BadSignature, UnsupportedKey
from keys.generate import generate

KEYS: dict[str, PrivateKey] = {kind.name: generate(kind.name) for kind in KEY_KINDS}
every_kind = pytest.mark.parametrize("kind", KEY_KINDS, ids=lambda kind: kind.name)


@every_kind
def test_a_generated_key_belongs_to_the_row_that_it_was_made_from(kind: KeyKind) -> None:
    assert kind_of(KEYS[kind.name].public_key()) is kind


@every_kind
def test_a_signature_verifies_with_its_key_and_bytes_alone(kind: KeyKind) -> None:
    key = KEYS[kind.name]
    signature = sign(key, b"to be signed")
    verify(key.public_key(), signature, b"to be signed")
    for public_key, altered, signed in [
        (key.public_key(), signature, b"to be Signed"),
        (key.public_key(), signature[:-1] + bytes([signature[-1] ^ 1]), b"to be signed"),
        (key.public_key(), b"", b"to be signed"),
        (generate(kind.name).public_key(), signature, b"to be signed"),
    ]:
        with pytest.raises(BadSignature):
            verify(public_key, altered, signed)


@pytest.mark.parametrize("kind", [kind for kind in KEY_KINDS if kind.hash], ids=lambda kind: kind.name)
def test_what_was_hashed_before_is_signed_as_if_it_were_hashed_now(kind: KeyKind) -> None:
    key = KEYS[kind.name]
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    assert kind.hash is not None
    signature = sign_digest(key, hashlib.new(kind.hash.name, b"to be signed").digest())
    verify(key.public_key(), signature, b"to be signed")
    with pytest.raises(BadSignature):
        verify(key.public_key(), signature, b"to be Signed")


def test_the_table_names_each_kind_once_with_its_jws_algorithm() -> None:
    assert {kind.name: kind.jws for kind in KEY_KINDS} == {
        "P-256": "ES256",
        "P-384": "ES384",
        "RSA-2048": "RS256",
        "RSA-3072": "RS256",
        "RSA-4096": "RS256",
        "Ed25519": "EdDSA",
    }
    assert len({kind.name for kind in KEY_KINDS}) == len(KEY_KINDS)


def test_p384_signs_with_sha384() -> None:
    key = KEYS["P-384"]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    key.public_key().verify(sign(key, b"x"), b"x", ec.ECDSA(hashes.SHA384()))


def test_rsa_signs_by_pkcs1_with_sha256() -> None:
    key = KEYS["RSA-2048"]
    assert isinstance(key, rsa.RSAPrivateKey)
    key.public_key().verify(sign(key, b"x"), b"x", padding.PKCS1v15(), hashes.SHA256())


def test_an_rsa_size_between_two_rows_belongs_to_the_smaller() -> None:
    assert kind_of(rsa.RSAPublicNumbers(65537, 1 << 2559 | 1).public_key()).name == "RSA-2048"


def test_a_key_that_cannot_sign_has_no_kind() -> None:
    with pytest.raises(UnsupportedKey):
        kind_of(x25519.X25519PrivateKey.generate().public_key())


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnsupportedKey, match="P-256, P-384, RSA-2048"):
        generate("P-521")
