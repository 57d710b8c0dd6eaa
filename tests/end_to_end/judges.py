"""What relying systems think of a certificate: three judges that know nothing of ours but what a certificate names.

openssl verifies the chain strictly with the CRLs that leaf and issuing CA point to (RFC 5280 §6), `openssl ocsp` and
GnuTLS's `ocsptool` ask the responder that the leaf points to (RFC 6960). The root alone is given.
"""

import dataclasses
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

_PACKAGES = {
    "openssl": "openssl",
    "ocsptool": "gnutls-bin",
    "lego": "lego",
    "dehydrated": "dehydrated",
    "chromium": "chromium",
    "pk12util": "libnss3-tools",
}


def program(name: str) -> str:
    """Return the path of a program, or skip the test naming the Debian package that brings it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is missing: install the Debian package {_PACKAGES[name]}")
    return path


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """What each judge said: good, revoked, or else its own words."""

    openssl_verify: str
    openssl_ocsp: str
    ocsptool: str


GOOD = Verdicts("good", "good", "good")
REVOKED = Verdicts("revoked", "revoked", "revoked")


@dataclasses.dataclass(frozen=True)
class _Files:
    leaf: Path
    issuer: Path
    root: Path
    path: Path
    crls: Path


def judge(leaf: x509.Certificate, root: x509.Certificate, folder: Path) -> Verdicts:
    """Return what the three say of `leaf` now, with `root` as all they trust."""
    issuer = x509.load_der_x509_certificate(_fetch(_access(leaf, AuthorityInformationAccessOID.CA_ISSUERS)))
    crls = [x509.load_der_x509_crl(_fetch(_crl_url(each))) for each in (leaf, issuer)]
    files = _Files(*(folder / name for name in ("leaf.pem", "issuer.pem", "root.pem", "path.pem", "crls.pem")))
    files.leaf.write_bytes(leaf.public_bytes(Encoding.PEM))
    files.issuer.write_bytes(issuer.public_bytes(Encoding.PEM))
    files.root.write_bytes(root.public_bytes(Encoding.PEM))
    files.path.write_bytes(files.issuer.read_bytes() + files.root.read_bytes())
    files.crls.write_bytes(b"".join(crl.public_bytes(Encoding.PEM) for crl in crls))
    url = _access(leaf, AuthorityInformationAccessOID.OCSP)
    return Verdicts(_openssl_verify(files), _openssl_ocsp(files, url), _ocsptool(files, url))


def _openssl_verify(files: _Files) -> str:
    words = [
        program("openssl"), "verify", "-x509_strict", "-purpose", "sslclient", "-crl_check_all",
        "-no-CAfile", "-no-CApath", "-no-CAstore", "-trusted", str(files.root), "-untrusted", str(files.issuer),
        "-CRLfile", str(files.crls), str(files.leaf),
    ]  # fmt: skip
    code, said = _run(words)
    if code == 0 and said.strip() == f"{files.leaf}: OK":
        return "good"
    return "revoked" if "error 23 at 0 depth lookup: certificate revoked" in said else said


def _openssl_ocsp(files: _Files, url: str) -> str:
    words = [
        program("openssl"), "ocsp", "-issuer", str(files.issuer), "-cert", str(files.leaf), "-url", url,
        "-no-CAfile", "-no-CApath", "-no-CAstore", "-CAfile", str(files.root),
    ]  # fmt: skip
    code, said = _run(words)
    if code != 0 or "Response verify OK" not in said or "WARNING" in said:
        return said
    answers = [line.removeprefix(f"{files.leaf}: ") for line in said.splitlines() if line.startswith(str(files.leaf))]
    return answers[0] if len(answers) == 1 else said


def _ocsptool(files: _Files, url: str) -> str:
    # GnuTLS looks for the signer's issuer among what is trusted only, so it gets the issuing CA as well.
    words = [
        program("ocsptool"), f"--ask={url}", "--nonce", f"--load-cert={files.leaf}", f"--load-issuer={files.issuer}",
        f"--load-trust={files.path}",
    ]  # fmt: skip
    _, said = _run(words)
    if "Verifying OCSP Response: Success." not in said:
        return said
    return next((word for word in ("good", "revoked") if f"Certificate Status: {word}" in said), said)


def _run(words: list[str]) -> tuple[int, str]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def _access(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> str:
    pointers = certificate.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
    assert isinstance(pointers, x509.AuthorityInformationAccess)
    return next(str(each.access_location.value) for each in pointers if each.access_method == method)


def _crl_url(certificate: x509.Certificate) -> str:
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    names = points[0].full_name
    assert names is not None
    return str(names[0].value)


def _fetch(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        content: bytes = answer.read()
        return content
