"""A public key of P-256 as a point (SEC 1 §2.3.3, uncompressed): how references and key stores of systems write it."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.algorithms import PublicKey

CURVE: Final = ec.SECP256R1()


def encoded_point(public_key: PublicKey) -> bytes:
    """Return a public key as a point. Raises ValueError when it is on no curve."""
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise ValueError("This is no key of an elliptic curve.")
    return public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def from_point(point: bytes) -> ec.EllipticCurvePublicKey:
    """Return the public key of a point. Raises ValueError when it is not on the curve."""
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)
