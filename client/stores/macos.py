"""The holder `macos`: keys in the login keychain, where Safari and other programs of macOS find them, not extractable.

Only a signed app may have the keychain make a key, so it is made here, kept in a file until its certificate has come,
and imported with it by `security import -x`; the file is deleted then. What has been imported signs for browsers, not
for us, so the account's key is a file.

The passphrase of the PKCS#12 file is random, used once and told to `security -i` on standard input: arguments show in
`ps`. A reference is LABEL:POINT, the point being the public key (SEC 1 §2.3.3, base64url).
"""

import platform
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs12

from client.config import KEY_KIND
from client.errors import ClientError
from client.language import sentence
from client.stores.curve_point import encoded_point, from_point
from client.stores.holder import Holding, Installed, friendly_name
from client.stores.program import Ended, run
from keys.algorithms import PrivateKey
from keys.errors import KeystoreError
from keys.generate import generate
from keys.keystore import load_key, save_key, write_private
from keys.token import TokenKey
from protocol import base64url
from protocol.names import BadName, CommonName

SECURITY: Final = "security"

BROWSERS: Final = ("/Applications/Safari.app", "/Applications/Google Chrome.app", "/Applications/Microsoft Edge.app")
"""The programs that may use the key without asking its owner, as far as they are there."""

LONGEST_LINE: Final = 4096
"""What `security -i` reads as one command."""

_AES_SINCE = 15  # older ones answer that the passphrase is wrong
_IDENTITY = re.compile(r'^\s*\d+\) ([0-9A-F]{40}) "', re.MULTILINE)


class MacOs:
    """Holds keys in files until they have certificates, and in the login keychain from then on."""

    name: ClassVar[str] = "macos"
    holds_account_keys: ClassVar[bool] = False

    def __init__(self, _place: str, folder: Path) -> None:
        self._folder: Final = folder

    def create(self, label: str) -> str:
        """Make a key. Raises KeystoreError."""
        key = generate(KEY_KIND)
        save_key(self._path(label, "pem"), key, None, replace=True)
        return f"{label}:{base64url.encode(encoded_point(key.public_key()))}"

    def key(self, reference: str) -> PrivateKey:
        """Return the key; once it is in the keychain, one that does not sign. Raises KeystoreError."""
        label, point = _parts(reference)
        path = self._path(label, "pem")
        return load_key(path, None) if path.exists() else TokenKey(from_point(point), _refuse)

    def install(self, reference: str, chain: Sequence[x509.Certificate], name: str) -> None:
        """Move the key into the keychain, with its certificate, and put the issuers beside them."""
        label, _ = _parts(reference)
        path = self._path(label, "pem")
        if path.exists():
            if fingerprint(chain[0]) not in _identities():
                self._import(label, chain[0], name)
            path.unlink()
        elif fingerprint(chain[0]) not in _identities():
            raise ClientError(
                "lostKey",
                sentence("The key of {name} is neither in the keychain nor on disk."),
                sentence("Ask your administrator for a new certificate."),
                facts={"name": name},
            )
        self._add_issuers(label, chain[1:])

    def delete(self, reference: str) -> None:
        """Delete key and certificate from wherever they are."""
        label, point = _parts(reference)
        if label:
            self._path(label, "pem").unlink(missing_ok=True)
        for each in _certificates() if point else []:
            if _point(each) == point:
                _expect(run(SECURITY, ["delete-identity", "-Z", fingerprint(each), str(keychain())]))

    def found(self) -> list[Installed]:
        """Return the certificates of our names in the keychain that have a key there."""
        identities = _identities()
        ours = [each for each in _certificates() if fingerprint(each) in identities and _is_ours(each)]
        return [Installed(friendly_name(each), each, f":{base64url.encode(_point(each))}") for each in ours]

    def holding(self, reference: str) -> Holding:
        """Tell whether the key is in its file still."""
        label, _ = _parts(reference)
        path = self._path(label, "pem")
        if path.exists():
            what = sentence("a file of this user, until the certificate has come; whoever can read it can copy it")
            return Holding(what, copyable=True, address=str(path))
        what = sentence("the login keychain, not extractable; it was in a file of this user until it was imported")
        return Holding(what, copyable=None, address=str(keychain()))

    def _import(self, label: str, certificate: x509.Certificate, name: str) -> None:
        """Import key and certificate. Raises ClientError unless both are in the keychain then."""
        passphrase, path = secrets.token_hex(32), self._path(label, "p12")
        content = packed(name, load_key(self._path(label, "pem"), None), certificate, passphrase, platform.mac_ver()[0])
        browsers = [each for each in BROWSERS if Path(each).exists()]
        write_private(path, content, replace=True)
        try:
            line = command_line(import_arguments(path, passphrase, keychain(), browsers))
            ended = run(SECURITY, ["-i"], stdin=line)
        finally:
            path.unlink()
        _expect(ended)
        if fingerprint(certificate) not in _identities():
            raise _failed(ended)

    def _add_issuers(self, label: str, issuers: Sequence[x509.Certificate]) -> None:
        """Add the issuers that are no roots, for TLS to send; one that is there already is as good as added."""
        for issuer in issuers:
            if issuer.subject != issuer.issuer:
                path = self._path(label, "issuer")
                path.write_bytes(issuer.public_bytes(Encoding.PEM))
                run(SECURITY, ["add-certificates", "-k", str(keychain()), str(path)])
                path.unlink()

    def _path(self, label: str, kind: str) -> Path:
        return self._folder / f"{label}.{kind}"


