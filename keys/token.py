"""A private key that lives where it cannot be read, in a token, a TPM or a system's key store, yet *is* a private key.

cryptography's builders, and whatever else takes an elliptic curve key, call `sign` and nothing besides; so one path
makes requests and JWS for every kind of key. The hash is computed here, and only it goes to the token.
"""

from collections.abc import Callable
from typing import Final, NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from keys.errors import BadSignature, KeystoreError

SignDigest = Callable[[bytes], bytes]
"""Signs a digest with ECDSA and returns r‖s, each of the curve's full length, as PKCS#11, CNG and JWS write it."""


class TokenKey(ec.EllipticCurvePrivateKey):
    """The private half of `public_key`, used through `sign_digest`.

    Whatever would read or copy it raises KeystoreError.
    """

    def __init__(self, public_key: ec.EllipticCurvePublicKey, sign_digest: SignDigest) -> None:
        self._public_key: Final = public_key
        self._sign_digest: Final = sign_digest

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve of both halves."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """The size of the curve in bits."""
        return self._public_key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Returns the public half."""
        return self._public_key

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """Signs bytes and returns DER. Raises BadSignature when the token answers with something else."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            digest = bytes(data)
        else:
            hashed = hashes.Hash(algorithm)
            hashed.update(bytes(data))
            digest = hashed.finalize()
        return self._der(self._sign_digest(digest))

    def _der(self, signature: bytes) -> bytes:
        size = (self.key_size + 7) // 8
        if len(signature) != 2 * size:
            raise BadSignature("The token's signature has not the length of its curve.")
        return encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))

    def exchange(self, *_: object) -> NoReturn:
        """Refuses: these keys sign."""
        raise _stays()

    def private_numbers(self) -> NoReturn:
        """Refuses: the number stays in the token."""
        raise _stays()

    def private_bytes(self, *_: object) -> NoReturn:
        """Refuses: the key stays in the token."""
        raise _stays()

    def __copy__(self) -> "TokenKey":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "TokenKey":
        return self


class RequestedKey(TokenKey):
    """A key whose maker has signed `signing_request` with it (PKCS#10, DER) and lets it sign nothing else for us."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey, signing_request: bytes) -> None:
        super().__init__(public_key, _no_more)
        self.signing_request: Final = signing_request


def _no_more(_: bytes) -> NoReturn:
    raise KeystoreError("This private key has signed its request and signs nothing else.")


def _stays() -> KeystoreError:
    return KeystoreError("This private key cannot leave the place that holds it.")
