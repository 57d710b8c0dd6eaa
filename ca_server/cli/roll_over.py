"""A roll-over: the issuing CA that will take over is made and published, and later takes over, by the configuration.

Two steps, for relying systems must have the new certificate and CRL before anybody shows them a certificate of it.
Each step's last act is the configuration, put in place whole beside a copy of the old one. Whatever was made before an
interruption is taken up by the next run: no key, and no certificate of the root, is made twice.
"""

import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca_server import keyring
from ca_server.authority.hierarchy import generation_of, make_issuing
from ca_server.authority.signer import Signer
from ca_server.clock import moment
from ca_server.config import Config, IssuingAuthority, load
from ca_server.config.rewriting import KEYS
from ca_server.errors import NotAllowed
from ca_server.language import sentence
from ca_server.operations.publication import place
from keys.algorithms import PrivateKey, verify
from keys.errors import BadSignature
from keys.generate import generate
from keys.keystore import load_key, save_key, write_private


def coming(config: Config, name: str) -> IssuingAuthority:
    """Return where the files of a new issuing CA lie: beside those of the one in use, called by its name."""
    in_use = config.authority
    certificates, keys = in_use.issuing_certificate.parent, in_use.issuing_key.parent
    passphrases = in_use.issuing_passphrase_file.parent
    if not passphrases.is_relative_to(config.path.parent):  # a file that was named at `init`, in a folder not ours
        passphrases = keys
    return IssuingAuthority(
        issuer=name,
        issuing_certificate=certificates / f"{name}.pem",
        issuing_key=keys / f"{name}.key.pem",
        issuing_passphrase_file=passphrases / f"{name}.passphrase",
        ocsp_certificate=certificates / f"{name}-ocsp.pem",
        ocsp_key=keys / f"{name}-ocsp.key.pem",
        ocsp_passphrase_file=passphrases / f"{name}-ocsp.passphrase",
    )


def make(config: Config, root: Signer, authority: IssuingAuthority, kind: str, now: int) -> x509.Certificate:
    """Make keys and certificates of a new issuing CA, but for what is there, and return the CA's certificate.

    Raises NotAllowed when a certificate is there that is not the root's for this key.
    """
    profile = keyring.hierarchy_profile(config)
    path = authority.issuing_certificate
    if path.exists() and not authority.issuing_key.exists():
        raise NotAllowed(sentence("{path} is there without its key; choose another name.", path=path))
    for file in (authority.issuing_passphrase_file, authority.ocsp_passphrase_file):
        if not file.exists():
            write_private(file, secrets.token_urlsafe(24).encode() + b"\n")
    key = _key(authority, kind)
    if not path.exists():
        before = [keyring.load_certificate(each.issuing_certificate) for each in config.authorities]
        made = make_issuing(profile, root, key, now, max(map(generation_of, before)) + 1)
        write_private(path, made.certificate.public_bytes(Encoding.PEM))
    issuing = Signer(keyring.load_certificate(path), key)
    try:
        verify(root.public_key, issuing.certificate.signature, issuing.certificate.tbs_certificate_bytes)
    except BadSignature as error:
        raise NotAllowed(sentence("{path} is not of this root; choose another name.", path=path)) from error
    keyring.renew_ocsp_signer(profile, authority, issuing, now)
    return issuing.certificate


def _key(authority: IssuingAuthority, kind: str) -> PrivateKey:
    """Return the issuing key that is there, or a fresh one that is kept."""
    secret = keyring.passphrase(authority.issuing_passphrase_file)
    if not authority.issuing_key.exists():
        save_key(authority.issuing_key, generate(kind), secret)
    return load_key(authority.issuing_key, secret)


def publish(config: Config, authorities: Iterable[IssuingAuthority]) -> None:
    """Put the issuing CAs' certificates, and the chain with all of them, into the public folder."""
    folder = config.server.public_folder
    chain = []
    for authority in authorities:
        certificate = keyring.load_certificate(authority.issuing_certificate)
        place(folder / f"{authority.issuer}.cer", certificate.public_bytes(Encoding.DER))
        chain.append(certificate.public_bytes(Encoding.PEM))
    root = keyring.load_certificate(config.authority.root_certificate)
    place(folder / "chain.pem", b"".join([*chain, root.public_bytes(Encoding.PEM)]))


def table(config: Config, authority: IssuingAuthority) -> dict[str, str]:
    """Return the settings of an issuing CA as the file has them: paths from its folder where they lie below it."""
    folder = config.path.parent
    values = {key: getattr(authority, key) for key in KEYS}
    return {
        key: str(value.relative_to(folder) if isinstance(value, Path) and value.is_relative_to(folder) else value)
        for key, value in values.items()
    }


def replace_configuration(path: Path, text: str, now: int) -> Path:
    """Put another configuration in place, whole and proven to load, and return where the old one is kept.

    Raises BadConfiguration when it cannot be loaded. Owner and mode stay: `serve` may run as another account.
    """
    beside = path.with_name(f".{path.name}.new")
    kept = path.with_name(f"{path.name}.{moment(now):%Y%m%dT%H%M%SZ}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        load(beside)
        for copy in (beside, kept):
            if copy is kept:
                shutil.copyfile(path, kept)
            shutil.copystat(path, copy)
            os.chown(copy, path.stat().st_uid, path.stat().st_gid)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return kept
