"""The kinds of key that this service knows, in one table, and their signatures in X.509 form.

ECDSA with the hash of the curve's own strength and RSA PKCS#1 v1.5 with SHA-256 (RFC 5758 §3.2, RFC 8017 §8.2,
RFC 7518 §3.1); Ed25519 (RFC 8410, RFC 8037) signs requests of accounts but is not certified. An ECDSA signature is
the DER sequence of r and s here; the fixed-length form of JWS belongs to `protocol.jws`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from keys.errors import BadSignature, UnsupportedKey

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

PUBLIC_EXPONENT = 65537
RSA_PADDING = padding.PKCS1v15()


@dataclass(frozen=True, slots=True)
class KeyKind:
    """Ties a kind of key to its JWS name (RFC 7518 §3.1), its hash and the parameter that generates it.

    `parameter` is the curve, the modulus size in bits, or None where the algorithm has no choice; `hash` is None where
    the algorithm hashes by itself; `certifiable` says whether the profile lets such a key into a certificate.
    """

    name: str
    jws: str
    hash: hashes.HashAlgorithm | None
    parameter: ec.EllipticCurve | int | None
    certifiable: bool


KEY_KINDS: tuple[KeyKind, ...] = (
    KeyKind("P-256", "ES256", hashes.SHA256(), ec.SECP256R1(), certifiable=True),
    KeyKind("P-384", "ES384", hashes.SHA384(), ec.SECP384R1(), certifiable=True),
    KeyKind("RSA-2048", "RS256", hashes.SHA256(), 2048, certifiable=True),
    KeyKind("RSA-3072", "RS256", hashes.SHA256(), 3072, certifiable=True),
    KeyKind("RSA-4096", "RS256", hashes.SHA256(), 4096, certifiable=True),
    KeyKind("Ed25519", "EdDSA", None, None, certifiable=False),
)

_CURVES = {kind.parameter.name: kind for kind in KEY_KINDS if isinstance(kind.parameter, ec.EllipticCurve)}
_RSA_SIZES = {kind.parameter: kind for kind in KEY_KINDS if isinstance(kind.parameter, int)}
_ED25519 = next(kind for kind in KEY_KINDS if kind.parameter is None)


def kind_of(public_key: object) -> KeyKind:
    """Returns the row of the table that a public key belongs to; an RSA size between two rows has the smaller one's.

    Raises UnsupportedKey when the algorithm or curve has no row, or RSA is outside 2048 to 4096 bits.
    """
    return _reader(type(public_key))(public_key)  # type: ignore[arg-type]  # a class has a hash


@functools.cache  # the library's classes are abstract, and asking whether a key is of one takes its time
def _reader(kind: type) -> Callable[[Any], KeyKind]:
    """Returns what tells the row of a key of this class."""
    if issubclass(kind, ec.EllipticCurvePublicKey):
        return lambda key: _kind_of_curve(key.curve)
    if issubclass(kind, rsa.RSAPublicKey):
        return lambda key: _kind_of_size(key.key_size)
    if issubclass(kind, ed25519.Ed25519PublicKey):
        return lambda _: _ED25519
    raise UnsupportedKey("The key is neither an elliptic curve key (P-256, P-384), RSA nor Ed25519.")


def sign(private_key: PrivateKey, data: bytes) -> bytes:
    """Signs bytes with the algorithm that the table gives the key, in the form that X.509 carries.

    Raises UnsupportedKey when the key has no row.
    """
    return signing(private_key)(data)


def signing(private_key: PrivateKey) -> Callable[[bytes], bytes]:
    """Returns `sign` for one key, with the table looked up once: a responder signs thousands of times a second.

    Raises UnsupportedKey when the key has no row.
    """
    kind = kind_of(private_key.public_key())
    if isinstance(private_key, ed25519.Ed25519PrivateKey):
        return private_key.sign
    assert kind.hash is not None  # noqa: S101  only Ed25519 hashes by itself
    if isinstance(private_key, rsa.RSAPrivateKey):
        return functools.partial(private_key.sign, padding=RSA_PADDING, algorithm=kind.hash)
    return functools.partial(private_key.sign, signature_algorithm=ec.ECDSA(kind.hash))


def sign_digest(private_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, digest: bytes) -> bytes:
    """Signs what was hashed already, with the hash that the table gives the key: for what has many megabytes.

    The signature is verified before it is returned. Raises UnsupportedKey when the key has no row, BadSignature.
    """
    kind = kind_of(private_key.public_key())
    assert kind.hash is not None  # noqa: S101  only Ed25519 hashes by itself
    hashed = Prehashed(kind.hash)
    try:
        if isinstance(private_key, rsa.RSAPrivateKey):
            signature = private_key.sign(digest, RSA_PADDING, hashed)
            private_key.public_key().verify(signature, digest, RSA_PADDING, hashed)
        else:
            signature = private_key.sign(digest, ec.ECDSA(hashed))
            private_key.public_key().verify(signature, digest, ec.ECDSA(hashed))
    except InvalidSignature as error:
        raise BadSignature("The signature does not belong to this key and these bytes.") from error
    return signature


def verify(public_key: PublicKey, signature: bytes, data: bytes) -> None:
    """Checks a signature made by `sign`, with the one algorithm that the key's row names.

    Raises BadSignature when it does not verify and UnsupportedKey when the key has no row.
    """
    verify_hashed(public_key, signature, data, kind_of(public_key).hash)


def verify_hashed(public_key: PublicKey, signature: bytes, data: bytes, hash: hashes.HashAlgorithm | None) -> None:  # noqa: A002
    """Checks a signature whose maker chose the hash, as PKCS#10 lets a requester do.

    Raises BadSignature when it does not verify.
    """
    try:
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, data, _ecdsa(type(_named(hash))))
        elif isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, data, RSA_PADDING, _named(hash))
        else:
            public_key.verify(signature, data)
    except InvalidSignature as error:
        raise BadSignature("The signature does not belong to this key and these bytes.") from error


def _named(hash: hashes.HashAlgorithm | None) -> hashes.HashAlgorithm:  # noqa: A002
    if hash is None:
        raise BadSignature("The signature names no hash.")
    return hash


@functools.cache
def _ecdsa(kind: type[hashes.HashAlgorithm]) -> ec.ECDSA:
    """Returns the scheme with one of the hashes, of which each class has one form."""
    return ec.ECDSA(kind())


def _kind_of_curve(curve: ec.EllipticCurve) -> KeyKind:
    kind = _CURVES.get(curve.name)
    if kind is None:
        raise UnsupportedKey(f"The curve {curve.name} is not accepted; use P-256 or P-384.")
    return kind


def _kind_of_size(bits: int) -> KeyKind:
    if not min(_RSA_SIZES) <= bits <= max(_RSA_SIZES):
        raise UnsupportedKey(
            f"An RSA key of {bits} bits is not accepted; it has {min(_RSA_SIZES)} to {max(_RSA_SIZES)}."
        )
    return _RSA_SIZES[max(size for size in _RSA_SIZES if size <= bits)]
