"""Where a folder keeps one private key, or remembers who holds it.

NAME.pem     the key itself (`files`)
NAME.json    holder, place, label and reference of a key that is held elsewhere, or in another form

The label is on disk before the key is made, and the reference before anything is asked for that hangs on it. So a kill
in between leaves a note without a reference, whose key is no use to anybody: it is made anew under the same label,
which replaces it, or deleted by its label.
"""

import json
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from cryptography import x509

from client.errors import ClientError
from client.stores.custody import FILES, Custody
from client.stores.disk import read
from client.stores.holder import Holder, Holding, friendly_name, holder_of
from client.stores.key_files import KeyFiles
from keys.algorithms import PrivateKey
from keys.keystore import write_private
from protocol.members import Members
from protocol.strict_json import strict_json

LABEL_PREFIX: Final = "warifu-"
"""What the labels of all our keys begin with; random digits follow, for several homes may share a token."""


@dataclass(frozen=True, slots=True)
class _Note:
    custody: Custody
    label: str
    reference: str | None = None

    def render(self) -> bytes:
        members = {
            "holder": self.custody.store,
            "place": self.custody.place,
            "label": self.label,
            "reference": self.reference,
        }
        return json.dumps(members, ensure_ascii=False, indent=1).encode()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        members = Members(strict_json(content))
        custody = Custody(members.text("holder"), members.text("place"))
        return cls(custody, members.text("label"), members.optional("reference", members.text))


@dataclass(frozen=True, slots=True)
class KeySlot:
    """The place of one key: `name` is "key" for a certificate's and "account.key" for an account's."""

    folder: Path
    name: str

    @property
    def begun(self) -> bool:
        """Tell whether the key is there, rather than what a process killed in `make` left."""
        return self._pem.exists() or (self._note.exists() and self._read().reference is not None)

    @property
    def store(self) -> str:
        """Return the word of the key's store."""
        return self._found()[0].name

    def make(self, custody: Custody) -> None:
        """Make the key. Raises KeystoreError or ClientError when it cannot be."""
        if custody.store == KeyFiles.name:
            KeyFiles(custody.place, self.folder).create(self.name)
        else:
            self._create(_Note(custody, LABEL_PREFIX + secrets.token_hex(16)))

    def renew(self) -> None:
        """Make another key in place of this one, which is gone for good."""
        if self._note.exists():
            self._create(replace(self._read(), reference=None))
        else:
            self.make(FILES)

    def key(self) -> PrivateKey:
        """Return the key. Raises KeystoreError or ClientError."""
        if self._note.exists() and self._read().reference is None:  # `renew` was killed
            self.renew()
        holder, reference = self._found()
        return holder.key(reference)

    def install(self, chain: Sequence[x509.Certificate]) -> None:
        """Give certificate and key to the platform's programs. Raises ClientError."""
        holder, reference = self._found()
        holder.install(reference, chain, friendly_name(chain[0]))

    def delete(self) -> None:
        """Delete the key where it is held, and the certificate with it; the folder is the caller's to delete."""
        holder, reference = self._found()
        holder.delete(reference)

    def holding(self) -> Holding:
        """Tell how the key is held."""
        holder, reference = self._found()
        return holder.holding(reference)

    def take(self, other: "KeySlot") -> None:
        """Have another slot's key in place of this one, which is deleted.

        The steps may be gone through again after a kill: the other slot keeps its key, too.
        """
        if self._note.exists() and not (other._note.exists() and self._read() == other._read()):
            self.delete()
        if other._note.exists():
            write_private(self._note, other._note.read_bytes(), replace=True)
            self._pem.unlink(missing_ok=True)
        else:
            write_private(self._pem, other._pem.read_bytes(), replace=True)
            self._note.unlink(missing_ok=True)

    @property
    def _pem(self) -> Path:
        return self.folder / f"{self.name}.pem"

    @property
    def _note(self) -> Path:
        return self.folder / f"{self.name}.json"

    def _read(self) -> _Note:
        return read(self._note, _Note.parse)

    def _create(self, note: _Note) -> None:
        write_private(self._note, note.render(), replace=True)
        reference = holder_of(note.custody, self.folder).create(note.label)
        write_private(self._note, replace(note, reference=reference).render(), replace=True)

    def _found(self) -> tuple[Holder, str]:
        """Return who holds the key, and by which reference, or the label of one that may be half made."""
        if not self._note.exists():
            return KeyFiles("", self.folder), self.name
        note = self._read()
        return holder_of(note.custody, self.folder), note.reference or note.label


def dispose(folder: Path) -> None:
    """Delete a folder and what is beneath it, after the keys that its notes tell of.

    Raises ClientError when a key cannot be deleted; the folder is whole then, so that it can be tried again.
    """
    for note in sorted(folder.rglob("*key.json")):
        KeySlot(note.parent, note.stem).delete()
    shutil.rmtree(folder)


def dispose_if_possible(folder: Path) -> None:
    """Delete a folder as `dispose` does, or leave it for the next time when its token is away."""
    with suppress(ClientError):
        dispose(folder)
