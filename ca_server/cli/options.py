"""What every command takes: --config (or WARIFU_CONFIG), --lang and --json, before or after the subcommand."""

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ca_server.clock import SystemClock
from ca_server.language import CODES, Language, Sentence, choose, sentence

if TYPE_CHECKING:  # commands that need no records start without SQLAlchemy
    from ca_server.config import Config
    from ca_server.domain.officers import Acting, Role
    from ca_server.store import Connection, SynchronousDatabase

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")
_MOST_TRIES = 6

DEFAULT = "warifu.toml"


@dataclasses.dataclass
class Settings:
    """What was given on the command line, wherever it stood."""

    config_path: Path | None = None
    json: bool = False
    lang: str | None = None

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


def common(function: F) -> F:
    """Add --config, --json and --lang to a command or a group."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path),
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
    """Add --officer, the registered person who acts."""
    return click.option("--officer", "officer_name", required=True, metavar="NAME", help="The officer who acts.")(
        function
    )


def open_records(config: "Config") -> "SynchronousDatabase":
    """Return the records. Raises StoreError when they are missing, or of another schema."""
    from ca_server.store import SynchronousDatabase, migrations

    migrations.require_current(config.server.database)
    return SynchronousDatabase(config.server.database)


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


def acting_as(connection: "Connection", name: str, *roles: "Role") -> "Acting":
    """Return the officer of that name who may act in one of the roles from this login.

    Raises NotFound, NotEntitled.
    """
    from ca_server.domain.officers import Acting
    from ca_server.store import officers

    officer = officers.by_name(connection, name)
    officer.require(officer.role if officer.role in roles else roles[0], login())
    return Acting(officer.id, login())


def not_a_code(text: str) -> Sentence:
    """Return what is told of a text that is no institution's code."""
    return sentence("{text!r} is not an institution code: it is F and six digits, such as F123456.", text=text)


def login() -> str:
    """Return the login that runs this command, from the kernel and not from the environment, which anybody sets."""
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def now() -> int:
    """Return the present moment."""
    return SystemClock().now()
