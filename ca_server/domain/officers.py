"""Officers: registered people with a role, never free text.

Names are compared after NFKC and case folding, so that one person cannot be two by typing wide letters.
"""

import dataclasses
import unicodedata
from collections.abc import Sequence
from enum import StrEnum

from ca_server.errors import Invalid, NotEntitled
from ca_server.language import sentence

_LONGEST_NAME = 64
_ALIKE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}
# printable, says Python, and yet nobody sees them: fillers and variation selectors (Unicode, Default_Ignorable)
_UNSEEN = {chr(code) for code in (0x34F, 0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10))}
_UNSEEN |= {chr(code) for code in range(0xE0100, 0xE01F0)}


class Role(StrEnum):
    """What an officer may do: decide (登録局), help (ヘルプデスク), or read (監査人)."""

    REGISTRATION = "ra"
    HELP_DESK = "helpdesk"
    AUDITOR = "auditor"


@dataclasses.dataclass(frozen=True)
class Officer:
    """A registered person."""

    id: str
    name: str
    role: Role
    os_user: str | None
    disabled_at: int | None

    def require(self, roles: Sequence[Role], os_user: str) -> None:
        """Do nothing if the officer may act in one of the roles from the login `os_user`.

        Raises NotEntitled when disabled, of another role, or bound to another login.
        """
        if self.disabled_at is not None:
            raise NotEntitled(sentence("Officer {name} is disabled; another officer acts.", name=self.name))
        if self.role not in roles:
            needed: str = roles[0]
            for other in roles[1:]:
                needed = sentence("{one} or {other}", one=needed, other=other)
            raise NotEntitled(
                sentence(
                    "Officer {name} has the role {role}; this needs {needed}.",
                    name=self.name,
                    role=self.role,
                    needed=needed,
                )
            )
        if self.os_user is not None and self.os_user != os_user:
            raise NotEntitled(
                sentence(
                    "Officer {name} acts only from the login {bound}, not {os_user}.",
                    name=self.name,
                    bound=self.os_user,
                    os_user=os_user,
                )
            )


@dataclasses.dataclass(frozen=True)
class Acting:
    """An officer who acts, and from which login: both stand in every audit entry."""

    id: str
    login: str

    @property
    def actor(self) -> str:
        """Return how the audit log names the two."""
        return f"officer:{self.id}@{self.login}"


def folded(name: str) -> str:
    """Return the form in which names are compared: NFKC, without blanks, case folded; 山田 太郎 is 山田太郎."""
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def require_name(name: str) -> str:
    """Return `name` trimmed.

    Raises Invalid when it is empty, too long, holds what does not show, or mixes letters that look alike.
    """
    trimmed = " ".join(name.split())
    alphabets = {unicodedata.name(sign, "").partition(" ")[0] for sign in trimmed} & _ALIKE
    shows = trimmed.isprintable() and not any(sign in _UNSEEN or unicodedata.combining(sign) for sign in trimmed)
    if not trimmed or len(trimmed) > _LONGEST_NAME or not shows or len(alphabets) > 1:
        raise Invalid({"name": sentence("Give a name of 1 to {most} printable characters.", most=_LONGEST_NAME)})
    return trimmed
