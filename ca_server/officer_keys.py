"""The public keys of officers whose signatures count: a file that the operator keeps, outside the records.

Whoever can write the records could add an officer and a key there, so they hold neither. The file is TOML, written by
`warifu-ca officer key`: a `[[key]]` for each key that ever counted, with the officer's id and name, the key's
SubjectPublicKeyInfo in base64, the moment since when it counts, and until when, once it was replaced or withdrawn.
"""

import base64
import contextlib
import datetime
import fcntl
import json
import os
import stat
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from ca_server import keyring
from ca_server.config import Config
from ca_server.domain.approvals import OfficerKey, Trust
from ca_server.errors import Invalid, NotFound
from ca_server.language import cause, sentence
from ca_server.operations.publication import place
from keys.errors import KeysError, KeystoreError
from keys.policy import require_strong, spki_sha256

_HEAD = """\
# The keys of officers, under whose signatures Warifu issues and revokes: written by `warifu-ca officer key`.
# Nobody but the operator may write this file. An earlier `until` takes back what a stolen key signed since.
"""
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_FIELDS = {"officer": str, "name": str, "public": str, "since": datetime.datetime, "until": datetime.datetime}


class OfficerKeys:
    """The list, read anew whenever the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] = ()
        self._keys: tuple[OfficerKey, ...] = ()

    def all(self) -> Sequence[OfficerKey]:
        """Return every key of the list, none while there is no file. Raises KeystoreError for one that is damaged."""
        try:
            state = os.stat(self._path)  # noqa: PTH116 - asked before each approval that counts
            if state.st_mode & WRITABLE_BY_OTHERS:
                raise KeystoreError(
                    sentence(
                        "{path} says whose signatures count, and others may write it; chmod go-w it.", path=self._path
                    )
                )
            stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            if stamp != self._stamp:
                self._keys, self._stamp = _read(self._path), stamp
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _damaged(self._path, error) from error
        return self._keys

    def in_use(self, officer: str) -> OfficerKey | None:
        """Return the key by which an officer signs now, or None."""
        return next((key for key in self.all() if key.officer == officer and key.until is None), None)

    def require_in_use(self, officer: str) -> OfficerKey:
        """Return the key by which an officer signs now. Raises NotFound when there is none."""
        key = self.in_use(officer)
        if key is None:
            raise NotFound(sentence("This officer has no key that counts; see `warifu-ca officer list`."))
        return key

    def require_free(self, fresh: OfficerKey) -> None:
        """Do nothing for a key that nobody has had. Raises Invalid: one key for two officers would be one person."""
        for key in self.all():
            if key.spki == fresh.spki:
                raise Invalid({"public": sentence("This key was registered for {name} before.", name=key.name)})

    def register(self, fresh: OfficerKey) -> None:
        """Add a key, which replaces the officer's former one from its first moment on. Raises Invalid."""
        with self._alone():
            self.require_free(fresh)
            self._write([*self._ended(fresh.officer, fresh.since), fresh])

    def withdraw(self, officer: str, now: int) -> bool:
        """Let the officer's key count no longer, and tell whether there was one."""
        with self._alone():
            if self.in_use(officer) is None:
                return False
            self._write(self._ended(officer, now))
            return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others waiting who change the list: what they read before would undo this change."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _ended(self, officer: str, now: int) -> list[OfficerKey]:
        return [
            OfficerKey(key.officer, key.name, key.spki, key.since, now)
            if key.officer == officer and key.until is None
            else key
            for key in self.all()
        ]

    def _write(self, keys: Sequence[OfficerKey]) -> None:
        place(self._path, (_HEAD + "".join(_entry(key) for key in keys)).encode())


def trust_of(config: Config) -> Trust:
    """Return whose signatures count in this installation. Raises KeystoreError without the root's certificate."""
    root = keyring.load_certificate(config.authority.root_certificate)
    keys = OfficerKeys(config.applications.officer_keys)
    installation = spki_sha256(root.public_key())  # type: ignore[arg-type]  # a root of `init` is an ECDSA key's
    return Trust(installation, keys.all, config.applications.two_officers)


def demanded_trust(config: Config) -> Trust | None:
    """Return whose signatures count where decisions must be signed, None where they are recorded.

    Raises KeystoreError for a list that is damaged.
    """
    if not config.applications.signed:
        return None
    trust = trust_of(config)
    trust.listed()
    return trust


def read_public(path: Path) -> bytes:
    """Return the SubjectPublicKeyInfo of a public key in PEM. Raises KeysError when it is none, or a weak one."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise KeystoreError(sentence("{path} cannot be read: {error}", path=path, error=cause(error))) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeystoreError(
            sentence("{path} holds no public key in PEM (BEGIN PUBLIC KEY): {error}", path=path, error=cause(error))
        ) from error
    require_strong(key)  # type: ignore[arg-type]  # it refuses other kinds
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> tuple[OfficerKey, ...]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        if set(document) - {"key"} or not isinstance(document.get("key", []), list):
            raise ValueError("there is more in it than [[key]]")
        keys = tuple(_key(each) for each in document.get("key", []))
        owners = {key.spki: key.officer for key in keys}
        if len(owners) != len(keys):
            raise ValueError("a key stands in it twice")
    except (ValueError, TypeError, KeyError, KeysError, UnsupportedAlgorithm) as error:
        raise _damaged(path, error) from error
    return keys


def _key(table: dict[str, object]) -> OfficerKey:
    for name, value in table.items():
        if not isinstance(value, _FIELDS[name]):
            raise ValueError(f"{name} is {value!r}")
    spki = base64.b64decode(str(table["public"]), validate=True)
    require_strong(load_der_public_key(spki))  # type: ignore[arg-type]  # it refuses other kinds
    until = _seconds(table["until"]) if "until" in table else None
    return OfficerKey(str(table["officer"]), str(table["name"]), spki, _seconds(table["since"]), until)


def _seconds(moment: object) -> int:
    if not isinstance(moment, datetime.datetime) or moment.tzinfo is None:
        raise ValueError(f"{moment} is no moment with a time zone")
    return int(moment.timestamp())


def _entry(key: OfficerKey) -> str:
    lines = {
        "officer": json.dumps(key.officer),
        "name": json.dumps(key.name, ensure_ascii=False),
        "public": json.dumps(base64.b64encode(key.spki).decode()),
        "since": _moment(key.since),
    } | ({} if key.until is None else {"until": _moment(key.until)})
    return "\n[[key]]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())


def _moment(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _damaged(path: Path, error: Exception) -> KeystoreError:
    return KeystoreError(
        sentence("{path}, the list of officers' keys, cannot be used: {error}", path=path, error=cause(error))
    )
