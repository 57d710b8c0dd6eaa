"""A key in a PKCS#11 token, an HSM or a smart card, which signs and never gives it out: made there, and used there.

It is named by a URI (RFC 7512) of the module that speaks to the token, the token's label or serial number, and the
key's label:

    pkcs11:token=officers;object=sato?module-path=/usr/lib/softhsm/libsofthsm2.so

A PIN never stands in one, for arguments and records are read by others. A PIN is tried once: tokens lock themselves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from keys.errors import KeystoreError, WrongPassphrase
from keys.token import TokenKey

if TYPE_CHECKING:
    from pkcs11 import Session

SCHEME: Final = "pkcs11:"
_KNOWN: Final = {"token", "serial", "object", "module-path"}


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a key is: the module, the token by its label or serial number, the key's label."""

    module: str
    label: str
    token: str | None = None
    serial: str | None = None

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Returns what a URI names. Raises KeystoreError when it names too little, or what would be passed over."""
        path, _, query = uri.removeprefix(SCHEME).partition("?")
        parts = [part.partition("=") for part in (*path.split(";"), *query.split("&")) if part]
        members = {name: unquote(value) for name, _, value in parts}
        strange = ", ".join(sorted(members.keys() - _KNOWN))
        if strange:
            raise KeystoreError(f"{strange} cannot stand in a key's URI here; a PIN is asked for, or read from a file.")
        module, label = members.get("module-path"), members.get("object")
        if not module or not label or not (members.get("token") or members.get("serial")):
            raise KeystoreError("Name the key as pkcs11:token=TOKEN;object=KEY?module-path=MODULE.")
        return cls(str(Path(module).absolute()), label, members.get("token"), members.get("serial"))

    def __str__(self) -> str:
        return f"{self.label} ({self.token or self.serial})"


def make(place: TokenPlace, pin: str) -> ec.EllipticCurvePublicKey:
    """Makes a P-256 key in the token and returns its public half.

    Raises KeystoreError when a key has the label already or the token refuses, WrongPassphrase for its PIN.
    """
    from pkcs11 import Attribute, KeyType, MechanismFlag
    from pkcs11.util.ec import encode_named_curve_parameters

    with _session(place, pin) as session:
        if list(session.get_objects({Attribute.LABEL: place.label})):
            raise KeystoreError(f"{place} exists already and is not overwritten.")
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
            store=True,
            label=place.label,
            capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )
        return _public(session, place)


@contextmanager
def opened(place: TokenPlace, pin: str) -> Iterator[TokenKey]:
    """Gives the key while the token is open. Raises KeystoreError when it is not there, WrongPassphrase for the PIN."""
    from pkcs11 import Mechanism, ObjectClass

    with _session(place, pin) as session:
        private = _one(session, place, ObjectClass.PRIVATE_KEY)
        yield TokenKey(_public(session, place), lambda digest: bytes(private.sign(digest, mechanism=Mechanism.ECDSA)))


def _public(session: "Session", place: TokenPlace) -> ec.EllipticCurvePublicKey:
    from pkcs11 import ObjectClass
    from pkcs11.util.ec import encode_ec_public_key

    key = load_der_public_key(encode_ec_public_key(_one(session, place, ObjectClass.PUBLIC_KEY)))
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise KeystoreError(f"{place} is no elliptic curve key.")
    return key


def _one(session: "Session", place: TokenPlace, kind: Any) -> Any:
    from pkcs11 import Attribute

    for each in session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: place.label}):
        return each
    raise KeystoreError(f"There is no key {place}.")


@contextmanager
def _session(place: TokenPlace, pin: str) -> Iterator["Session"]:
    try:
        import pkcs11
        from pkcs11 import exceptions as refusals
    except ImportError as error:
        raise KeystoreError("Keys in tokens need python-pkcs11: pip install 'warifu[pkcs11]'.") from error
    serial = None if place.serial is None else place.serial.encode("ascii", "replace")
    try:
        token = pkcs11.lib(place.module).get_token(token_label=place.token, token_serial=serial)
        with token.open(rw=True, user_pin=pin) as session:
            yield session
    except (refusals.PinIncorrect, refusals.PinInvalid, refusals.PinLenRange, refusals.PinLocked) as error:
        raise WrongPassphrase(f"The token of {place} does not take the PIN, or has locked it.") from error
    except (refusals.PKCS11Error, RuntimeError, ValueError) as error:
        raise KeystoreError(f"The token of {place} cannot be used: {error or type(error).__name__}.") from error
