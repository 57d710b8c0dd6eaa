"""Officers: registered people with a role, never free text.

Names are compared after NFKC and case folding, so that one person cannot be two by typing wide letters.
"""

import dataclasses
import unicodedata
from enum import StrEnum

from ca_server.errors import Invalid, NotEntitled
from ca_server.language import sentence

_LONGEST_NAME = 64


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

    def require(self, role: Role, os_user: str) -> None:
        """Do nothing if the officer may act in `role` from the login `os_user`.

        Raises NotEntitled when disabled, of another role, or bound to another login.
        """
        if self.disabled_at is not None:
            raise NotEntitled(sentence("Officer {name} is disabled.", name=self.name))
        if self.role is not role:
            raise NotEntitled(
                sentence(
                    "Officer {name} has the role {role}; this needs {needed}.",
                    name=self.name,
                    role=self.role,
                    needed=role,
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
    """Return the form in which names are compared: NFKC, white space joined, case folded."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def require_name(name: str) -> str:
    """Return `name` trimmed.

    Raises Invalid when it is empty, too long, or holds what does not print.
    """
    trimmed = " ".join(name.split())
    if not trimmed or len(trimmed) > _LONGEST_NAME or not trimmed.isprintable():
        raise Invalid({"name": sentence("Give a name of 1 to {most} printable characters.", most=_LONGEST_NAME)})
    return trimmed
