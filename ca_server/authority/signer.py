"""A certificate and the private key that belongs to it: what signs certificates, CRLs and OCSP answers.

A signed thing of RFC 5280 has three parts: bytes, algorithm, signature (§4.1 and §5.1). The algorithm follows from the
key's kind alone (RFC 5758 §3.2, RFC 4055 §5), so that nothing can ask for another.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from ca_server.authority import der
from keys.algorithms import PrivateKey, PublicKey, kind_of, sign_digest, signing, verify
from keys.errors import UnsupportedKey

_ALGORITHMS: Final = {
    "ES256": der.sequence(der.object_identifier("1.2.840.10045.4.3.2")),
    "ES384": der.sequence(der.object_identifier("1.2.840.10045.4.3.3")),
    "RS256": der.sequence(der.object_identifier("1.2.840.113549.1.1.11"), der.NULL),
}


@dataclass(frozen=True)
class Signer:
    """A CA, or the responder it delegates to. Raises UnsupportedKey when the key is another's or of a kind no CA has.

    Its parts that every signature needs are taken once: a CA signs thousands of times between two starts.
    """

    certificate: x509.Certificate
    private_key: PrivateKey
    public_key: PublicKey = field(init=False)
    algorithm: bytes = field(init=False)
    subject: bytes = field(init=False)
    """Its name in DER, as all that it signs names it."""
    signature: Callable[[bytes], bytes] = field(init=False)
    """Signs bytes without a look at what comes out: OCSP answers, whose signer lives for days and certifies nothing."""

    def __post_init__(self) -> None:
        public_key = self.private_key.public_key()
        if public_key != self.certificate.public_key():
            raise UnsupportedKey(f"The key does not belong to the certificate of {self.certificate.subject}.")
        object.__setattr__(self, "public_key", public_key)
        object.__setattr__(self, "algorithm", algorithm_of(public_key))
        object.__setattr__(self, "subject", self.certificate.subject.public_bytes())
        object.__setattr__(self, "signature", signing(self.private_key))

    @property
    def hash(self) -> SHA256 | SHA384:
        """Return the hash that the library's builders are to use with this key."""
        return hash_of(self.public_key)

    def sign(self, to_be_signed: bytes) -> bytes:
        """Return the certificate or CRL that `to_be_signed` becomes.

        The signature is verified before it is let out: a fault while an RSA signature is computed would give the key
        away, and a wrong signature helps nobody. Raises BadSignature when it does not verify.
        """
        signature = self.signature(to_be_signed)
        verify(self.public_key, signature, to_be_signed)
        return der.sequence(to_be_signed, self.algorithm, der.element(der.BIT_STRING, b"\x00", signature))

    def sign_pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """Return in pieces what `sign` returns of `pieces` together: many megabytes are hashed once and never joined.

        Raises UnsupportedKey and BadSignature.
        """
        digest = hashlib.new(self.hash.name)
        for piece in pieces:
            digest.update(piece)
        private_key = cast(EllipticCurvePrivateKey | RSAPrivateKey, self.private_key)  # `hash` has seen to it
        signature = sign_digest(private_key, digest.digest())
        tail = self.algorithm + der.element(der.BIT_STRING, b"\x00", signature)
        return [der.head(der.SEQUENCE, sum(map(len, pieces)) + len(tail)), *pieces, tail]


def algorithm_of(public_key: PublicKey) -> bytes:
    """Return the AlgorithmIdentifier of what this key signs. Raises UnsupportedKey when no CA may have such a key."""
    hash_of(public_key)
    return _ALGORITHMS[kind_of(public_key).jws]


def hash_of(public_key: PublicKey) -> SHA256 | SHA384:
    """Return the hash for the library's builders. Raises UnsupportedKey when no CA may have such a key."""
    kind = kind_of(public_key)
    if not isinstance(kind.hash, SHA256 | SHA384):
        raise UnsupportedKey(f"A CA cannot sign with a key of the kind {kind.name}.")
    return kind.hash


@lru_cache(maxsize=64)  # reading a key takes as long as linting half a certificate
def issuer_public_key(certificate: x509.Certificate) -> PublicKey:
    """Return the key in a CA's certificate. Raises UnsupportedKey when it is of no kind that we know."""
    public_key = certificate.public_key()
    kind_of(public_key)
    return cast(PublicKey, public_key)
