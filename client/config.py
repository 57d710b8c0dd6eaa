"""What every command is told: where the certificates are kept, whom to trust, how long to wait.

Read once from the command line, the environment and the configuration file (`config_file`) into frozen values.
Passwords are not among them: they come from a prompt, a file or standard input, never from an argument or the
environment, which other programs can read.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAME: Final = "warifu"

KEY_KIND: Final = "P-256"
"""The kind of account keys and certificate keys (`keys.algorithms`): every TLS stack takes it, and it is quick."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an unreachable or busy server is waited for, in seconds.

    `give_up` bounds one request with its repetitions, and the waiting for one certificate. Two minutes outlive the
    restart of a server. Between tries without a Retry-After the delay doubles from `first_delay` to `longest_delay`.
    `answer` is how long the answer to one request may take.
    """

    give_up: float = 120
    first_delay: float = 0.5
    longest_delay: float = 15
    answer: float = 30


@dataclass(frozen=True, slots=True)
class Pkcs11:
    """The token that holds private keys: the library that speaks to it, its label, and a file with its PIN."""

    module: Path | None = None
    token: str | None = None
    pin_file: Path | None = None


NO_TOKEN: Final = Pkcs11()


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that all commands have.

    `home`: the folder of the store. `ca_file`: certificates that alone are trusted to sign the server's, in PEM; None
    means what was remembered at enrolment, or else the system's. `language` is also what the server is asked to speak.
    `store`: how a new enrolment holds its keys, None for the platform's own way; `pkcs11`, `nss_databases` and `tcti`
    say where, for those that need it (`stores.custody`). `hooks`: the folder of programs to run
    around a renewal, None for the one in `home`.
    """

    home: Path
    ca_file: Path | None = None
    patience: Patience = Patience()
    language: str = "en"
    store: str | None = None
    hooks: Path | None = None
    pkcs11: Pkcs11 = NO_TOKEN
    nss_databases: tuple[Path, ...] = ()
    tcti: str | None = None


def default_home() -> Path:
    """Return the platform's folder for what programs keep of a user (XDG_STATE_HOME, %LOCALAPPDATA%, Library)."""
    import platformdirs

    return Path(platformdirs.user_state_dir(NAME, appauthor=False))


def default_file() -> Path:
    """Return where the platform keeps a user's configuration of us (XDG_CONFIG_HOME, %LOCALAPPDATA%, Library)."""
    import platformdirs

    return Path(platformdirs.user_config_dir(NAME, appauthor=False)) / "config.toml"


@functools.cache
def agent() -> str:
    """Return this program's name and version, as the server is told it."""
    from importlib.metadata import version

    return f"{NAME}/{version(NAME)}"