def keychain() -> Path:
    """Return the login keychain, which is open while its owner is logged in."""
    return Path.home() / "Library" / "Keychains" / "login.keychain-db"


def packed(name: str, key: PrivateKey, certificate: x509.Certificate, passphrase: str, version: str) -> bytes:
    """Return a PKCS#12 file that a version of macOS reads: AES-256 and SHA-256 since 15, 3DES and SHA-1 before.

    The passphrase, not the algorithm, protects it for the second that it lives.
    """
    modern = int(version.partition(".")[0] or _AES_SINCE) >= _AES_SINCE
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)  # the passphrase has 256 bits
        .key_cert_algorithm(
            pkcs12.PBES.PBESv2SHA256AndAES256CBC if modern else pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC
        )
        .hmac_hash(SHA256() if modern else SHA1())  # noqa: S303
        .build(passphrase.encode("ascii"))
    )
    return pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, None, encryption)


def import_arguments(path: Path, passphrase: str, into: Path, browsers: Sequence[str]) -> list[str]:
    """Return the command of `security` that imports a PKCS#12 file so that its key does not come out again (-x)."""
    trusted = [word for each in browsers for word in ("-T", each)]
    return ["import", str(path), "-f", "pkcs12", "-x", "-k", str(into), "-P", passphrase, *trusted]


def command_line(words: Sequence[str]) -> str:
    """Return a command as `security -i` reads it: each word in quotes, quotes and backslashes escaped.

    Raises ValueError when a word holds a line break or NUL, or the line is longer than it reads.
    """
    if any(each in word for word in words for each in "\n\r\0"):
        raise ValueError("A command of `security -i` is one line.")
    quoted = ('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
    line = " ".join(quoted) + "\n"
    if len(line.encode()) >= LONGEST_LINE:
        raise ValueError("The command is longer than `security -i` reads.")
    return line


def identities_in(listed: str) -> frozenset[str]:
    """Return the fingerprints that `security find-identity` lists."""
    return frozenset(_IDENTITY.findall(listed))


def fingerprint(certificate: x509.Certificate) -> str:
    """Return what `security` calls a certificate by: its SHA-1."""
    return certificate.fingerprint(SHA1()).hex().upper()  # noqa: S303  a name, not a protection


def _identities() -> frozenset[str]:
    """Return the fingerprints of the certificates that have a key in the keychain."""
    ended = run(SECURITY, ["find-identity", "-p", "ssl-client", str(keychain())])
    _expect(ended)
    return identities_in(ended.output)


def _certificates() -> list[x509.Certificate]:
    """Return the keychain's certificates. `security` fails when there is none at all, and writes nothing then."""
    ended = run(SECURITY, ["find-certificate", "-a", "-p", str(keychain())])
    return x509.load_pem_x509_certificates(ended.output.encode()) if "BEGIN CERTIFICATE" in ended.output else []


def _parts(reference: str) -> tuple[str, bytes]:
    """Return label and point; a label alone is of a key that may be half made."""
    label, _, point = reference.partition(":")
    return label, base64url.decode(point)


def _point(certificate: x509.Certificate) -> bytes:
    public_key = certificate.public_key()
    return encoded_point(public_key) if isinstance(public_key, ec.EllipticCurvePublicKey) else b""


def _is_ours(certificate: x509.Certificate) -> bool:
    try:
        CommonName.parse(friendly_name(certificate).partition(" ")[0])
    except (BadName, ValueError):
        return False
    return True


def _refuse(_: bytes) -> NoReturn:
    raise KeystoreError("The private key is in the keychain, which lets no program of this kind use it.")


def _expect(ended: Ended) -> None:
    if ended.code != 0:
        raise _failed(ended)


def _failed(ended: Ended) -> ClientError:
    return ClientError(
        "keychainFailed",
        sentence("The keychain says: {message} ({code})"),
        sentence("Log in, unlock the login keychain in Keychain Access, and try again."),
        facts={"message": ended.text, "code": ended.code},
    )
