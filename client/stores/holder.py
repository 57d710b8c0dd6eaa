"""How private keys are held: one interface for files, tokens and the key stores of systems, and the one table of kinds.

The folders under the home (`folder.SeatFolder`) stay the record of what this PC has; a holder keeps the keys, and makes
key and certificate usable by the programs of its platform. A key's life:

    create → (used to sign) → install → … → delete

Each step may be gone through again after a kill: the label is on disk before `create`, the reference before anything
is sent, and the certificate's file is written after `install` returned (`key_slot.KeySlot`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from cryptography import x509
from cryptography.x509.oid import NameOID

from client.errors import ClientError, Misuse
from client.language import sentence
from client.stores.custody import Custody
from keys.algorithms import PrivateKey


@dataclass(frozen=True, slots=True)
class Holding:
    """How one key is held, in honest words: `sentence` is a template that `facts` fill.

    `copyable` tells whether whoever is this user, or an administrator, could take a copy away; None when that is not
    known. `address` is what other programs find the key by: a path, a PKCS#11 URI, a nickname; None for none.
    """

    sentence: str
    copyable: bool | None
    address: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Installed:
    """A certificate under one of our names that the platform has; `reference` is what `delete` takes."""

    name: str
    certificate: x509.Certificate
    reference: str


class Holder(Protocol):
    """Holds private keys; every method raises ClientError with a remedy when it cannot.

    Made with `(place, folder)`: the place of the `Custody`, and the folder (0700) of the key's generation, for what the
    holder must keep on disk itself; that folder moves and is deleted as a whole, so references are relative to it.
    Signing may be asked from several threads.
    """

    name: ClassVar[str]
    """The word of --store, of `warifu status` and of the device that the server is told of."""

    holds_account_keys: ClassVar[bool]
    """False where the platform's keys cannot sign for us: the account's key is a file then, and `create` is asked for
    the keys of certificates only."""

    def create(self, label: str) -> str:
        """Make a P-256 key and return the reference that finds it again; it is safe from a crash when this returns.

        The key bears the label from its first moment; what an interrupted `create` left under it is replaced.
        """

    def key(self, reference: str) -> PrivateKey:
        """Return the key: a plain one, or a `keys.token.TokenKey` whose `sign` asks the platform."""

    def install(self, reference: str, chain: Sequence[x509.Certificate], name: str) -> None:
        """Give certificate (first of the chain) and key to the platform's programs under a `friendly_name`.

        Doing it twice is doing it once.
        """

    def delete(self, reference: str) -> None:
        """Delete the key and its certificate; nothing there is no error.

        The label of an interrupted `create`, which has no reference yet, is taken too.
        """

    def found(self) -> list[Installed]:
        """Return the certificates under our names that the platform has, whichever home they are of."""

    def holding(self, reference: str) -> Holding:
        """Tell how the key is held, from what is known without a PIN and without opening the token."""


def holder_of(custody: Custody, folder: Path) -> Holder:
    """Return the holder of a custody for the keys of a folder. Raises Misuse when there is no such store.

    Imports stand in the branches, so that `files` loads nothing of the others.
    """
    place = custody.place
    match custody.store:
        case "files":
            from client.stores.key_files import KeyFiles

            return KeyFiles(place, folder)
        case "nss":
            from client.stores.nss import Nss

            return Nss(place, folder)
        case "pkcs11":
            from client.stores.pkcs11 import Pkcs11

            return Pkcs11(place, folder)
        case "tpm":
            from client.stores.tpm import Tpm

            return Tpm(place, folder)
        case "windows":
            from client.stores.windows import holder

            return holder(place, folder)
        case "macos":
            from client.stores.macos import MacOs

            return MacOs(place, folder)
    raise Misuse(
        "unknownStore",
        sentence("There is no store {store}."),
        facts={"store": custody.store},
        fields={"--store": custody.store},
    )


def friendly_name(certificate: x509.Certificate) -> str:
    """Return what people tell certificates apart by in the platform's dialogs: "F123456-001 (2027-12-25)"."""
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return f"{name.value!s} ({certificate.not_valid_after_utc:%Y-%m-%d})"


def missing_package(store: str, package: str) -> ClientError:
    """Return the error that a store's Python package is not installed."""
    return ClientError(
        "missingPackage",
        sentence("The store {store} needs the Python package {package}."),
        sentence("Install it with: pip install 'warifu[{store}]'"),
        facts={"store": store, "package": package},
    )


def missing_program(store: str, program: str, package: str) -> ClientError:
    """Return the error that a program of the system is not installed."""
    return ClientError(
        "missingProgram",
        sentence("The store {store} needs the program {program}."),
        sentence("Install the Debian package {package}, or what your system calls it."),
        facts={"store": store, "program": program, "package": package},
    )
