"""A private key that signs nothing: with it the library's builder makes the bytes that the CA key is to sign.

cryptography's builders give DER only together with a signature, and take any subclass of its private key classes. The
stand-in is of the issuer's own kind, so that the signature algorithm inside the bytes is the one that the issuer will
use; its constant signature is thrown away with the outer part. There is thus one code path that makes DER, and the
bytes that are linted and recorded are those that are signed.
"""

from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.utils import Buffer

from keys.algorithms import PublicKey
from keys.errors import UnsupportedKey


class StandInEllipticCurveKey(ec.EllipticCurvePrivateKey):
    """Stands in for the private half of an issuer's elliptic curve key."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey) -> None:
        self._public_key = public_key

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the issuer's public key."""
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """Return the issuer's curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """Return the size of the issuer's curve in bits."""
        return self._public_key.key_size

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return a constant in place of a signature."""
        return utils.encode_dss_signature(1, 1)

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Raise NotImplementedError: there is no private key."""
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Raise NotImplementedError: there is no private key."""
        raise NotImplementedError

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,  # noqa: A002  the library's name
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> bytes:
        """Raise NotImplementedError: there is no private key."""
        raise NotImplementedError

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class StandInRSAKey(rsa.RSAPrivateKey):
    """Stands in for the private half of an issuer's RSA key."""

    def __init__(self, public_key: rsa.RSAPublicKey) -> None:
        self._public_key = public_key

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the issuer's public key."""
        return self._public_key

    @property
    def key_size(self) -> int:
        """Return the size of the issuer's modulus in bits."""
        return self._public_key.key_size

    def sign(
        self,
        data: Buffer,
        padding: padding.AsymmetricPadding,
        algorithm: utils.Prehashed | utils.NoDigestInfo | HashAlgorithm,
    ) -> bytes:
        """Return zeros of the modulus' length in place of a signature."""
        return bytes(self.key_size // 8)

    def decrypt(self, ciphertext: Buffer, padding: padding.AsymmetricPadding) -> bytes:
        """Raise NotImplementedError: there is no private key."""
        raise NotImplementedError

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        """Raise NotImplementedError: there is no private key."""
        raise NotImplementedError

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,  # noqa: A002  the library's name
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> bytes:
        """Raise NotImplementedError: there is no private key."""
        raise NotImplementedError

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def stand_in_for(public_key: PublicKey) -> StandInEllipticCurveKey | StandInRSAKey:
    """Return a stand-in of the kind of an issuer's key. Raises UnsupportedKey when no issuer may have such a key."""
    match public_key:
        case ec.EllipticCurvePublicKey():
            return StandInEllipticCurveKey(public_key)
        case rsa.RSAPublicKey():
            return StandInRSAKey(public_key)
        case _:
            raise UnsupportedKey("An issuer's key is an elliptic curve key or RSA.")
