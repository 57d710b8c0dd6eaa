"""An entry of the audit log, and the bytes that its leaf of the Merkle tree is the hash of.

A leaf holds no personal field itself but a commitment to it: the hash of a salt of its own and of the value. So the
field can be erased in time, value and salt, and what is left still proves that the entry stands where it stood. The
salts of an entry's fields come from the one that is kept beside it, so that one field can be shown without the others.

    salt of a field   SHA-256(salt of the entry ‖ name of the field)
    commitment        SHA-256(salt of the field ‖ value as JSON), in hexadecimal
    leaf              [id, moment, actor, action, subject, result, detail] as JSON without blanks, ASCII; `detail` is
                      itself the text of a JSON object, its names sorted; personal fields give way to their commitments

An entry without salt holds commitments already, or nothing personal. `domain.merkle` hashes leaves.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final

LOGIN: Final = "login"
"""The field that is the login in an actor: what follows `officer:…@` or `login:`."""

PERSONAL: Final = frozenset(
    {
        LOGIN,
        "name",  # of an officer
        "officer",  # as somebody typed it
        "os_user",
        "host_name",
        "former_host_name",
        "label",  # of a PC, in the institution's own words
        "why",  # free text of an officer, or of a mail server
        "reference",  # the sender's
        "asked",  # what a reading named: a search may be for a mail address
        "address",
    }
)
"""Every field that may name a person, a PC or an address, in the detail of any entry. Subjects and actions never do."""

SIGNED: Final = ("certificate issued", "certificate stored")
"""The actions that tell of a certificate; one that was revoked while it was signed is only stored."""

_ENCODE: Final[Callable[[Any], str]] = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


_NAMED: Final = re.compile(f'"(?:{"|".join(sorted(PERSONAL))})":(?!null)')


def encoded(value: object) -> str:
    """Return a value as JSON in the one form that is hashed: no blanks, names sorted, ASCII."""
    return _ENCODE(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is kept; `detail` is the text of a JSON object, `salt` hexadecimal."""

    id: str
    at: int
    actor: str
    action: str
    subject: str
    result: str
    detail: str
    salt: str | None = None

    def leaf(self) -> bytes:
        """Return the bytes that its leaf is the hash of. Raises ValueError when salt or detail are none."""
        return (self if self.salt is None else self.erased()).text().encode("ascii")

    def text(self) -> str:
        """Return it as a JSON array, as it stands."""
        return (
            f"[{quoted(self.id)},{self.at},{quoted(self.actor)},{quoted(self.action)},"
            f"{quoted(self.subject)},{quoted(self.result)},{quoted(self.detail)}]"
        )

    def erased(self) -> "Entry":
        """Return it with commitments for its personal fields. Raises ValueError when salt or detail are none."""
        if self.salt is None:
            return self
        salt = bytes.fromhex(self.salt)
        who, login = _login(self.actor)
        actor = self.actor if login is None else who + _commitment(salt, LOGIN, login)
        detail = json.loads(self.detail)
        hidden = {name: _commitment(salt, name, detail[name]) for name in _personal(detail)}
        if hidden and encoded(detail) != self.detail:  # a name that stands twice could be read in two ways
            raise ValueError("The detail is not in the form that is hashed.")
        text = encoded({**detail, **hidden}) if hidden else self.detail
        return dataclasses.replace(self, actor=actor, detail=text, salt=None)

    @property
    def may_be_personal(self) -> bool:
        """Tell whether it needs a salt when it is placed; judged by the text, for that is quick, and a salt too many
        does no harm.
        """
        return _login(self.actor)[1] is not None or _NAMED.search(self.detail) is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """An entry with its place in the tree and the hash that is kept there."""

    place: int
    hash: bytes
    entry: Entry


def issued(entry: Entry) -> tuple[str, bytes] | None:
    """Return whose certificate was signed, by the institution's code, and its fingerprint; None for other entries.

    Also for those that only a stranger writes: no entry keeps the others from being verified.
    """
    if entry.action not in SIGNED:
        return None
    try:
        fingerprint = bytes.fromhex(json.loads(entry.detail)["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):  # the tree stands on the text alone
        return None
    code = entry.subject.partition("-")[0]
    return (code, fingerprint) if code.isascii() and code.isalnum() else None


def without_commitments(detail: dict[str, Any]) -> dict[str, Any]:
    """Return the particulars of an entry that has been erased as people read them: nothing where a person stood."""
    return {name: None if name in PERSONAL else value for name, value in detail.items()}


def _personal(detail: dict[str, Any]) -> list[str]:
    return [name for name, value in detail.items() if name in PERSONAL and value is not None]


def _login(actor: str) -> tuple[str, str | None]:
    """Return an actor up to the login, and the login if there is one."""
    if actor.startswith("login:"):
        return "login:", actor[6:]
    who, at, login = actor.partition("@")
    return (who + at, login) if at else (actor, None)


def _commitment(salt: bytes, name: str, value: object) -> str:
    own = hashlib.sha256(salt + name.encode("ascii")).digest()
    return hashlib.sha256(own + encoded(value).encode("ascii")).hexdigest()
