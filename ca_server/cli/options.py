"""What every command takes: --config (or WARIFU_CONFIG), --lang and --json, before or after the subcommand."""

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ca_server.clock import SystemClock
from ca_server.domain.authorization import Sort, act_of
from ca_server.language import CODES, Language, Sentence, choose, sentence

if TYPE_CHECKING:  # commands that need no records start without SQLAlchemy
    from ca_server.config import Config
    from ca_server.domain.officers import Acting
    from ca_server.operations.authorization import Asked
    from ca_server.store import Connection, SynchronousDatabase

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")
_MOST_TRIES = 6

DEFAULT = "warifu.toml"
_LOGIN_NUMBER = Path("/proc/self/loginuid")
"""Set once by PAM (pam_loginuid), for good; see proc(5) and audit."""
_NOBODY_LOGGED_IN = 2**32 - 1


@dataclasses.dataclass
class Settings:
    """What was given on the command line, wherever it stood."""

    config_path: Path | None = None
    json: bool = False
    lang: str | None = None
    officer_name: str | None = None

    @functools.cached_property
    def language(self) -> Language:
        """The language of the person: --lang, else what the environment names."""
        return choose(self.lang, os.environ)

    def config(self) -> "Config":
        """Return the configuration: --config, else WARIFU_CONFIG, else warifu.toml here. Raises BadConfiguration."""
        from ca_server.config import load

        return load(self.config_path or Path(os.environ.get("WARIFU_CONFIG", DEFAULT)))


def settings() -> Settings:
    """Return the settings of the command that runs."""
    return click.get_current_context().ensure_object(Settings)


def _remember_config(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.ensure_object(Settings).config_path = value


def _remember_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Settings).json = True


def _remember_officer(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    ctx.ensure_object(Settings).officer_name = value


def common(function: F) -> F:
    """Add --config, --json and --lang to a command or a group."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path, readable=False),
        callback=_remember_config,
        expose_value=False,
        is_eager=True,
        metavar="FILE",
        help="The configuration (else WARIFU_CONFIG, else ./warifu.toml).",
    )
    as_json = click.option(
        "--json",
        "as_json",
        is_flag=True,
        callback=_remember_json,
        expose_value=False,
        is_eager=True,
        help="One JSON document on stdout.",
    )
    lang = click.option(
        "--lang",
        type=click.Choice(CODES),
        expose_value=False,
        is_eager=True,
        help="The language of words (else that of the environment).",
    )
    return config(as_json(lang(function)))


def officer_option(function: F) -> F:
    """Add --officer, the registered person who acts, or reads."""
    option = click.option(
        "--officer",
        callback=_remember_officer,
        expose_value=False,
        metavar="NAME",
        help="The officer who acts (else the one whose login this is).",
    )
    return option(function)


def open_records(config: "Config") -> "SynchronousDatabase":
    """Return the records, to whoever may run this command.

    Raises StoreError when they are missing, or of another schema, NotEntitled and NotFound as the table says.
    """
    from ca_server.operations import authorization
    from ca_server.store import SynchronousDatabase, migrations

    records = SynchronousDatabase(config.server.database)
    records.read(migrations.require_current)
    asked = _asked()
    if act_of(asked.command).sort is Sort.OPERATION:  # which may only look, where nothing can be written
        return records
    refused = records.write(authorization.admit, asked, now())
    if refused is not None:
        raise refused
    return records


def patient(records: "SynchronousDatabase", operation: "Callable[[Connection], R]") -> R:
    """Run an operation and try again for some seconds while something stands in its way. Raises TryLater after that."""
    import time

    from ca_server.errors import TryLater

    for _ in range(_MOST_TRIES):
        try:
            return records.write(operation)
        except TryLater as later:
            time.sleep(later.seconds)
    return records.write(operation)


def acting(connection: "Connection") -> "Acting":
    """Return the officer who decides by this command. Raises NotFound, NotEntitled."""
    from ca_server.operations import authorization

    return authorization.officer(connection, _asked())


def _asked() -> "Asked":
    """Return the command that runs and what it names, but for files; a command takes no secret."""
    from ca_server.operations.authorization import Asked

    ctx = click.get_current_context()
    named = {name: str(value) for name, value in ctx.params.items() if value and not isinstance(value, Path)}
    return Asked(words_of(ctx), login(), settings().officer_name, named)


def words_of(ctx: click.Context) -> str:
    """Return a command's words, without the program's name."""
    if ctx.parent is None:
        return ""
    return f"{words_of(ctx.parent)} {ctx.info_name}".strip()


def not_a_code(text: str) -> Sentence:
    """Return what is told of a text that is no institution's code."""
    return sentence("{text!r} is not an institution code: it is F and six digits, such as F123456.", text=text)


def login() -> str:
    """Return the login of the person who runs this command, from the kernel and not from the environment.

    Whoever logged in is known by that login through `sudo` and `su` too, by which officers act as the service's
    account. Where nobody did, as in a service, it is the process's own. One that has no name is told by its number.
    """
    import pwd

    number = _login_number()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _login_number() -> int:
    try:
        number = int(_LOGIN_NUMBER.read_text("ascii"))
    except (OSError, ValueError):  # a kernel without audit
        return os.getuid()
    return os.getuid() if number == _NOBODY_LOGGED_IN else number


def now() -> int:
    """Return the present moment."""
    return SystemClock().now()
