"""Keeps private keys in files: PKCS#8 in PEM (RFC 5958, RFC 7468), encrypted by PBES2 (RFC 8018 §6.2), or PKCS#12.

A file appears whole or not at all, readable by its owner only, and never takes the place of another unless told to:
it is written beside, synced, and given its name by a link, which fails where the name is taken, or by a rename. On
Windows the folder's access list is what protects it.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from asn1crypto import algos, core, keys, pem
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from keys.algorithms import PrivateKey, kind_of
from keys.errors import KeysError, KeystoreError, WrongPassphrase

# cryptography writes PKCS#8 with 2,048 rounds, too few for a passphrase that a person chose; these cost 40 ms.
PBKDF2_ROUNDS = 200_000
_SALT_BYTES = 16
_AES_KEY_BYTES = 32
_AES_BLOCK_BYTES = 16
_ENCRYPTED = "ENCRYPTED PRIVATE KEY"


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Writes a secret file with mode 0600, atomically and durably: a crash leaves the old state or the new one.

    Raises KeystoreError when the name is taken and `replace` is not set, or the file system refuses.
    """
    with private_file(path, replace=replace) as file:
        file.write(content)


@contextlib.contextmanager
def private_file(path: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """Opens what becomes a secret file, as `write_private` writes one, when the block ends well."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _give_name(temporary, path, replace=replace)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise KeystoreError("{path} exists already and is not overwritten.", path=path) from error
    except OSError as error:
        raise KeystoreError("{path} cannot be written: {why}.", path=path, why=error.strerror or error) from error


def save_key(path: Path, key: PrivateKey, passphrase: str | bytes | None, *, replace: bool = False) -> None:
    """Writes a private key as PEM, encrypted if there is a passphrase.

    Raises KeystoreError as `write_private` does, or when the passphrase is empty.
    """
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if passphrase is None:
        content = pem.armor("PRIVATE KEY", plain)
    else:
        content = pem.armor(_ENCRYPTED, _encrypt(plain, _octets(passphrase)))
    write_private(path, content, replace=replace)


def load_key(path: Path, passphrase: str | bytes | None) -> PrivateKey:
    """Reads a private key that `save_key`, or OpenSSL, wrote.

    Raises WrongPassphrase when the passphrase is missing or does not open the file, KeystoreError when the file is
    absent, damaged or not encrypted although a passphrase was given, UnsupportedKey when its kind is none of ours.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KeystoreError("{path} cannot be read: {why}.", path=path, why=error.strerror or error) from error
    encrypted = b"ENCRYPTED" in content
    if encrypted and passphrase is None:
        raise WrongPassphrase("{path} is encrypted and needs its passphrase.", path=path)
    if not encrypted and passphrase is not None:
        raise KeystoreError("{path} is not encrypted, although a passphrase was given for it.", path=path)
    try:
        key = load_pem_private_key(content, None if passphrase is None else _octets(passphrase))
        kind_of(key.public_key())
    except KeysError:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise WrongPassphrase("{path} does not open with this passphrase, or is damaged.", path=path) from error
        raise KeystoreError("{path} holds no private key in PEM that can be read.", path=path) from error
    return key  # type: ignore[return-value]  # kind_of has refused every other class


def export_pkcs12(
    name: str,
    key: PrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    passphrase: str | bytes,
) -> bytes:
    """Packs key, certificate and chain for an import by hand (RFC 7292): PBES2 with AES-256-CBC, MAC with SHA-256.

    Windows reads this since 10 version 1709, macOS since 15; older ones answer that the password is wrong.
    Raises KeystoreError when the passphrase is empty.
    """
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(PBKDF2_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(_octets(passphrase))
    )
    return pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, chain, encryption)


def _octets(passphrase: str | bytes) -> bytes:
    octets = passphrase.encode() if isinstance(passphrase, str) else passphrase
    if not octets:
        raise KeystoreError("The passphrase is empty.")
    return octets


def _encrypt(plain: bytes, passphrase: bytes) -> bytes:
    """Makes an EncryptedPrivateKeyInfo (RFC 5958 §3) with PBKDF2-HMAC-SHA256 and AES-256-CBC."""
    salt, vector = os.urandom(_SALT_BYTES), os.urandom(_AES_BLOCK_BYTES)
    key = PBKDF2HMAC(hashes.SHA256(), _AES_KEY_BYTES, salt, PBKDF2_ROUNDS).derive(passphrase)
    padder = padding.PKCS7(_AES_BLOCK_BYTES * 8).padder()
    cipher = Cipher(algorithms.AES256(key), modes.CBC(vector)).encryptor()
    ciphertext = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
    derivation = algos.Pbkdf2Params(
        {
            "salt": core.OctetString(salt),
            "iteration_count": PBKDF2_ROUNDS,
            "prf": {"algorithm": "sha256", "parameters": core.Null()},
        }
    )
    scheme = algos.Pbes2Params(
        {
            "key_derivation_func": {"algorithm": "pbkdf2", "parameters": derivation},
            "encryption_scheme": {"algorithm": "aes256_cbc", "parameters": core.OctetString(vector)},
        }
    )
    algorithm = {"algorithm": "pbes2", "parameters": scheme}
    sealed: bytes = keys.EncryptedPrivateKeyInfo(
        {"encryption_algorithm": algorithm, "encrypted_data": ciphertext}
    ).dump()
    return sealed


def _give_name(temporary: Path, path: Path, *, replace: bool) -> None:
    if not replace:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:
            # FAT and some network folders know no links: there the check and the rename are two steps.
            if path.exists():
                raise FileExistsError(path) from None
        else:
            return
    temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # NTFS keeps the names in its journal, and a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
