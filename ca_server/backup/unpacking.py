"""Unpacking a backup into a folder: nothing of it counts before its end was authentic, and nothing leads out of it."""

import json
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from ca_server.backup.writing import SHEET, Progress, Sheet
from ca_server.language import Sentence, cause, sentence
from keys.coffer import CofferReader
from keys.errors import KeysError, KeystoreError, SealBroken

_LONGEST_SHEET: Final = 1 << 16


def unpack(backup: Path, kind: str, passphrases: Sequence[str], folder: Path, progress: Progress) -> Sheet:
    """Put the files of a backup into `folder`, but for those that are there, and return what it says of itself.

    Raises KeysError when it does not open, was altered or cut off, or is not of the `kind`.
    """
    try:
        with backup.open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            coffer = CofferReader(file, passphrases)
            sheet = _unpacked(coffer, folder, lambda: progress(file.tell(), total))
            coffer.finish()
    except KeysError as error:
        raise type(error)(sentence("{path}: {why}", path=backup, why=Sentence(error.template, error.facts))) from error
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise SealBroken(sentence("{path} holds no backup: {error}", path=backup, error=cause(error))) from error
    except OSError as error:
        raise KeystoreError(sentence("{path} cannot be unpacked: {error}", path=backup, error=cause(error))) from error
    if sheet.kind != kind:
        raise KeystoreError(
            sentence("{path} holds the {found}, not the {kind}.", path=backup, found=sheet.kind, kind=kind)
        )
    return sheet


def _unpacked(coffer: CofferReader, folder: Path, step: Callable[[], None]) -> Sheet:
    with tarfile.open(fileobj=coffer, mode="r|") as archive:  # type: ignore[call-overload]
        sheet: Sheet | None = None
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise SealBroken(sentence("It holds {name!r}, which is no file.", name=member.name))
            if sheet is None:
                sheet = _sheet(member, content)
            else:
                _put(folder, member.name, content)
            step()
    if sheet is None:
        raise SealBroken(sentence("It is empty."))
    return sheet


def _sheet(member: tarfile.TarInfo, content: BinaryIO) -> Sheet:
    """Return the first file, by which the rest is understood. Raises SealBroken."""
    try:
        if member.name != SHEET:
            raise ValueError(member.name)
        sheet = Sheet(**json.loads(content.read(_LONGEST_SHEET)))
        if sheet.format != Sheet.format or Path(sheet.config).name != sheet.config:
            raise ValueError(sheet.format)
    except (ValueError, TypeError, RecursionError) as error:
        raise SealBroken(sentence("It was made by a newer program; restore with that one.")) from error
    return sheet


def _put(folder: Path, name: str, content: BinaryIO) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise SealBroken(sentence("It holds {name!r}, which leads out of the folder.", name=name))
    path = folder.joinpath(*parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # the keys' certificates came with their keys
        return
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(content, file, 1 << 16)
        file.flush()
        os.fsync(file.fileno())
