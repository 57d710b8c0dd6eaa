"""Writing a backup: a tar archive (POSIX.1-2001) in a coffer (`keys.coffer`), a sheet that says what it is first.

The records are copied in one snapshot beside a running service; until it is in the archive, the copy lies beside the
database, on the disk and under the rights that protect that. What is published is read after the snapshot, so that no
CRL is older than the records say.
"""

import contextlib
import dataclasses
import fcntl
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from ca_server.backup import contents
from ca_server.config import Config
from ca_server.language import cause, sentence
from ca_server.store import snapshot
from keys.coffer import CofferWriter
from keys.errors import KeystoreError
from keys.keystore import private_file

SHEET = "backup.json"
RECORDS, KEYS = "records", "keys"
_FORMAT = 1

Progress = Callable[[int, int], None]
"""Told how many bytes are done, of how many."""


@dataclasses.dataclass(frozen=True)
class Sheet:
    """What a backup says of itself."""

    kind: str
    made_at: int
    """The moment before the records were copied."""
    folder: str
    """Where the configuration lay."""
    config: str
    """Its name."""
    program: str = dataclasses.field(default_factory=lambda: version("warifu"))
    format: int = _FORMAT


@dataclasses.dataclass(frozen=True)
class Written:
    """How large a file of a backup became, and which files the configuration names that are not there."""

    size: int
    missing: Sequence[Path]


def write_records(config: Config, into: Path, passphrase: str, now: int, progress: Progress) -> Written:
    """Write the records as they are now into a new file. Raises KeysError or StoreError."""
    with _copied(config) as copied:
        places = [contents.Place(copied, contents.database(config)), *contents.of_records(config)]
        return _write(config, into, (RECORDS, now), [passphrase], places, progress)


def write_keys(config: Config, into: Path, passphrases: Sequence[str], now: int, progress: Progress) -> Written:
    """Write keys and secrets into a new file that all the passphrases together open. Raises KeysError."""
    return _write(config, into, (KEYS, now), passphrases, list(contents.of_keys(config)), progress)


@contextlib.contextmanager
def _copied(config: Config) -> Iterator[Path]:
    """Copy the records, on the disk and under the rights that protect them, or the configuration of a PostgreSQL.

    The copy is locked, so that what a backup left behind that was killed is known, and goes.
    """
    where = config.server.database
    near = where if isinstance(where, Path) else config.path
    for left in near.parent.glob(f".{near.name}.backup-????????"):  # as mkstemp names them, and not their logs
        _remove_if_left(left)
    descriptor, name = tempfile.mkstemp(dir=near.parent, prefix=f".{near.name}.backup-")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        snapshot.copy(where, Path(name))
        yield Path(name)
    finally:
        Path(name).unlink()
        os.close(descriptor)


def _remove_if_left(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while another backup is at work
        path.unlink()
        for log in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + log).unlink(missing_ok=True)


def _write(
    config: Config,
    into: Path,
    what: tuple[str, int],
    passphrases: Sequence[str],
    places: Sequence[contents.Place],
    progress: Progress,
) -> Written:
    sheet = Sheet(*what, str(contents.folder(config)), config.path.name)
    missing = [each.path for each in places if not each.path.exists()]
    with private_file(into) as file:
        coffer = CofferWriter(file, passphrases)
        _pack(coffer, sheet, [each for each in places if each.path not in missing], progress)
        coffer.finish()
        return Written(file.tell(), missing)


def _pack(coffer: CofferWriter, sheet: Sheet, places: Iterable[contents.Place], progress: Progress) -> None:
    total, done = sum(_size(each.path) for each in places), 0
    with tarfile.open(fileobj=coffer, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        head = json.dumps(dataclasses.asdict(sheet)).encode()
        _add(archive, SHEET, io.BytesIO(head), len(head))
        for each in places:
            with _opened(each.path) as file:
                size = os.fstat(file.fileno()).st_size
                _add(archive, each.name, file, size)
            done += size
            progress(done, total)


def _add(archive: tarfile.TarFile, name: str, file: BinaryIO, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    archive.addfile(member, file)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> KeystoreError:
    return KeystoreError(sentence("{path} cannot be read: {error}", path=path, error=cause(error)))
