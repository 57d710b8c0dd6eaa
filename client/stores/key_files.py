"""The holder `files`: a private key as a file of its folder, PKCS#8 in PEM with mode 0600, for servers and scripts."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from cryptography import x509

from client.config import KEY_KIND
from client.language import sentence
from client.stores.holder import Holding, Installed
from keys.algorithms import PrivateKey
from keys.generate import generate
from keys.keystore import load_key, save_key


class KeyFiles:
    """Holds keys in a folder; label and reference are a file's name without its ending."""

    name: ClassVar[str] = "files"
    holds_account_keys: ClassVar[bool] = True

    def __init__(self, _place: str, folder: Path) -> None:
        self._folder: Final = folder

    def create(self, label: str) -> str:
        """Make a key, in place of one that has the label. Raises KeystoreError."""
        save_key(self._path(label), generate(KEY_KIND), None, replace=True)
        return label

    def key(self, reference: str) -> PrivateKey:
        """Return the key. Raises KeystoreError."""
        return load_key(self._path(reference), None)

    def install(self, reference: str, chain: Sequence[x509.Certificate], name: str) -> None:
        """Do nothing: the programs that read PEM find it beside the key."""

    def delete(self, reference: str) -> None:
        """Delete the file."""
        self._path(reference).unlink(missing_ok=True)

    def found(self) -> list[Installed]:
        """Return nothing: the store's own folders are the list."""
        return []

    def holding(self, reference: str) -> Holding:
        """Tell that it is a file."""
        what = sentence("a file of this user; whoever can read it can copy it")
        return Holding(what, copyable=True, address=str(self._path(reference)))

    def _path(self, reference: str) -> Path:
        return self._folder / f"{reference}.pem"
