"""The holder `windows` where PowerShell is not let, or .NET is older than 4.7.2: certreq.exe, which every Windows has.

certreq makes key and request together, from an INF file, and completes the request with the certificate. Its keys sign
nothing else, so the account's key is a file beside. The answer is installed by CertEnroll if PowerShell is let, which
then takes it without a chain to a trusted root (AllowUntrustedRoot); otherwise by certreq, which wants that chain.

Files in the folder, called by the label: `.inf` and `.req`, request and what was asked for; `.p7b`, the answer.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from client.errors import CALL_HELP_DESK, ClientError
from client.language import sentence
from client.stores import powershell
from client.stores.curve_point import encoded_point
from client.stores.disk import read
from client.stores.holder import Holding, Installed
from client.stores.program import Ended, run
from client.stores.windows import PROVIDERS, Reference, base64_text, holding_of
from keys.algorithms import PrivateKey
from keys.keystore import write_private
from keys.token import RequestedKey

CERTREQ: Final = "certreq.exe"
CERTUTIL: Final = "certutil.exe"

_HRESULT: Final = re.compile(r"\b0x[0-9a-f]{8}\b", re.IGNORECASE)
_FRIENDLY_NAME: Final = "warifu"  # the CN is not known when the key is made; CertEnroll writes the whole name later
_NOT_THERE: Final = frozenset({0x80090011, 0x80090016, 0x80092004})  # NTE_NOT_FOUND, NTE_BAD_KEYSET, CRYPT_E_NOT_FOUND
_NO_TRUSTED_ROOT: Final = frozenset({0x800B0109, 0x800B010A})  # CERT_E_UNTRUSTEDROOT, CERT_E_CHAINING


class CertReq:
    """Holds keys in Windows' key storage providers by way of certreq."""

    name: ClassVar[str] = "windows"
    holds_account_keys: ClassVar[bool] = False

    def __init__(self, _place: str, folder: Path) -> None:
        self._folder: Final = folder

    def create(self, label: str) -> str:
        """Make a key and its request, in the TPM if it can be."""
        policy, request = self._path(label, "inf"), self._path(label, "req")
        if policy.exists():
            self.delete(label)
        for word, provider in PROVIDERS.items():
            write_private(policy, inf(label, provider, _FRIENDLY_NAME), replace=True)
            ended = run(CERTREQ, new_arguments(policy, request))
            if ended.code == 0 and request.exists():
                return Reference(word, label, encoded_point(_public_key(self._request(label)))).render()
        raise _failed(ended)

    def key(self, reference: str) -> PrivateKey:
        """Return a key that has signed its request, and signs no more."""
        key = Reference.parse(reference)
        return RequestedKey(key.public_key, self._request(key.label).public_bytes(Encoding.DER))

    def install(self, reference: str, chain: Sequence[x509.Certificate], name: str) -> None:
        """Complete the request with the certificate, unless that was done before."""
        label = Reference.parse(reference).label
        response = pkcs7.serialize_certificates(list(chain), Encoding.DER)
        path = self._path(label, "p7b")
        write_private(path, response, replace=True)
        if run(CERTUTIL, ["-user", "-store", "My", thumbprint(chain[0])]).code == 0:
            return
        try:
            given = {"response": base64_text(response), "friendlyName": name}
            powershell.ask("respond", given, lambda said: said.flag("installed"))
        except powershell.Constrained:
            _accept(path, chain)

    def delete(self, reference: str) -> None:
        """Delete the certificate that was installed, if any, and the key."""
        key = Reference.parse(reference)
        response = self._path(key.label, "p7b")
        if response.exists():
            for each in read(response, pkcs7.load_der_pkcs7_certificates):
                if each.public_key() == key.public_key:
                    _expect(run(CERTUTIL, ["-user", "-delstore", "My", thumbprint(each)]), _NOT_THERE)
        for provider in [PROVIDERS[key.provider]] if key.provider else PROVIDERS.values():
            _expect(run(CERTUTIL, ["-user", "-csp", provider, "-delkey", key.label]), _NOT_THERE)
        for kind in ("inf", "req", "p7b"):
            self._path(key.label, kind).unlink(missing_ok=True)

    def found(self) -> list[Installed]:
        """Return nothing: certutil writes for people, in the language of Windows."""
        return []

    def holding(self, reference: str) -> Holding:
        """Tell by which provider the key is held."""
        return holding_of(Reference.parse(reference))

    def _request(self, label: str) -> x509.CertificateSigningRequest:
        return read(self._path(label, "req"), x509.load_pem_x509_csr)

    def _path(self, label: str, kind: str) -> Path:
        return self._folder / f"{label}.{kind}"


