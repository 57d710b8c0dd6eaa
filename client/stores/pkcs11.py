"""The holder `pkcs11`: keys made in a token, an HSM or a smart card, which signs and never gives them out.

CKA_ID is the key's label, from its first moment to its last, and is the reference; CKA_LABEL becomes the friendly name
when the certificate is stored beside the key. What the token promises of a key is read back as soon as it is made, so
that `holding` can speak without a PIN. A process logs in once and tries no PIN twice, nor does the next one
(`wrong_pins`), for tokens lock themselves.
"""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from client.console import Console
from client.errors import ClientError, NeedsPerson
from client.language import sentence
from client.password import read_text
from client.stores.apart import apart
from client.stores.holder import Holding, Installed, missing_package
from client.stores.key_slot import LABEL_PREFIX
from client.stores.lock import home_above
from client.stores.token_uri import TokenUri
from client.stores.wrong_pins import WrongPins
from keys.algorithms import PrivateKey
from keys.errors import KeysError
from keys.token import TokenKey

try:
    import pkcs11 as cryptoki
    from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, TokenFlag
    from pkcs11 import exceptions as refusals
    from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters
    from pkcs11.util.x509 import decode_x509_certificate
except ImportError as error:
    raise missing_package("pkcs11", "python-pkcs11") from error

if TYPE_CHECKING:
    from pkcs11 import Object, Session, Token

_SESSIONS: Final[dict[tuple[Path, bytes], "Session"]] = {}
_REFUSED: Final[dict[tuple[Path, bytes], NeedsPerson]] = {}
"""What the tokens said that did not let this process in; it asks them no second time."""

_PROMISES: Final = (Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE)
_WRONG_PIN: Final = (refusals.PinIncorrect, refusals.PinInvalid, refusals.PinLenRange)
_BAD_PIN: Final = (*_WRONG_PIN, refusals.PinExpired, refusals.PinLocked)
_AWAY: Final = (refusals.NoSuchToken, refusals.TokenNotPresent, refusals.DeviceRemoved, refusals.TokenNotRecognised)


