"""The key storage providers and certificate stores of a Windows user, in a folder.

pc.json                       what kind of PC it is (`Traits`)
keys/PROVIDER/NAME.json       a key and whether it may be exported
My|CA|Request/THUMBPRINT.json a certificate, or a request that waits for one; its friendly name; its key
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

TPM = "Microsoft Platform Crypto Provider"
SOFTWARE = "Microsoft Software Key Storage Provider"
NTE_EXISTS, NTE_BAD_KEYSET, NTE_NOT_SUPPORTED = 0x8009000F, 0x80090016, 0x80090029
CERT_E_CHAINING, CRYPT_E_NOT_FOUND = 0x800B010A, 0x80092004


class WindowsError(Exception):
    """A call of Windows failed, with an HRESULT and a sentence in Windows' language."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Traits:
    """What kind of PC it is."""

    tpm: bool = True
    constrained: bool = False
    modern: bool = True
    leaky: bool = False  # its providers export what must not be exported
    trusted: bool = False  # the agency's root is among the trusted ones


class WindowsPc:
    """What one user has; every program opens it anew."""

    def __init__(self, state: Path) -> None:
        self.state = state
        path = state / "pc.json"
        self.traits = Traits(**json.loads(path.read_text())) if path.exists() else Traits()

    def become(self, **traits: bool) -> None:
        """Make it another kind of PC."""
        self.traits = Traits(**(asdict(self.traits) | traits))
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "pc.json").write_text(json.dumps(asdict(self.traits)))

    def key_exists(self, provider: str, name: str) -> bool:
        """Tell whether a provider has a key. Raises WindowsError when there is no such provider."""
        return self._key_path(provider, name).exists()

    def create_key(self, provider: str, name: str, *, exportable: bool) -> ec.EllipticCurvePrivateKey:
        """Make a key of P-256."""
        path = self._key_path(provider, name)
        if path.exists():
            raise WindowsError(NTE_EXISTS, "オブジェクトは既に存在します。")
        key = ec.generate_private_key(ec.SECP256R1())
        octets = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"key": octets.hex(), "exportable": exportable or self.traits.leaky}))
        return key

    def open_key(self, provider: str, name: str) -> ec.EllipticCurvePrivateKey:
        """Return a key, to sign with or to read the public half of."""
        if not self.key_exists(provider, name):
            raise WindowsError(NTE_BAD_KEYSET, "キーセットがありません。")
        key = load_der_private_key(bytes.fromhex(json.loads(self._key_path(provider, name).read_text())["key"]), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    def export_key(self, provider: str, name: str) -> bytes:
        """Return a private key, if its policy lets it out."""
        if not json.loads(self._key_path(provider, name).read_text())["exportable"]:
            raise WindowsError(NTE_NOT_SUPPORTED, "要求された操作はサポートされていません。")
        return self._key_path(provider, name).read_bytes()

    def delete_key(self, provider: str, name: str) -> None:
        """Delete a key."""
        self.open_key(provider, name)
        self._key_path(provider, name).unlink()

    def key_names(self) -> list[str]:
        """Return the names of all keys."""
        return sorted(path.stem for path in (self.state / "keys").rglob("*.json"))

    def add(self, store: str, thumbprint: str, entry: dict[str, Any]) -> None:
        """Put an entry into a store, in place of an equal one."""
        (self.state / store).mkdir(parents=True, exist_ok=True)
        (self.state / store / f"{thumbprint}.json").write_text(json.dumps(entry))

    def entries(self, store: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Return the entries of a store, with their files."""
        for path in sorted((self.state / store).glob("*.json")):
            yield path, json.loads(path.read_text())

    def friendly_names(self) -> list[str]:
        """Return the names of the user's certificates that have a key."""
        return sorted(entry["name"] for _, entry in self.entries("My") if entry["key"] is not None)

    def install_response(self, chain: list[x509.Certificate], name: str | None, *, any_root: bool) -> None:
        """Complete the request that a certificate answers, as CertEnroll does."""
        if not any_root and not self.traits.trusted:
            raise WindowsError(CERT_E_CHAINING, "証明書チェーンを信頼されたルート機関に対して作成できませんでした。")
        for path, entry in self.entries("Request"):
            for certificate in chain:
                if entry["point"] == point(certificate).hex():
                    path.unlink()
                    self.add("My", thumbprint(certificate), row(certificate, name or entry["name"], entry["key"]))
                    return
        raise WindowsError(CRYPT_E_NOT_FOUND, "オブジェクトまたはプロパティが見つかりません。")

    def _key_path(self, provider: str, name: str) -> Path:
        if provider not in (TPM, SOFTWARE) or (provider == TPM and not self.traits.tpm):
            raise WindowsError(NTE_NOT_SUPPORTED, "このデバイスには TPM がありません。")
        if not name or "\\" in name:
            raise WindowsError(0x80070057, "パラメーターが間違っています。")
        return self.state / "keys" / provider / f"{name}.json"


def row(certificate: x509.Certificate, name: str, key: list[str] | None) -> dict[str, Any]:
    """Return the entry of a certificate; `key` is provider and name."""
    octets = certificate.public_bytes(Encoding.DER)
    return {"certificate": base64.b64encode(octets).decode(), "name": name, "key": key}


def certificate_of(entry: dict[str, Any]) -> x509.Certificate:
    """Return an entry's certificate."""
    return x509.load_der_x509_certificate(base64.b64decode(entry["certificate"]))


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the SHA-1 of a certificate."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def point(holder: Any) -> bytes:
    """Return the point of the public key of a key, certificate or request."""
    octets: bytes = holder.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return octets


def sign_hash(key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
    """Return r and s, as ECDsaCng.SignHash does."""
    numbers = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
    return b"".join(each.to_bytes(32) for each in numbers)
