"""Signed notes, the text format that transparency logs sign their checkpoints in (c2sp.org/signed-note), by Ed25519.

    text, of whole lines

    — NAME BASE64(key id ‖ signature)

A key is known by a name and an id, the first four octets of SHA-256(name ‖ "\\n" ‖ 0x01 ‖ public key); in text it is
`NAME+ID+BASE64(0x01 ‖ public key)`. The signature is over the text with its last line's end.
"""

import base64
import binascii
import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.algorithms import PrivateKey
from keys.errors import BadSignature, UnsupportedKey

_ED25519 = b"\x01"
_DASH = "\N{EM DASH}"
_ID_LENGTH = 4
_KEY_LENGTH = 32
_SEPARATOR = "\n\n"


@dataclasses.dataclass(frozen=True)
class NoteKey:
    """A public key that notes are verified with, and its name."""

    name: str
    public: Ed25519PublicKey

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or not self.name.isprintable() or any(map(str.isspace, self.name)):
            raise ValueError(f"{self.name!r} cannot be the name of a key: no blanks and no plus sign.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that a text names. Raises UnsupportedKey for anything else."""
        name, _, rest = text.strip().partition("+")
        wanted, _, encoded = rest.partition("+")
        try:
            octets = base64.b64decode(encoded, validate=True)
            if octets[:1] != _ED25519 or len(octets) != 1 + _KEY_LENGTH:
                raise ValueError(encoded)
            key = cls(name, Ed25519PublicKey.from_public_bytes(octets[1:]))
        except (ValueError, binascii.Error) as error:
            raise UnsupportedKey("This is no public key of a signed note: NAME+ID+BASE64, of Ed25519.") from error
        if key.id.hex() != wanted:
            raise UnsupportedKey("The id of the public key is not the one of name and key: it was changed.")
        return key

    @classmethod
    def of(cls, name: str, private: PrivateKey) -> Self:
        """Return the public part of a key. Raises UnsupportedKey unless it is Ed25519."""
        return cls(name, _ed25519(private).public_key())

    @property
    def octets(self) -> bytes:
        """Return the kind and the public key."""
        return _ED25519 + self.public.public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def id(self) -> bytes:
        """Return what the key is found by beside its name."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.octets).digest()[:_ID_LENGTH]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self.octets).decode('ascii')}"


def sign_note(text: str, name: str, private: PrivateKey) -> str:
    """Return the note: a text of whole lines, signed. Raises UnsupportedKey unless the key is Ed25519."""
    if not text.endswith("\n") or _SEPARATOR in text:
        raise ValueError("A note is made of whole lines, none of them empty.")
    signature = NoteKey.of(name, private).id + _ed25519(private).sign(text.encode())
    return f"{text}\n{_DASH} {name} {base64.b64encode(signature).decode('ascii')}\n"


def verify_note(note: str, keys: Iterable[NoteKey]) -> str:
    """Return the text of a note that one of the keys signed; signatures of others are passed over.

    Raises BadSignature when there is none of theirs, one of theirs is wrong, or it is no note.
    """
    text, separator, signatures = note.rpartition(_SEPARATOR)
    text += "\n"
    lines = signatures.splitlines()
    if not separator or not lines or note != f"{text}\n" + "".join(f"{line}\n" for line in lines):
        raise BadSignature("This is no signed note.")
    try:
        octets_signed = text.encode()
    except UnicodeEncodeError as error:  # half a character, as JSON can hold
        raise BadSignature("This is no signed note.") from error
    known = {(key.name, key.id): key for key in keys}
    signed = False
    for line in lines:
        name, octets = _signature(line)
        key = known.get((name, octets[:_ID_LENGTH]))
        if key is not None:
            try:
                key.public.verify(octets[_ID_LENGTH:], octets_signed)
            except InvalidSignature as error:
                raise BadSignature("The note was not signed by {name}, or was changed since.", name=name) from error
            signed = True
    if not signed:
        raise BadSignature("The note bears no signature of a key that is known here.")
    return text


def _signature(line: str) -> tuple[str, bytes]:
    parts = line.split(" ")
    try:
        dash, name, encoded = parts
        octets = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise BadSignature("This is no signed note.") from error
    if dash != _DASH or len(octets) <= _ID_LENGTH or base64.b64encode(octets).decode("ascii") != encoded:
        raise BadSignature("This is no signed note.")
    return name, octets


def _ed25519(key: PrivateKey) -> Ed25519PrivateKey:
    if not isinstance(key, Ed25519PrivateKey):
        raise UnsupportedKey("Notes are signed with an Ed25519 key.")
    return key
