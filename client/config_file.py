"""The configuration file: what a person would otherwise give with every command, in TOML.

    language = "ja"                     # of the messages: ja or en; --lang counts before it
    home = "/srv/warifu"                # the folder of the certificates; --home and WARIFU_HOME count before it
    ca_file = "agency.pem"              # certificates that alone may vouch for the server; --ca-file counts before it
    store = "files"                     # how new enrolments hold their keys
    hooks = "hooks"                     # the folder of programs to run around a renewal

    [pkcs11]
    module = "/usr/lib/softhsm/libsofthsm2.so"
    token = "warifu"
    pin_file = "pin"                    # the PIN itself does not stand here

    [nss]
    database = ["/srv/profile"]         # browsers' databases, or a single one without brackets

    [tpm]
    tcti = "device:/dev/tpmrm0"         # the way to the TPM

A path that is not absolute counts from the file's folder. There need not be a file; a bad one stops every command, and
the line is named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from client.config import NO_TOKEN, Pkcs11
from client.errors import Misuse
from client.language import CODES, sentence
from client.stores.custody import STORES

_PLACE: Final = re.compile(r"(?P<reason>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)")
_WRITE_SINGLE: Final = sentence("Write a path of Windows in single quotes: 'C:\\folder'.")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Nss:
    """The databases of browsers that take certificates; none: those that are found."""

    database: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Tpm:
    """The way to the TPM."""

    tcti: str | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the file says; None where it says nothing."""

    language: str | None = None
    home: Path | None = None
    ca_file: Path | None = None
    store: str | None = None
    hooks: Path | None = None
    pkcs11: Pkcs11 = NO_TOKEN
    nss: Nss = Nss()
    tpm: Tpm = Tpm()


_TABLES: Final[Mapping[str, type[Pkcs11 | Nss | Tpm]]] = {"pkcs11": Pkcs11, "nss": Nss, "tpm": Tpm}
_PATHS: Final = ("home", "ca_file", "hooks", "module", "pin_file", "database")
_SEVERAL: Final = ("database",)
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "language": CODES,
    "store": STORES,
}


def read_preferences(path: Path, *, required: bool = False) -> Preferences:
    """Return what a file says. Raises Misuse, naming the line, for a bad one, or a missing one that is required."""
    try:
        text = path.read_text("utf-8-sig")  # Windows' editors begin a file with a mark
    except FileNotFoundError:
        if not required:
            return Preferences()
        raise _unusable(path, sentence("There is no file {path}.")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, sentence("{path} cannot be read as text.")) from error
    import tomllib

    try:
        members = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.fullmatch(str(error))
        line = text.count("\n") + 1 if place is None or place["line"] is None else int(place["line"])
        if re.search(r'=\s*"[^"]*\\', text.splitlines()[line - 1] if text else ""):
            raise _bad(path, line, "TOML", _WRITE_SINGLE) from error
        problem = str(error) if place is None else place["reason"]
        raise _bad(
            path, line, "TOML", sentence("this is not written as TOML is ({problem})"), problem=problem
        ) from error
    return _Reader(path, text).preferences(members)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the members of one file into values, and knows on which line each of them stands."""

    path: Path
    text: str

    def preferences(self, members: Mapping[str, Any]) -> Preferences:
        return self._filled(Preferences, members)

    def _table(self, name: str, value: object) -> object:
        if not isinstance(value, dict):
            raise self._bad(name, sentence("a table is wanted, [{table}]"), table=name)
        return self._filled(_TABLES[name], value)

    def _filled(self, kind: type[_Value], members: Mapping[str, Any]) -> _Value:
        known = [each.name for each in fields(kind)]  # type: ignore[arg-type]
        for name in members:
            if name not in known:
                raise self._bad(name, sentence("there is no such setting"))
        return kind(**{name: self._value(name, value) for name, value in members.items()})

    def _value(self, name: str, value: object) -> object:
        if name in _TABLES:
            return self._table(name, value)
        if name in _SEVERAL:
            return tuple(self._single(name, each) for each in (value if isinstance(value, list) else [value]))
        return self._single(name, value)

    def _single(self, name: str, value: object) -> object:
        if not isinstance(value, str) or not value:
            raise self._bad(name, sentence("a text in quotation marks is wanted"))
        if name in _PATHS and not value.isprintable():  # "C:\temp" has a tab
            raise self._bad(name, _WRITE_SINGLE)
        if name in _PATHS:
            return self.path.parent / Path(value).expanduser()
        if value not in _CHOICES.get(name, (value,)):
            raise self._bad(name, sentence("one of these is wanted: {choices}"), choices=", ".join(_CHOICES[name]))
        return value

    def _bad(self, name: str, reason: str, **facts: object) -> Misuse:
        found = re.search(rf"^\s*\[?\s*[\"']?{re.escape(name)}\b", self.text, re.MULTILINE)
        line = 1 if found is None else self.text.count("\n", 0, found.end()) + 1
        return _bad(self.path, line, name, reason, **facts)


def _bad(path: Path, line: int, name: str, reason: str, **facts: object) -> Misuse:
    return Misuse(
        "badConfig",
        sentence("{path}, line {line}, {name}:"),
        reason,
        facts={"path": path, "line": line, "name": name, **facts},
        fields={name: f"line {line}"},
    )


def _unusable(path: Path, what: str) -> Misuse:
    return Misuse("badConfig", what, facts={"path": path}, fields={"--config": str(path)})