class Pkcs11:
    """Holds keys in one token."""

    name: ClassVar[str] = "pkcs11"
    holds_account_keys: ClassVar[bool] = True

    def __init__(self, place: str, folder: Path) -> None:
        self._token: Final = TokenUri.parse(place)
        self._wrong: Final = WrongPins(home_above(folder))
        context = click.get_current_context(silent=True)  # it belongs to this thread
        self._console: Final = None if context is None else context.find_object(Console)

    @apart
    def create(self, label: str) -> str:
        """Make a key in the token, in place of one that has the label.

        Raises ClientError when the token would give the key out, or refuses; NeedsPerson for its PIN.
        """
        with self._session() as session:
            _destroy(session, label)
            curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
            parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
            _, private = parameters.generate_keypair(
                id=label.encode("ascii"),
                label=label,
                store=True,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
                private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
            )
            if not all(private[each] for each in _PROMISES):
                _destroy(session, label)
                raise ClientError(
                    "keyNotProtected",
                    sentence("The token {token} would give its keys out."),
                    sentence("Use another token, or another --store."),
                    facts={"token": self._token},
                )
        return label

    @apart
    def key(self, reference: str) -> PrivateKey:
        """Return the key, which signs in the token. Raises ClientError when it is not there."""
        with self._session() as session:
            public = load_der_public_key(encode_ec_public_key(self._one(session, ObjectClass.PUBLIC_KEY, reference)))
        assert isinstance(public, ec.EllipticCurvePublicKey)  # noqa: S101  `create` makes no others
        return TokenKey(public, lambda digest: self._sign(reference, digest))

    @apart
    def install(self, reference: str, chain: Sequence[x509.Certificate], name: str) -> None:
        """Store the certificate beside its key, both under the friendly name."""
        attributes = decode_x509_certificate(chain[0].public_bytes(Encoding.DER))
        with self._session() as session:
            stored = list(_objects(session, reference, ObjectClass.CERTIFICATE))
            if not any(each[Attribute.VALUE] == attributes[Attribute.VALUE] for each in stored):
                own = {Attribute.TOKEN: True, Attribute.PRIVATE: False}
                named = {Attribute.ID: reference.encode("ascii"), Attribute.LABEL: name}
                session.create_object({**attributes, **own, **named})
            for each in _objects(session, reference):
                with suppress(refusals.PKCS11Error):  # some tokens let no label be changed; the certificate has it
                    each[Attribute.LABEL] = name

    @apart
    def delete(self, reference: str) -> None:
        """Delete key and certificate from the token."""
        with self._session() as session:
            _destroy(session, reference)

    @apart
    def found(self) -> list[Installed]:
        """Return the certificates in the token that were stored beside keys of ours."""
        with self._session() as session:
            stored = list(session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}))
            return [_installed(each) for each in stored if each[Attribute.ID].startswith(LABEL_PREFIX.encode())]

    def holding(self, reference: str) -> Holding:
        """Tell that the key is in the token."""
        what = sentence("in the token {token}, which signs with it and never gives it out")
        return Holding(what, copyable=False, address=self._token.key(reference), facts={"token": str(self._token)})

    @apart
    def _sign(self, reference: str, digest: bytes) -> bytes:
        with self._session() as session:
            signature: bytes = self._one(session, ObjectClass.PRIVATE_KEY, reference).sign(
                digest, mechanism=Mechanism.ECDSA
            )
            return signature

    def _one(self, session: "Session", kind: "ObjectClass", reference: str) -> Any:
        for each in _objects(session, reference, kind):
            return each
        raise ClientError(
            "missingKey",
            sentence("The key {key} is no longer in the token {token}."),
            sentence("Put the right token in; if the key was deleted, ask your administrator for a new certificate."),
            facts={"key": reference, "token": self._token},
        )

    @contextmanager
    def _session(self) -> Iterator["Session"]:
        """Give a session that is logged in, and turn what the token says into errors of ours."""
        facts = {"token": self._token, "module": self._token.module}
        try:
            yield self._opened()
        except _AWAY as error:
            raise NeedsPerson(
                "noToken",
                sentence("There is no token {token} that {module} can reach."),
                sentence("Put it in, and see that the module is the right one."),
                facts=facts,
            ) from error
        except refusals.PKCS11Error as error:
            what = sentence("The token {token} failed: {reason}.")
            facts["reason"] = str(error) or type(error).__name__
            raise ClientError("tokenFailed", what, facts=facts) from error

    def _opened(self) -> "Session":
        token = self._found()
        place = (self._token.module, token.serial)
        if place in _REFUSED:
            raise _REFUSED[place]
        if place not in _SESSIONS:
            pin = self._pin(token)
            try:
                _SESSIONS[place] = token.open(rw=True, user_pin=pin)
            except _BAD_PIN as error:
                _REFUSED[place] = self._refused()
                if isinstance(error, _WRONG_PIN) and isinstance(pin, str) and self._token.pin_file is not None:
                    with suppress(KeysError):  # a home that cannot be written; what the token said counts more
                        self._wrong.remember(token.serial, pin)
                raise _REFUSED[place] from error
        return _SESSIONS[place]

    def _refused(self) -> NeedsPerson:
        return NeedsPerson(
            "wrongPin",
            sentence("The token {token} does not take the PIN, or has locked it."),
            sentence("Correct the PIN before you try again: after some wrong ones a token locks itself."),
            facts={"token": self._token},
        )

    def _found(self) -> "Token":
        library = cryptoki.lib(str(self._token.module))
        serial = self._token.serial
        return library.get_token(
            token_label=self._token.token, token_serial=None if serial is None else serial.encode("ascii")
        )

    def _pin(self, token: "Token") -> object:
        """Return what the token wants for a login: nothing, a PIN typed on itself, or one from a file or a person."""
        if TokenFlag.LOGIN_REQUIRED not in token.flags:
            return None
        if TokenFlag.USER_PIN_FINAL_TRY in token.flags:
            raise NeedsPerson(
                "lastTry",
                sentence("One more wrong PIN would lock the token {token}, so none is tried."),
                sentence("Log in to it with its own program first; then the token counts from the beginning."),
                facts={"token": self._token},
            )
        if TokenFlag.PROTECTED_AUTHENTICATION_PATH in token.flags:
            return cryptoki.PROTECTED_AUTH
        if self._token.pin_file is not None:
            return self._pin_of(self._token.pin_file, token.serial)
        return self._asked()

    def _pin_of(self, file: Path, serial: bytes) -> str:
        """Return the PIN that a file has. Raises NeedsPerson when the token refused this one before."""
        pin = read_text(file, "--pkcs11-pin-file").rstrip("\r\n")
        if self._console is not None and os.name != "nt" and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            self._console.tell("Warning: others may read the PIN in {path}. Run: chmod 600 {path}", path=str(file))
        if self._wrong.has(serial, pin):
            raise NeedsPerson(
                "wrongPin",
                sentence("The token {token} has refused the PIN in {path} before, so it is not tried again."),
                sentence("Correct the PIN in that file. If the token's PIN was changed to this one, delete {memory}."),
                facts={"token": self._token, "path": file, "memory": self._wrong.file},
            )
        return pin

    def _asked(self) -> str:
        if self._console is None or not sys.stdin.isatty():
            raise NeedsPerson(
                "noPin",
                sentence("There is no terminal to ask for the PIN of the token {token}."),
                sentence("Run the command in a terminal, or enrol with --pkcs11-pin-file FILE."),
                facts={"token": self._token},
            )
        question = self._console.say("PIN of the token {token}", token=str(self._token))
        typed: str = click.prompt(question, hide_input=True, err=True)
        return typed


def _objects(session: "Session", reference: str, kind: "ObjectClass | None" = None) -> "list[Object]":
    wanted: dict[Attribute, object] = {Attribute.ID: reference.encode("ascii")}
    if kind is not None:
        wanted[Attribute.CLASS] = kind
    return list(session.get_objects(wanted))


def _destroy(session: "Session", reference: str) -> None:
    for each in _objects(session, reference):
        each.destroy()


def _installed(stored: "Object") -> Installed:
    certificate = x509.load_der_x509_certificate(stored[Attribute.VALUE])
    return Installed(stored[Attribute.LABEL], certificate, stored[Attribute.ID].decode("ascii"))
