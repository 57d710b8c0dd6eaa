"""PINs that a token refused: a schedule would try the same wrong one every day, and smart cards lock after three.

    HOME/pins.json    by the token's serial number, salt and digest (scrypt) of the last wrong PIN that a file had

The file that had the PIN may be written anew at each start (systemd's credentials), so that its time tells nothing.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client.stores.disk import read
from keys.keystore import write_private
from protocol.strict_json import strict_json

_FILE: Final = "pins.json"
_COST: Final[Mapping[str, int]] = {"n": 2**14, "r": 8, "p": 1}


@dataclass(frozen=True, slots=True)
class WrongPins:
    """The memory of one home."""

    home: Path

    @property
    def file(self) -> Path:
        """Return where it is kept."""
        return self.home / _FILE

    def has(self, serial: bytes, pin: str) -> bool:
        """Tell whether a token refused this PIN last. Raises ClientError when the file is damaged."""
        salt, _, digest = self._all().get(serial.hex(), "").partition(":")
        return bool(digest) and secrets.compare_digest(digest, _digest(pin, salt))

    def remember(self, serial: bytes, pin: str) -> None:
        """Write down that a token refused a PIN."""
        salt = secrets.token_hex(16)
        known = {**self._all(), serial.hex(): f"{salt}:{_digest(pin, salt)}"}
        write_private(self.file, json.dumps(known).encode("ascii"), replace=True)

    def _all(self) -> dict[str, str]:
        return read(self.file, _parse) if self.file.exists() else {}


def _parse(content: bytes) -> dict[str, str]:
    members = strict_json(content)
    if not isinstance(members, dict):
        raise ValueError("no object")
    return {name: str(value) for name, value in members.items()}


def _digest(pin: str, salt: str) -> str:
    return hashlib.scrypt(pin.encode(), salt=salt.encode("ascii"), dklen=32, **_COST).hex()