def inf(label: str, provider: str, friendly_name: str) -> bytes:
    """Return what certreq -new is asked for, in UTF-16LE with a byte order mark, which alone carries every name.

    No subject: the server knows it (protocol.md). Raises ValueError when a value holds a line break.
    """
    lines = (
        "[Version]",
        'Signature="$Windows NT$"',
        "",
        "[NewRequest]",
        f"FriendlyName = {inf_value(friendly_name)}",
        "RequestType = PKCS10",
        f"ProviderName = {inf_value(provider)}",
        f"KeyContainer = {inf_value(label)}",
        "KeyAlgorithm = ECDSA_P256",
        "KeyLength = 256",
        "HashAlgorithm = SHA256",
        "KeyUsage = 0x80",
        "Exportable = FALSE",
        "MachineKeySet = FALSE",
        "SMIME = FALSE",
        "Silent = TRUE",
        "",
    )
    return b"\xff\xfe" + "\r\n".join(lines).encode("utf-16-le")


def inf_value(text: str) -> str:
    """Return a text as a quoted value of an INF file: quotation marks and percent signs doubled.

    Raises ValueError when it holds a control character, which no quoting carries.
    """
    if any(ord(each) < 32 or ord(each) in (0x7F, 0x85, 0x2028, 0x2029) for each in text):
        raise ValueError("A value of an INF file is one line.")
    return '"' + text.replace('"', '""').replace("%", "%%") + '"'


def new_arguments(policy: Path, request: Path) -> list[str]:
    """Return certreq's arguments that make a key and a request: for the user, without questions, over an old file."""
    return ["-new", "-user", "-q", "-f", str(policy), str(request)]


def accept_arguments(response: Path) -> list[str]:
    """Return certreq's arguments that complete a request."""
    return ["-accept", "-user", "-q", str(response)]


def thumbprint(certificate: x509.Certificate) -> str:
    """Return what Windows calls a certificate by: its SHA-1."""
    return certificate.fingerprint(SHA1()).hex()  # noqa: S303  a name, not a protection


def _accept(response: Path, chain: Sequence[x509.Certificate]) -> None:
    ended = run(CERTREQ, accept_arguments(response))
    if ended.code != 0 and _hresults(ended) & _NO_TRUSTED_ROOT:
        raise ClientError(
            "rootNotTrusted",
            sentence("Windows takes the certificate only if it trusts its root, which {issuer} leads to."),
            sentence("Have the root certificate put among the trusted ones of this PC, and run the command again."),
            facts={"issuer": chain[0].issuer.rfc4514_string()},
        )
    _expect(ended)


def _expect(ended: Ended, forgiven: frozenset[int] = frozenset()) -> None:
    if ended.code != 0 and not _hresults(ended) & forgiven:
        raise _failed(ended)


def _hresults(ended: Ended) -> frozenset[int]:
    """Return what HRESULTs a program of Windows ended with: they stand in its text, in whatever language that is."""
    return frozenset(int(each, 16) for each in _HRESULT.findall(ended.output))


def _failed(ended: Ended) -> ClientError:
    return powershell.windows_failed(ended.text, f"exit {ended.code & 0xFFFFFFFF:#x}")


def _public_key(request: x509.CertificateSigningRequest) -> ec.EllipticCurvePublicKey:
    public_key = request.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise ClientError("foreignKey", sentence("certreq made a key of another kind."), CALL_HELP_DESK)
    return public_key
