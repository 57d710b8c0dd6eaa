"""What goes into which of the two files of a backup, by the names of the configuration's fields.

    the records       the configuration, the database, what is published, documents, certificates, officers' public keys
    the keys          every other file that the configuration names: keys, passphrases, secrets; and the certificates
                      again, so that each key has its own beside it

So a field that is new is taken for a secret, and never goes where secrets do not belong. Mailbox and ready answers go
nowhere: mails hold passwords, and ready answers are made anew. In a backup a file has the name by which it lies below
the configuration's folder; one that lies elsewhere is kept below `outside/`, with its whole path.
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar

from ca_server.config import Config

C = TypeVar("C")

_OUTSIDE: Final = "outside"
_COPY: Final = "warifu.db"
_OF_NO_FILE: Final = ("path", "database", "maildir", "ready_folder")
_FOLDERS: Final = ("public_folder", "documents_folder")
_CERTIFICATE: Final = "_certificate"
_OFFICER_KEYS: Final = "officer_keys"
_PUBLIC: Final = (_CERTIFICATE, "_ca_file", _OFFICER_KEYS)


@dataclasses.dataclass(frozen=True)
class Place:
    """A file and its name in a backup."""

    path: Path
    name: str


def of_records(config: Config) -> Iterator[Place]:
    """Yield what goes beside the database, which is copied in a way of its own."""
    yield _place(config, config.path)
    for field, path in _unique(_paths(config)):
        if field in _FOLDERS:
            yield from (_place(config, each) for each in sorted(path.rglob("*")) if _is_published(each))
        elif field.endswith(_PUBLIC) and (field != _OFFICER_KEYS or path.exists()):  # that list may not be kept
            yield _place(config, path)


def of_keys(config: Config) -> Iterator[Place]:
    """Yield keys, what opens them, and their certificates."""
    for field, path in _unique(_paths(config)):
        if _is_secret(field) or field.endswith(_CERTIFICATE):
            yield _place(config, path)


def secrets(config: Config) -> Iterator[Path]:
    """Yield keys and what opens them: what nobody but the service may read."""
    return (path for field, path in _unique(_paths(config)) if _is_secret(field))


def database(config: Config) -> str:
    """Return the name of the records' copy: the file's, or one below the configuration's folder for a PostgreSQL's."""
    where = config.server.database
    return _place(config, where).name if isinstance(where, Path) else _COPY


def folder(config: Config) -> Path:
    """Return where the configuration lies, as a backup says it."""
    return _whole(config.path).parent


def displaced(config: Config, then: Path, folder: Path) -> Iterator[Place]:
    """Yield what the configuration names, once it lies in `folder`, elsewhere than a backup of `then` brought it."""
    for _, path in _unique(_paths(config)):
        place = Place(_led(config, path, folder), _name(_led(config, path, then), then))
        if place.path != folder / place.name:
            yield place


def moved(config: Config, then: Path) -> Config:
    """Return the configuration with its paths led to the files as a backup of the folder `then` brought them."""
    folder = config.path.absolute().parent

    def lead(path: Path) -> Path:
        return folder / _name(_led(config, path, then), then)

    led = _mapped(config, lead)
    if isinstance(led.server.database, Path):
        return led
    server = dataclasses.replace(led.server, database=folder / _COPY, database_password_file=None)
    return dataclasses.replace(led, server=server)


def _is_secret(field: str) -> bool:
    return field not in (*_OF_NO_FILE, *_FOLDERS) and not field.endswith(_PUBLIC)


def _mapped(section: C, lead: Any) -> C:
    values: dict[str, object] = {}
    for field in dataclasses.fields(section):  # type: ignore[arg-type]
        value = getattr(section, field.name)
        if isinstance(value, Path):
            values[field.name] = lead(value)
        elif dataclasses.is_dataclass(value):
            values[field.name] = _mapped(value, lead)
        elif isinstance(value, tuple):
            values[field.name] = tuple(_moved_part(each, lead) for each in value)
    return dataclasses.replace(section, **values)  # type: ignore[type-var]


def _moved_part(value: Any, lead: Any) -> Any:
    if isinstance(value, Path):
        return lead(value)
    return _mapped(value, lead) if dataclasses.is_dataclass(value) else value


def _paths(section: object) -> Iterator[tuple[str, Path]]:
    """Yield every file and folder that the configuration names, with its field's name."""
    for field in dataclasses.fields(section):  # type: ignore[arg-type]
        value = getattr(section, field.name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Path):
                yield field.name, each
            elif dataclasses.is_dataclass(each):
                yield from _paths(each)


def _unique(found: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    seen: set[Path] = set()
    for field, path in found:
        if path not in seen:
            seen.add(path)
            yield field, path


def _is_published(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _place(config: Config, path: Path) -> Place:
    return Place(path, _name(_whole(path), folder(config)))


def _led(config: Config, path: Path, folder: Path) -> Path:
    """Return where a path of the configuration leads when that lies in `folder`."""
    own, known = config.path.absolute().parent, path.absolute()
    return _whole(folder / known.relative_to(own) if known.is_relative_to(own) else known)


def _whole(path: Path) -> Path:
    """Return a path without `..`, by which a name in a backup would lead out of the folder."""
    return Path(os.path.normpath(path.absolute()))


def _name(path: Path, folder: Path) -> str:
    if path.is_relative_to(folder):
        return str(PurePosixPath(path.relative_to(folder)))
    return f"{_OUTSIDE}/{PurePosixPath(path.relative_to(path.anchor))}"
