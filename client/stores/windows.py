"""The holder `windows`: keys that Windows makes and keeps (CNG), in the TPM where there is one, never exportable.

PowerShell makes, uses and deletes them by name (`powershell`, `scripts`); the certificate goes into the user's own
store, CurrentUser\\My, tied to its key, where browsers and other programs of Windows find it. Where PowerShell is not
let, `certreq` does it.

A reference is PROVIDER:LABEL:POINT, the point being the public key (SEC 1 §2.3.3, uncompressed, base64url), so that
only signing starts a program.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from client.errors import CALL_HELP_DESK, ClientError
from client.language import sentence
from client.stores import powershell
from client.stores.curve_point import encoded_point, from_point
from client.stores.holder import Holder, Holding, Installed
from keys.algorithms import PrivateKey
from keys.token import TokenKey
from protocol import base64url
from protocol.members import Members

TPM: Final = "tpm"
SOFTWARE: Final = "software"
PROVIDERS: Final = MappingProxyType(
    {TPM: "Microsoft Platform Crypto Provider", SOFTWARE: "Microsoft Software Key Storage Provider"}
)
"""The word in a reference → the key storage provider, in the order in which they are tried."""

CERTREQ: Final = "certreq"
"""The place of a custody whose keys `certreq` makes."""

OUR_NAMES: Final = r"^F[0-9]{6}-[0-9]{3} \("
"""The friendly names that `holder.friendly_name` gives."""

_COORDINATE_BYTES = 32
# BCRYPT_ECCKEY_BLOB: the magic BCRYPT_ECDSA_PUBLIC_P256_MAGIC, the length of a coordinate, then x and y.
_BLOB_HEADER = b"ECS1" + _COORDINATE_BYTES.to_bytes(4, "little")
_WORDS = MappingProxyType(
    {
        TPM: (sentence("the PC's security chip (TPM); nobody can copy it"), False),
        SOFTWARE: (
            sentence("the key store of Windows, not exportable; not in a security chip, for Windows offers none here"),
            None,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Reference:
    """What finds a key again; `point` is its public key."""

    provider: str
    label: str
    point: bytes

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public key."""
        return from_point(self.point)

    def render(self) -> str:
        """Return the text that is remembered."""
        return f"{self.provider}:{self.label}:{base64url.encode(self.point)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what a text refers to; the label alone is of a key that may be half made. Raises ClientError."""
        if ":" not in text:
            return cls("", text, b"")
        try:
            provider, label, point = text.split(":")
            if provider not in PROVIDERS:
                raise ValueError("This is no provider of ours.")
            reference = cls(provider, label, base64url.decode(point))
            reference.public_key.public_numbers()
        except ValueError as error:
            what = sentence("The note of where a key is held is damaged.")
            raise ClientError("damagedStore", what, CALL_HELP_DESK) from error
        return reference


class Windows:
    """Holds keys in Windows' key storage providers."""

    name: ClassVar[str] = "windows"
    holds_account_keys: ClassVar[bool] = True

    def __init__(self, _place: str, _folder: Path) -> None:
        pass

    def create(self, label: str) -> str:
        """Make a key, in the TPM if it can be."""
        given = {"name": label, "providers": list(PROVIDERS.values())}
        provider, blob = powershell.ask("create", given, lambda said: (said.text("provider"), said.text("public")))
        return Reference(_word(provider), label, point_of(blob)).render()

    def key(self, reference: str) -> PrivateKey:
        """Return the key; each signature starts PowerShell once."""
        key = Reference.parse(reference)

        def sign(digest: bytes) -> bytes:
            given = {**_whereabouts(key), "digest": base64_text(digest)}
            return base64.b64decode(powershell.ask("sign", given, lambda said: said.text("signature")))

        return TokenKey(key.public_key, sign)

    def install(self, reference: str, chain: Sequence[x509.Certificate], name: str) -> None:
        """Put the certificate into the user's store with its key, and the issuers that are no roots beside it."""
        leaf, *issuers = chain
        given = {
            **_whereabouts(Reference.parse(reference)),
            "certificate": _der(leaf),
            "issuers": [_der(each) for each in issuers if each.subject != each.issuer],
            "friendlyName": name,
        }
        powershell.ask("install", given, lambda said: said.text("thumbprint"))

    def delete(self, reference: str) -> None:
        """Delete certificate and key from wherever they are."""
        key = Reference.parse(reference)
        providers = [PROVIDERS[key.provider]] if key.provider else list(PROVIDERS.values())
        given = {"name": key.label, "point": base64_text(key.point), "providers": providers}
        powershell.ask("delete", given, lambda said: said.flag("deleted"))

    def found(self) -> list[Installed]:
        """Return the certificates of the user's store under our names."""
        given = {"pattern": OUR_NAMES}
        listed = powershell.ask("list", given, lambda said: said.mappings("certificates"))
        return [each for item in listed if (each := _installed(Members(item))) is not None]

    def holding(self, reference: str) -> Holding:
        """Tell by which provider the key is held."""
        return holding_of(Reference.parse(reference))


def holder(place: str, folder: Path) -> Holder:
    """Return the holder of a place."""
    from client.stores.certreq import CertReq

    return CertReq(place, folder) if place == CERTREQ else Windows(place, folder)


def best_place() -> str:
    """Return the place of a new custody: empty, or CERTREQ where PowerShell or .NET will not do."""
    try:
        modern = powershell.ask("probe", {}, lambda said: said.flag("modern"))
    except powershell.Constrained:
        return CERTREQ
    return "" if modern else CERTREQ


def point_of(blob: str) -> bytes:
    """Return the point of a public key that CNG exported as EccPublicBlob, in base64. Raises ValueError for another."""
    octets = base64.b64decode(blob, validate=True)
    header, coordinates = octets[: len(_BLOB_HEADER)], octets[len(_BLOB_HEADER) :]
    if header != _BLOB_HEADER or len(coordinates) != 2 * _COORDINATE_BYTES:
        raise ValueError("This is no public key of P-256.")
    return b"\x04" + coordinates


def holding_of(key: Reference) -> Holding:
    """Tell how a key is held."""
    words, copyable = _WORDS[key.provider or SOFTWARE]
    return Holding(words, copyable, key.label)


def _whereabouts(key: Reference) -> dict[str, object]:
    return {"name": key.label, "provider": PROVIDERS[key.provider]}


def _word(provider: str | None) -> str:
    return next((word for word, name in PROVIDERS.items() if name == provider), SOFTWARE)


def _installed(members: Members) -> Installed | None:
    """Return one row of what the store lists, None when the key is of another kind."""
    certificate = x509.load_der_x509_certificate(base64.b64decode(members.text("certificate")))
    public_key = certificate.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        return None
    word = _word(members.optional("provider", members.text))
    reference = Reference(word, members.optional("label", members.text) or "", encoded_point(public_key))
    return Installed(members.text("name"), certificate, reference.render())


def _der(certificate: x509.Certificate) -> str:
    return base64_text(certificate.public_bytes(Encoding.DER))


def base64_text(octets: bytes) -> str:
    """Return octets as Windows' programs write them."""
    return base64.b64encode(octets).decode("ascii")
