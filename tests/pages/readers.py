"""Four programs that know nothing of ours read a PKCS#12 file: OpenSSL, NSS, Java and GnuTLS.

Each shows which key it found and could use, by the SHA-256 of its SubjectPublicKeyInfo in hex, and which certificates.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from keys.algorithms import PublicKey

_PACKAGES = {
    "openssl": "openssl",
    "certutil": "libnss3-tools",
    "pk12util": "libnss3-tools",
    "keytool": "default-jre-headless",
    "certtool": "gnutls-bin",
}
_UTF8 = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\n.+?-----END \1-----\n", re.DOTALL)


class Unreadable(Exception):
    """The program said no."""


Found = tuple[str, set[bytes]]
Reader = Callable[[Path, str, str, Path], Found]


def openssl(file: Path, name: str, passphrase: str, folder: Path) -> Found:
    """Show all in clear."""
    shown = _run("openssl", "pkcs12", "-in", file, "-passin", f"file:{_secret(passphrase, folder)}", "-nodes")
    key = load_pem_private_key(_blocks(shown, "PRIVATE KEY")[0], None)
    assert f"friendlyName: {name}" in shown or not name.isascii()
    return fingerprint(key.public_key()), _certificates(shown)


def nss(file: Path, name: str, passphrase: str, folder: Path) -> Found:
    """Import into a database as Firefox and Chromium have it; the key is listed under the name of its certificate."""
    database = f"sql:{folder}"
    _run("certutil", "-d", database, "-N", "--empty-password")
    _run("pk12util", "-d", database, "-i", file, "-K", "", "-w", _secret(passphrase, folder))
    assert name in _run("certutil", "-d", database, "-K")
    names = [name, *re.findall(r"^(\S.*?) +,,", _run("certutil", "-d", database, "-L"), re.MULTILINE)]
    shown = "".join(_run("certutil", "-d", database, "-L", "-a", "-n", each).replace("\r", "") for each in names)
    return fingerprint(x509.load_pem_x509_certificate(_blocks(shown, "CERTIFICATE")[0]).public_key()), _certificates(
        shown
    )


def java(file: Path, name: str, passphrase: str, folder: Path) -> Found:
    """Copy all into a key store of Java's own."""
    copied = folder / "copied.p12"
    source = ("-srckeystore", file, "-srcstoretype", "PKCS12", "-srcstorepass:file", _secret(passphrase, folder))
    target = ("-destkeystore", copied, "-deststoretype", "PKCS12", "-deststorepass", "changeit")
    _run("keytool", "-importkeystore", "-noprompt", *source, *target)
    found = load_pkcs12(copied.read_bytes(), b"changeit")
    assert found.key is not None
    assert found.cert is not None
    assert found.cert.friendly_name == name.lower().encode()
    certificates = (each.certificate for each in (found.cert, *found.additional_certs))
    return fingerprint(found.key.public_key()), {each.public_bytes(Encoding.DER) for each in certificates}


def gnutls(file: Path, name: str, passphrase: str, folder: Path) -> Found:
    """Show the certificates in clear, and then the key, which it leaves encrypted at first."""
    shown = _run("certtool", "--p12-info", "--inder", "--infile", file, "--password", passphrase)
    assert f"Friendly name: {name}\n" in shown
    shrouded = folder / "shrouded.pem"
    shrouded.write_bytes(_blocks(shown, "ENCRYPTED PRIVATE KEY")[0])
    plain = _run("certtool", "--key-info", "--pkcs8", "--infile", shrouded, "--password", passphrase)
    return re.findall(r"sha256:([0-9a-f]{64})", plain)[0], _certificates(shown)


def fingerprint(public_key: object) -> str:
    """Return the SHA-256 of a public key's SubjectPublicKeyInfo in hex."""
    assert isinstance(public_key, PublicKey)
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _run(program: str, *arguments: object) -> str:
    """Return what a program writes, or skip the test naming the Debian package that brings it."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is missing: install the Debian package {_PACKAGES[program]}")
    run = subprocess.run(
        [path, *map(str, arguments)], env=_UTF8, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=60
    )
    if run.returncode:
        raise Unreadable((run.stdout + run.stderr).decode(errors="replace"))
    return run.stdout.decode(errors="replace")  # openssl writes Japanese names byte by byte


def _secret(passphrase: str, folder: Path) -> Path:
    file = folder / "passphrase"
    file.write_text(passphrase, "utf-8")
    return file


def _blocks(shown: str, label: str) -> list[bytes]:
    return [match[0].encode() for match in _BLOCK.finditer(shown) if match[1] == label]


def _certificates(shown: str) -> set[bytes]:
    found = (x509.load_pem_x509_certificate(block) for block in _blocks(shown, "CERTIFICATE"))
    return {each.public_bytes(Encoding.DER) for each in found}
