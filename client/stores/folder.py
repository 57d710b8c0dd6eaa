"""One seat on this PC, as a folder: its account and its line of certificates, old and renewed (both stay valid, U4).

account.key.pem      the account's private key, 0600; or account.key.json, which tells who holds it (`key_slot`)
account.json         which server, account and seat (`Record`); written last, so that it means: all is here
ca.pem               the certificates that were named with --ca-file at enrolment, if any
generations/0001/    keys and certificates (`generation.Generation`)
live                 → the generation to be used: a symbolic link, or on systems without a file that names it
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from client.stores.custody import FILES, Custody
from client.stores.disk import make_folder, read
from client.stores.generation import Generation, begin_generation
from client.stores.holder import holder_of
from client.stores.key_slot import KeySlot
from keys.algorithms import PrivateKey
from keys.keystore import write_private
from protocol.members import Members
from protocol.resources import Seat
from protocol.strict_json import strict_json

TRUSTED: Final = "ca.pem"
_ACCOUNT_KEY: Final = "account.key"
_RECORD: Final = "account.json"
_LIVE: Final = "live"
_GENERATIONS: Final = "generations"


@dataclass(frozen=True, slots=True)
class Record:
    """What a seat's folder remembers of its enrolment; the members that are still unknown are None.

    `credential` is the SHA-256 of the kid in hex, never the kid; `account` the account's URL; `agreed` tells that a
    person has said yes to the seat; `custody` who holds its keys, those of renewals too.
    """

    directory: str
    credential: str
    account: str | None = None
    seat: Seat | None = None
    agreed: bool = False
    custody: Custody = FILES

    def render(self) -> bytes:
        """Return the file's content."""
        members = {
            "directory": self.directory,
            "credential": self.credential,
            "account": self.account,
            "seat": None if self.seat is None else self.seat.render(),
            "agreed": self.agreed,
            "store": self.custody.store,
            "place": self.custody.place,
        }
        return json.dumps(members, ensure_ascii=False, indent=1).encode()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return what a file's content tells; one of an older version has `files`. Raises Problem (malformed)."""
        members = Members(strict_json(content))
        seat = members.optional("seat", members.mapping)
        store = members.optional("store", members.text)
        return cls(
            members.text("directory"),
            members.text("credential"),
            members.optional("account", members.text),
            None if seat is None else Seat.parse(seat),
            members.flag("agreed"),
            FILES if store is None else Custody(store, members.text("place")),
        )


@dataclass(frozen=True, slots=True)
class SeatFolder:
    """The folder of one seat, or of an enrolment under way."""

    path: Path

    @property
    def begun(self) -> bool:
        """Tell whether the folder is whole, rather than what a process killed in `begin_seat` left."""
        try:
            return (self.path / _RECORD).exists()
        except PermissionError:  # what is closed to this login is told of when it is read
            return True

    @property
    def trusted(self) -> Path | None:
        """Return the file of certificates to trust for the seat's server, None for the system's."""
        path = self.path / TRUSTED
        return path if path.exists() else None

    def record(self) -> Record:
        """Return what is remembered. Raises ClientError when the file is damaged."""
        return read(self.path / _RECORD, Record.parse)

    def write(self, record: Record) -> None:
        """Remember something else."""
        write_private(self.path / _RECORD, record.render(), replace=True)

    @property
    def account_slot(self) -> KeySlot:
        """Return where the account's private key is kept or remembered."""
        return KeySlot(self.path, _ACCOUNT_KEY)

    def account_key(self) -> PrivateKey:
        """Return the account's private key, or one that its holder signs for. Raises KeystoreError or ClientError."""
        return self.account_slot.key()

    def generations(self) -> list[Generation]:
        """Return the line of keys and certificates, the oldest first."""
        folder = self.path / _GENERATIONS
        paths = sorted(folder.iterdir()) if folder.exists() else []
        return [Generation(path) for path in paths if path.name.isdigit() and Generation(path).slot.begun]

    def under_way(self) -> Generation | None:
        """Return the newest generation if its certificate is still to come."""
        generations = self.generations()
        return generations[-1] if generations and not generations[-1].complete else None

    def next_generation(self) -> Generation:
        """Begin a generation with a new key, held as the seat's are."""
        return begin_generation(next_path(self), self.record().custody)

    def live(self) -> Generation | None:
        """Return the generation that is in use."""
        pointer = self.path / _LIVE
        if pointer.is_symlink():
            return Generation(self.path / pointer.readlink())
        if pointer.exists():
            return Generation(self.path / pointer.read_text("ascii").strip())
        return None


def begin_seat(path: Path, record: Record, trusted: bytes | None) -> SeatFolder:
    """Make a folder and both keys, on disk or in their token when this returns."""
    folder = SeatFolder(path)
    make_folder(path)
    accounts = record.custody if holder_of(record.custody, path).holds_account_keys else FILES
    folder.account_slot.make(accounts)
    begin_generation(next_path(folder), record.custody)
    if trusted is not None:
        write_private(path / TRUSTED, trusted)
    folder.write(record)
    return folder


def renew_account_key(folder: SeatFolder) -> None:
    """Make a new account key in place of one that the server no longer takes; order and account are forgotten."""
    folder.write(replace(folder.record(), account=None, seat=None, agreed=False))
    for generation in folder.generations():
        generation.remember_order(None)
    folder.account_slot.renew()


def leftovers(folder: SeatFolder) -> list[Path]:
    """Return the generations that a process killed in `next_generation` or `give_up_generation` left."""
    kept = {generation.path for generation in folder.generations()}
    paths = (folder.path / _GENERATIONS).glob("*")
    return [path for path in paths if path.name.removeprefix(".").isdigit() and path not in kept]


def make_live(folder: SeatFolder, generation: Generation) -> None:
    """Point to the generation to be used, at one stroke."""
    target = f"{_GENERATIONS}/{generation.path.name}"
    temporary = folder.path / f".{_LIVE}"
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(target, target_is_directory=True)
        temporary.replace(folder.path / _LIVE)
    except OSError:  # Windows lets only some users make links
        write_private(folder.path / _LIVE, target.encode("ascii"), replace=True)


def next_path(folder: SeatFolder) -> Path:
    """Return where the next generation goes."""
    generations = folder.path / _GENERATIONS
    make_folder(generations)
    last = max((int(path.name) for path in generations.iterdir() if path.name.isdigit()), default=0)
    return generations / f"{last + 1:04d}"
