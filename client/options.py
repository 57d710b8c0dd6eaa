"""The options that several commands share, each family gathered into the one value that the command works with."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from client.config import Patience, Settings, default_home
from client.console import Console
from client.language import CODES, sentence
from client.password import PasswordSource, read_text

if TYPE_CHECKING:
    from protocol.names import CommonName

Function = Callable[..., Any]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class CommonNameType(click.ParamType["CommonName"]):
    """An argument that is a CN."""

    name = "CN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "CommonName":
        """Return the common name, small letters forgiven. Fails for another text."""
        from protocol.names import BadName, CommonName

        if isinstance(value, CommonName):
            return value
        try:
            return CommonName.parse(str(value).upper())
        except BadName as error:
            self.fail(str(error), param, ctx)


COMMON_NAME = CommonNameType()


# Neither has a value here: `console_for` has looked for both before the command line is parsed.
json_option = click.option(
    "--json", is_flag=True, expose_value=False, help=sentence("One JSON document on standard output.")
)
lang_option = click.option(
    "--lang",
    type=click.Choice(CODES),
    expose_value=False,
    help=sentence("Language of the messages; by default that of LC_ALL or LANG."),
)


def settings_options(function: Function) -> Function:
    """Give a command the options that all have; it is called with Console and Settings first."""

    @click.pass_obj
    @functools.wraps(function)
    def run(console: Console, /, home: Path | None, ca_file: Path | None, wait: float | None, **own: Any) -> Any:
        patience = Patience() if wait is None else Patience(give_up=wait)
        return function(console, Settings(home or default_home(), ca_file, patience, console.language.code), **own)

    return _with(
        run,
        click.option(
            "--home",
            type=click.Path(file_okay=False, path_type=Path),
            envvar="WARIFU_HOME",
            help=sentence("Folder of the certificates (or WARIFU_HOME); the platform's own by default."),
        ),
        click.option(
            "--ca-file",
            type=_FILE,
            help=sentence(
                "Certificates (PEM) that alone may vouch for the server; remembered at enrolment. Default: the "
                "system's."
            ),
        ),
        click.option(
            "--wait",
            type=click.FloatRange(min=0),
            metavar="SECONDS",
            help=sentence("How long to wait for a server that is away or busy (120 by default)."),
        ),
        json_option,
        lang_option,
    )


def password_options(function: Function) -> Function:
    """Give a command the ways to tell the password, as the argument `passwords`."""

    @functools.wraps(function)
    def run(*given: Any, password_file: Path | None, password_stdin: bool, **own: Any) -> Any:
        if password_file is not None and password_stdin:
            raise click.UsageError("--password-file and --password-stdin exclude each other.")
        return function(*given, passwords=PasswordSource(password_file, password_stdin), **own)

    return _with(
        run,
        click.option("--password-file", type=_FILE, help=sentence("Read the password from a file.")),
        click.option("--password-stdin", is_flag=True, help=sentence("Read the password from standard input.")),
    )


def export_options(function: Function) -> Function:
    """Give a command a PKCS#12 file to write, as the argument `export`, None when none is wanted."""

    @functools.wraps(function)
    def run(*given: Any, p12: Path | None, p12_passphrase_file: Path | None, **own: Any) -> Any:
        from client.export import Export

        if (p12 is None) != (p12_passphrase_file is None):
            raise click.UsageError("--p12 and --p12-passphrase-file go together.")
        export = None
        if p12 is not None and p12_passphrase_file is not None:
            export = Export(p12, read_text(p12_passphrase_file, "--p12-passphrase-file").rstrip("\r\n"))
        return function(*given, export=export, **own)

    return _with(
        run,
        click.option(
            "--p12",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help=sentence("Also write key and certificate as PKCS#12 to a new file."),
        ),
        click.option(
            "--p12-passphrase-file", type=_FILE, help=sentence("The passphrase of the PKCS#12 file is in this file.")
        ),
    )


yes_option = click.option("--yes", "-y", is_flag=True, help=sentence("Do not ask."))


def _with(function: Function, *options: Callable[[Function], Function]) -> Function:
    for option in reversed(options):
        function = option(function)
    return function
