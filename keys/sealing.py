"""Seals short secrets for the database: AES-256-GCM (SP 800-38D) under keys that HKDF-SHA256 (RFC 5869) derives.

A sealed value is one version byte, the 12 random bytes of the nonce, the ciphertext and its 16-byte tag. The associated
bytes say whose it is, so that a value moved to another row does not open. Random nonces hold for 2^32 values a secret.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.errors import KeystoreError, SealBroken

MIN_SECRET_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_BYTES = 32


class Sealer:
    """Seals with the first of its secrets and opens with any of them, so that a secret can be rolled.

    Raises KeystoreError when there is no secret or one has fewer than 32 bytes.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets or any(len(secret) < MIN_SECRET_BYTES for secret in secrets):
            raise KeystoreError(f"Sealing needs at least one secret, each of {MIN_SECRET_BYTES} random bytes or more.")
        self._newest = secrets[0]
        # The two purposes differ before the label, so no label of a caller can reach a sealing key.
        self._ciphers = tuple(AESGCM(_expand(secret, b"warifu seal 1")) for secret in secrets)

    def __repr__(self) -> str:
        return f"<Sealer of {len(self._ciphers)} secrets>"

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        """Encrypts and binds bytes to their owner; twice the same input gives two different results."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._ciphers[0].encrypt(nonce, plaintext, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Gives back what was sealed for this owner, under the newest or an older secret.

        Raises SealBroken when the bytes were altered, belong to another owner, or no secret fits.
        """
        if sealed[:1] != _VERSION or len(sealed) < len(_VERSION) + _NONCE_BYTES + _TAG_BYTES:
            raise SealBroken("These bytes were not sealed by this service, or were cut short.")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, ciphertext, associated)
            except InvalidTag:
                continue
        raise SealBroken("The seal does not open: altered, another owner's, or the server's secret has changed.")

    def derive(self, label: str) -> bytes:
        """Derives a 32-byte key of its own for each label from the newest secret, the same on every replica."""
        return _expand(self._newest, b"warifu derive 1 " + label.encode())


def _expand(secret: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=info).derive(secret)
