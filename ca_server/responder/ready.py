"""How every certificate stands, and the answers kept ready signed: one LMDB file that all workers of a machine map.

The keeper alone writes it, a transaction for many entries; each look is one transaction, so a revocation is there at
the first look after its commit. An entry holds the facts and the signatures, and not the answers: those are joined from
their parts in a microsecond and would take five times the room. Its key is the issuer's mark and the serial number.

The beat tells that the keeper has just read the changes to their end: only then does an entry, or that there is none,
tell how things are now. It is told by a clock that all processes of the machine share and nobody sets.

The file is rebuilt when it is lost, and is never synced: it lies in a folder that is called by the kernel's boot id,
for after a power cut it may be torn.
"""

import re
import shutil
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

import lmdb

_MAP_BYTES: Final = 16 << 30  # of address space: some fifty million certificates
_MOST_READERS: Final = 256
_BOOT: Final = re.compile(r"boot|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
SECONDS_OF_A_BEAT: Final = 1.0
_NEVER: Final = -2 * SECONDS_OF_A_BEAT
FIXED: Final = struct.Struct(">qqqqBb4sH")
"""The facts of an Entry as they are kept, and the length of the first signature; both signatures follow."""
_BEAT: Final = struct.Struct(">d")
_NUMBER: Final = struct.Struct(">q")
NO_SIGNER: Final = bytes(4)


class Entry(NamedTuple):
    """One certificate. `signatures` are of the answers to SHA-1 and SHA-256 CertIDs, both empty when none is ready."""

    this_update: int
    next_update: int
    revoked_at: int
    ends: int
    is_revoked: int
    reason: int
    signer: bytes
    """The mark of the signer's certificate."""
    signatures: tuple[bytes, bytes]

    def packed(self) -> bytes:
        """Return it as it is kept."""
        first, second = self.signatures
        return FIXED.pack(*self[:7], len(first)) + first + second


def unpacked(record: bytes) -> Entry:
    """Return an entry from how it is kept."""
    this_update, next_update, revoked_at, ends, is_revoked, reason, signer, cut = FIXED.unpack_from(record)
    middle = FIXED.size + cut
    signatures = record[FIXED.size : middle], record[middle:]
    return Entry(this_update, next_update, revoked_at, ends, is_revoked, reason, signer, signatures)


class ReadyStore:
    """The file as a worker sees it."""

    def __init__(self, environment: lmdb.Environment, *, create: bool) -> None:
        self._environment = environment
        self._entries = environment.open_db(b"entries", create=create)
        self._state = environment.open_db(b"state", create=create)
        self._beat = _NEVER
        self._file = Path(environment.path()) / "data.mdb"
        self._stamp = _stamp(self._file)

    @property
    def is_in_place(self) -> bool:
        """Tell whether the file still lies where it was opened, so that all processes see the same."""
        return _stamp(self._file) == self._stamp

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the file that a Keeping made. Raises lmdb.Error when it cannot be had."""
        path = str(_of_this_boot(folder))
        environment = lmdb.open(path, _MAP_BYTES, max_dbs=2, max_readers=_MOST_READERS, readonly=True)
        return cls(environment, create=False)

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """Open the file if there is one of this boot."""
        try:
            return cls.open(folder)
        except lmdb.Error:
            return None

    def look(self, key: bytes, moment: float) -> tuple[bytes | None, bool]:
        """Return what is kept under a key, and whether that, or that there is nothing, is how things are at `moment`.

        `moment` is of time.monotonic. A beat is not read again for what is there as long as it counts.
        """
        transaction = self._environment.begin(self._entries)
        record = transaction.get(key)
        if record is not None and self._beat <= moment < self._beat + SECONDS_OF_A_BEAT:
            transaction.abort()
            return record, True
        beat = transaction.get(b"beat", db=self._state)
        transaction.abort()
        self._beat = _NEVER if beat is None else _BEAT.unpack(beat)[0]
        return record, self._beat <= moment < self._beat + SECONDS_OF_A_BEAT

    def get(self, key: bytes) -> Entry | None:
        """Return an entry, or None."""
        with self._environment.begin() as transaction:
            record = transaction.get(key, db=self._entries)
        return None if record is None else unpacked(record)

    def place(self) -> int:
        """Return up to which place the entries tell the changes."""
        value = self._said(b"place")
        return 0 if value is None else int(_NUMBER.unpack(value)[0])

    def _said(self, name: bytes) -> bytes | None:
        with self._environment.begin() as transaction:
            value: bytes | None = transaction.get(name, db=self._state)
        return value

    def close(self) -> None:
        """Let go of the file."""
        self._environment.close()


class Keeping(ReadyStore):
    """The file as its keeper has it."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the file, or make one, and remove those of earlier boots. Raises lmdb.Error or OSError."""
        path = _of_this_boot(folder)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for other in folder.iterdir():
            if other != path and _BOOT.fullmatch(other.name) and (other / "data.mdb").is_file():
                shutil.rmtree(other, ignore_errors=other.is_symlink())  # nothing that somebody else put there
        environment = lmdb.open(
            str(path), _MAP_BYTES, max_dbs=2, max_readers=_MOST_READERS, sync=False, metasync=False, mode=0o600
        )
        environment.reader_check()  # places of workers that were killed
        return cls(environment, create=True)

    def put(self, entries: Iterable[tuple[bytes, Entry]], place: int | None = None, witness: str | None = None) -> None:
        """Keep entries, up to which place they tell the changes, and the newest change, at once or not at all."""
        with self._environment.begin(write=True) as transaction:
            for key, entry in entries:
                transaction.put(key, entry.packed(), db=self._entries)
            if place is not None:
                transaction.put(b"place", _NUMBER.pack(place), db=self._state)
            if witness:
                transaction.put(b"witness", witness.encode("ascii"), db=self._state)

    def witness(self) -> str | None:
        """Return what was the newest audit entry when changes were read last, or None before the first."""
        value = self._said(b"witness")
        return None if value is None else value.decode("ascii")

    def issuers(self) -> bytes | None:
        """Return the marks of the issuing CAs whose changes were taken in, or None before the first."""
        return self._said(b"issuers")

    def beat(self, moment: float) -> None:
        """Record that at `moment` the changes were read to their end."""
        with self._environment.begin(write=True) as transaction:
            transaction.put(b"beat", _BEAT.pack(moment), db=self._state)

    def walk(self, after: bytes, most: int) -> list[tuple[bytes, Entry]]:
        """Return at most `most` entries after a key, in the order of keys."""
        with self._environment.begin() as transaction, transaction.cursor(self._entries) as cursor:
            begins = cursor.set_range(after + b"\0") if after else cursor.first()
            return list(_take(cursor.iternext(), most)) if begins else []

    def count(self) -> int:
        """Return how many entries there are."""
        with self._environment.begin() as transaction:
            return int(transaction.stat(self._entries)["entries"])

    def forget(self, issuers: bytes) -> None:
        """Let everything go, and take in the changes of these issuing CAs from the beginning."""
        with self._environment.begin(write=True) as transaction:
            transaction.drop(self._entries, delete=False)
            transaction.drop(self._state, delete=False)
            transaction.put(b"issuers", issuers, db=self._state)


def _take(records: Iterator[tuple[bytes, bytes]], most: int) -> Iterator[tuple[bytes, Entry]]:
    for _, (key, record) in zip(range(most), records, strict=False):
        yield key, unpacked(record)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _of_this_boot(folder: Path) -> Path:
    return folder / _BOOT_ID.read_text("ascii").strip() if _BOOT_ID.exists() else folder / "boot"
