"""Names a PKCS#11 token by a URI (RFC 7512): its label or serial number, the module that speaks to it, its PIN's file.

    pkcs11:token=warifu?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/warifu/pin

The PIN itself never stands in one: the standard's `pin-value` is refused, for arguments and records are read by others.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

from client.config import Pkcs11
from client.errors import Misuse
from client.language import sentence

_SCHEME = "pkcs11:"
_FILE = "file:"
_ATTRIBUTES = ("token", "serial")
_QUERY = ("module-path", "pin-source")


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A token, found by its label, its serial number or both; without `pin_file` a person is asked for the PIN."""

    module: Path
    token: str | None = None
    serial: str | None = None
    pin_file: Path | None = None

    @classmethod
    def chosen(cls, options: Pkcs11) -> Self:
        """Return the token that options and configuration name, by its label or by a URI that they complete.

        Raises Misuse when module or token are missing.
        """
        label = options.token or ""
        given = _members(label) if label.startswith(_SCHEME) else {"token": label}
        module = options.module or given.get("module-path")
        if not module or not (given.get("token") or given.get("serial")):
            missing = "--pkcs11-token" if module else "--pkcs11-module"
            raise Misuse(
                "whichToken",
                sentence("Say which token holds the keys: --pkcs11-module FILE and --pkcs11-token LABEL."),
                fields={missing: "missing"},
            )
        pin_file = options.pin_file or given.get("pin-source")
        return cls(
            Path(module).absolute(),
            given.get("token"),
            given.get("serial"),
            None if pin_file is None else Path(str(pin_file).removeprefix(_FILE)).absolute(),
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the token of a rendered URI. Raises Misuse when it is none."""
        return cls.chosen(Pkcs11(token=text))

    def render(self) -> str:
        """Return the URI."""
        path = {"token": self.token, "serial": self.serial}
        query = {
            "module-path": str(self.module),
            "pin-source": None if self.pin_file is None else f"{_FILE}{self.pin_file}",
        }
        return f"{_SCHEME}{_joined(path, ';')}?{_joined(query, '&', '/:')}"

    def key(self, identifier: str) -> str:
        """Return the URI of a private key on the token, as other programs take it."""
        path = {"token": self.token, "serial": self.serial, "id": identifier, "type": "private"}
        return f"{_SCHEME}{_joined(path, ';')}"

    def __str__(self) -> str:
        return self.token or self.serial or ""


def _joined(members: dict[str, str | None], separator: str, safe: str = "") -> str:
    present = [f"{name}={quote(value, safe=safe)}" for name, value in members.items() if value is not None]
    return separator.join(present)


def _members(text: str) -> dict[str, str]:
    """Return the parts of a URI by name. What would be read and then ignored is refused instead."""
    path, _, query = text.removeprefix(_SCHEME).partition("?")
    parts = [(each, _ATTRIBUTES) for each in path.split(";")] + [(each, _QUERY) for each in query.split("&")]
    members: dict[str, str] = {}
    for part, known in parts:
        name, _, value = part.partition("=")
        if part and name not in known:
            raise Misuse(
                "badToken",
                sentence("{name} cannot stand in a token's URI here; these can: {names}."),
                sentence("The PIN is read from a file (pin-source=file:/…, --pkcs11-pin-file) or asked for."),
                facts={"name": name, "names": ", ".join((*_ATTRIBUTES, *_QUERY))},
                fields={"--pkcs11-token": name},
            )
        members[name] = unquote(value)
    members.pop("", None)
    return members
