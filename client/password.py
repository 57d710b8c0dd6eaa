"""Where the password comes from: a prompt, a file or standard input; never an argument or the environment.

Both of those are shown to other programs of the PC. The password is normalised and its check character verified here,
so that a typing error costs none of the attempts that the server counts.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from client.console import Console
from client.errors import Misuse
from client.language import sentence
from protocol.credential import BadCredential, normalise_password

_LONGEST: Final = 4096
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """What the command line said: a file, standard input, or neither, which means to ask."""

    file: Path | None = None
    stdin: bool = False

    def given(self) -> str | None:
        """Return the password that need not be asked for, None if there is none. Raises Misuse for a mistyped one."""
        if self.stdin:
            return _checked(sys.stdin.read(_LONGEST))
        return None if self.file is None else _checked(read_text(self.file, "--password-file"))

    def password(self, console: Console) -> str:
        """Return the password, asked for if need be, again after a typing error. Raises Misuse."""
        given = self.given()
        return _asked(console) if given is None else given


def _asked(console: Console) -> str:
    if not sys.stdin.isatty():
        raise Misuse(
            "noPassword",
            sentence("There is no terminal to ask for the password."),
            sentence("Give --password-file FILE or --password-stdin."),
            fields={"--password-stdin": "missing"},
        )
    for tries_left in reversed(range(_TRIES)):
        typed: str = click.prompt(console.say("Password from the mail"), hide_input=True, err=True)
        try:
            return _checked(typed)
        except Misuse as error:
            if not tries_left:
                raise
            console.tell(error.sentence)
    raise AssertionError("the last try returns or raises")


def _checked(text: str) -> str:
    try:
        return normalise_password(text)
    except BadCredential as error:
        raise Misuse(
            "badPassword",
            sentence("The password is mistyped. Nothing was sent, no attempt was used."),
            sentence("It is 25 characters in five groups; copy them from the password mail."),
            fields={"password": str(error)},
        ) from error


def read_text(path: Path, option: str) -> str:
    """Return the text of a file that an option names. Raises Misuse when it cannot be read, or is no such text."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(
            "unreadableFile",
            sentence("{path} cannot be read as text."),
            facts={"path": path},
            fields={option: str(path)},
        ) from error
