"""What every command is told: where the certificates are kept, whom to trust, how long to wait.

Read once from the command line and the environment into frozen values. Passwords are not among them: they come from a
prompt, a file or standard input, never from an argument or the environment, which other programs can read.
"""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

NAME: Final = "warifu"
STORE: Final = "files"

KEY_KIND: Final = "P-256"
"""The kind of account keys and certificate keys (`keys.algorithms`): every TLS stack takes it, and it is quick."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an unreachable or busy server is waited for, in seconds.

    `give_up` bounds one request with its repetitions, and the waiting for one certificate. Two minutes outlive the
    restart of a server. Between tries without a Retry-After the delay doubles from `first_delay` to `longest_delay`.
    """

    give_up: float = 120
    first_delay: float = 0.5
    longest_delay: float = 15


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that all commands have.

    `home`: the folder of the store. `ca_file`: certificates that alone are trusted to sign the server's, in PEM; None
    means what was remembered at enrolment, or else the system's. `language` is also what the server is asked to speak.
    """

    home: Path
    ca_file: Path | None = None
    patience: Patience = Patience()
    language: str = "en"


def default_home() -> Path:
    """Return the platform's folder for what programs keep of a user (XDG_STATE_HOME, %LOCALAPPDATA%, Library)."""
    import platformdirs

    return Path(platformdirs.user_state_dir(NAME, appauthor=False))


def agent() -> str:
    """Return this program's name and version, as the server is told it."""
    return f"{NAME}/{version(NAME)}"
