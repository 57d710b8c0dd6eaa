"""The holder `nss`: the certificate databases of Chromium and Firefox on Linux.

NSS can neither make a key that nobody can copy nor sign for other programs. So a certificate's key is made as a file,
imported together with its certificate, and the file deleted; the account's key, which signs renewals, stays a file. The
reference is NSS's own name for the key (`nss_database.identifier`), by which it is found again.

Of the databases that are found, not named, those with a password of their own are left out, and told of: a new profile
of Firefox with a primary password must not end all renewals.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import click
from cryptography import x509

from client.config import KEY_KIND
from client.console import Console
from client.errors import ClientError
from client.language import sentence
from client.stores.holder import Holding, Installed
from client.stores.nss_database import NssDatabase, identifier
from keys.algorithms import PrivateKey
from keys.generate import generate
from keys.keystore import export_pkcs12, load_key, save_key

_KEY_FILE: Final = "nss.pem"
_CHROMIUM: Final = ".pki/nssdb"
_FIREFOX: Final = (
    ".mozilla/firefox/*/cert9.db",
    "snap/firefox/common/.mozilla/firefox/*/cert9.db",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*/cert9.db",
)

_TOLD: Final[set[Path]] = set()


class Nss:
    """Holds keys in the databases of `place`, a folder a line; empty, in Chromium's and each Firefox profile found."""

    name: ClassVar[str] = "nss"
    holds_account_keys: ClassVar[bool] = False

    def __init__(self, place: str, folder: Path) -> None:
        self._place: Final = place
        self._folder: Final = folder
        self._file: Final = folder / _KEY_FILE
        context = click.get_current_context(silent=True)  # it belongs to this thread
        self._console: Final = None if context is None else context.find_object(Console)

    def create(self, label: str) -> str:
        """Make a key as a file, to be imported, after a look whether the databases will take it.

        Raises NeedsPerson for a named database with a password of its own, or where all found have one.
        """
        for database in self._open():
            database.prepare()
        key = generate(KEY_KIND)
        save_key(self._file, key, None, replace=True)
        return identifier(key.public_key())

    def key(self, reference: str) -> PrivateKey:
        """Return the key, from its file or, once it is installed, out of a database."""
        if self._file.exists():
            return load_key(self._file, None)
        for database in self._open(reference):
            key = database.take(reference, self._folder)
            if key is not None:
                return key
        raise ClientError(
            "missingKey",
            sentence("The key is no longer in the browsers' certificate databases."),
            sentence("If it was deleted there, ask your administrator for a new certificate."),
        )

    def install(self, reference: str, chain: Sequence[x509.Certificate], name: str) -> None:
        """Import key, certificate and issuers into each database that opens, then delete the key's file."""
        passphrase = secrets.token_urlsafe()
        packed = export_pkcs12(name, self.key(reference), chain[0], chain[1:], passphrase)
        for database in self._open():
            database.prepare()
            database.put(packed, passphrase, self._folder)
            database.rename(reference, name)
        self._file.unlink(missing_ok=True)

    def delete(self, reference: str) -> None:
        """Delete the key and its certificate from each database; the issuers stay, for others may need them."""
        self._file.unlink(missing_ok=True)
        for database in self._open(reference):
            database.remove(reference)

    def found(self) -> list[Installed]:
        """Return what the databases have under our names."""
        return [each for database in self._databases() for each in database.certificates()]

    def holding(self, reference: str) -> Holding:
        """Tell that the browsers have the key."""
        return Holding(sentence("in the browsers' certificate databases, where this user can copy it"), copyable=True)

    def _open(self, reference: str | None = None) -> list[NssDatabase]:
        """Return the databases to work on, last those that are closed and have a key: they will ask for a person."""
        databases = self._databases()
        if self._place:
            return databases
        closed = [each for each in databases if not each.opens()]
        if len(closed) == len(databases):
            return databases
        needed = [each for each in closed if any(one.reference == reference for one in each.certificates())]
        for each in closed:
            if each not in needed and self._console is not None and each.folder not in _TOLD:
                _TOLD.add(each.folder)
                self._console.tell(
                    "Warning: the certificate database {folder} has a password of its own and is left out.",
                    folder=str(each.folder),
                )
        return [*(each for each in databases if each not in closed), *needed]

    def _databases(self) -> list[NssDatabase]:
        if self._place:
            return [NssDatabase(Path(each)) for each in self._place.splitlines()]
        home = Path.home()
        profiles = sorted(path.parent for pattern in _FIREFOX for path in home.glob(pattern))
        return [NssDatabase(each) for each in (home / _CHROMIUM, *profiles)]
