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

A path that is not absolute counts from the file's folder. There need not be a file; a bad one stops every command, and
the line is named.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from client.config import NO_TOKEN, Pkcs11
from client.errors import Misuse
from client.language import CODES, sentence
from client.stores.custody import STORES

_PLACE: Final = re.compile(r"(?P<reason>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the file says; None where it says nothing."""

    language: str | None = None
    home: Path | None = None
    ca_file: Path | None = None
    store: str | None = None
    hooks: Path | None = None
    pkcs11: Pkcs11 = NO_TOKEN


_PATHS: Final = ("home", "ca_file", "hooks", "module", "pin_file")
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "language": CODES,
    "store": STORES,
}


def read_preferences(path: Path, *, required: bool = False) -> Preferences:
    """Return what a file says. Raises Misuse, naming the line, for a bad one, or a missing one that is required."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if not required:
            return Preferences()
        raise _unreadable(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path) from error
    import tomllib

    try:
        members = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.fullmatch(str(error))
        line = text.count("\n") + 1 if place is None or place["line"] is None else int(place["line"])
        raise _bad(path, line, "TOML", str(error) if place is None else place["reason"]) from error
    return _Reader(path, text).preferences(members)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the members of one file into values, and knows on which line each of them stands."""

    path: Path
    text: str

    def preferences(self, members: Mapping[str, Any]) -> Preferences:
        return self._filled(Preferences, members, "", {"pkcs11": self._pkcs11})

    def _pkcs11(self, name: str, value: object) -> Pkcs11:
        if not isinstance(value, dict):
            raise self._bad(name, sentence("a table is wanted, [pkcs11]"))
        return self._filled(Pkcs11, value, "pkcs11", {})

    def _filled(
        self,
        kind: type[_Value],
        members: Mapping[str, Any],
        table: str,
        tables: Mapping[str, Callable[[str, object], object]],
    ) -> _Value:
        known = [each.name for each in fields(kind)]  # type: ignore[arg-type]
        for name in members:
            if name not in known:
                raise self._bad(name, sentence("there is no such setting"))
        values = {name: tables.get(name, self._single)(name, value) for name, value in members.items()}
        return kind(**values)

    def _single(self, name: str, value: object) -> object:
        if not isinstance(value, str) or not value:
            raise self._bad(name, sentence("a text in quotation marks is wanted"))
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


def _unreadable(path: Path) -> Misuse:
    return Misuse(
        "badConfig", sentence("{path} cannot be read as text."), facts={"path": path}, fields={"--config": str(path)}
    )
