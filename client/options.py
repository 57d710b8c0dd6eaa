"""The options that several commands share, each family gathered into the one value that the command works with."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from client.config import Patience, Settings, default_file, default_home
from client.console import Console
from client.errors import ClientError, Misuse
from client.front import FAILURES, told
from client.language import CODES, sentence
from client.password import PasswordSource, read_text
from client.stores.custody import STORES

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


def _silence(ctx: click.Context, _: click.Parameter, quiet: bool) -> None:
    if quiet:
        ctx.obj = replace(ctx.obj, quiet=True)


def _listen(ctx: click.Context, _: click.Parameter, verbose: bool) -> None:
    """Show on standard error what the modules log, as long as the command runs."""
    if not verbose:
        return
    import logging

    logger, handler = logging.getLogger("client"), logging.StreamHandler()
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    ctx.call_on_close(lambda: logger.removeHandler(handler))


def _remember_file(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is not None:
        ctx.meta[_CONFIG] = path


_CONFIG = "client.config"


def console_options(function: Function) -> Function:
    """Give a command the options on how it speaks. None has a value: they are the console's (`console_for`)."""
    return _with(
        function,
        click.option(
            "--json", is_flag=True, expose_value=False, help=sentence("One JSON document on standard output.")
        ),
        click.option(
            "--lang",
            type=click.Choice(CODES),
            expose_value=False,
            help=sentence("Language of the messages; by default that of the configuration, LC_ALL or LANG."),
        ),
        click.option(
            "--quiet",
            "-q",
            is_flag=True,
            expose_value=False,
            callback=_silence,
            help=sentence("Only results and errors."),
        ),
        click.option(
            "--verbose",
            "-v",
            is_flag=True,
            expose_value=False,
            callback=_listen,
            help=sentence("Also each request, on standard error."),
        ),
    )


config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    expose_value=False,
    callback=_remember_file,
    help=sentence("Configuration in TOML; `warifu config path` names the usual one."),
)


def config_file() -> tuple[Path, bool]:
    """Return the configuration file, and whether the command line named it."""
    given: Path | None = click.get_current_context().meta.get(_CONFIG)
    return (default_file(), False) if given is None else (given, True)


def settings_options(function: Function) -> Function:
    """Give a command the options that all have; it is called with Console and Settings first."""

    @click.pass_obj
    @functools.wraps(function)
    def run(console: Console, /, home: Path | None, ca_file: Path | None, wait: float | None, **own: Any) -> Any:
        settings = _settings(console, home, ca_file, wait)
        try:
            return function(console, settings, **own)
        except FAILURES as error:
            _write_down(told(error), settings)
            raise

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
        config_option,
        console_options,
    )


def _write_down(failure: ClientError, settings: Settings) -> None:
    """Note in the log what failed, for `warifu doctor`: the word only, for the sentence may name what is secret."""
    from client.journal import write_line

    context = click.get_current_context()
    operation: list[str] = []
    while context.parent is not None:  # not by its path, in which the program may be "python -m client"
        operation, context = [context.info_name or "", *operation], context.parent
    if operation != ["renew"]:  # which writes its own lines, successes too
        write_line(settings.home, [*operation, failure.type, f"exit={failure.exit_code}"])


def _settings(console: Console, home: Path | None, ca_file: Path | None, wait: float | None) -> Settings:
    """Return what command line, environment and configuration file say, in this order."""
    from client.config_file import read_preferences

    path, required = config_file()
    preferences = read_preferences(path, required=required)
    if preferences.hooks is not None or preferences.pkcs11.module is not None:
        _require_ours_alone(path)
    return Settings(
        home or preferences.home or default_home(),
        ca_file or preferences.ca_file,
        Patience() if wait is None else Patience(give_up=wait),
        console.language.code,
        preferences.store,
        preferences.hooks,
        preferences.pkcs11,
        preferences.nss.database,
        preferences.tpm.tcti,
    )


def _require_ours_alone(path: Path) -> None:
    """Do nothing when nobody else may write a configuration file, which names programs. Raises Misuse."""
    from client.ownership import open_to_others, ours

    other = open_to_others(path, ours())
    if other is not None:
        raise Misuse(
            "unsafeConfig",
            sentence("{path} names programs (hooks, a PKCS#11 module), but others than you may write {other}."),
            sentence("Make it yours alone (chown, chmod go-w), or take those settings away."),
            facts={"path": path, "other": other},
            fields={"--config": str(path)},
        )


def password_options(function: Function) -> Function:
    """Give a command the ways to tell the password, as the argument `passwords`."""

    @functools.wraps(function)
    def run(*given: Any, password_file: Path | None, password_stdin: bool, **own: Any) -> Any:
        if password_file is not None and password_stdin:
            raise Misuse(
                "usage",
                sentence("--password-file and --password-stdin exclude each other."),
                fields={"usage": "--password-file"},
            )
        return function(*given, passwords=PasswordSource(password_file, password_stdin), **own)

    return _with(
        run,
        click.option("--password-file", type=_FILE, help=sentence("Read the password from a file.")),
        click.option("--password-stdin", is_flag=True, help=sentence("Read the password from standard input.")),
    )


def store_options(function: Function) -> Function:
    """Let a command say how a new enrolment holds its keys; its Settings tell it, before the configuration file."""

    @functools.wraps(function)
    def run(console: Console, settings: Settings, /, *given: Any, **own: Any) -> Any:
        named = {name: own.pop(f"pkcs11_{name}") for name in ("module", "token", "pin_file")}
        chosen = replace(
            settings,
            store=own.pop("store") or settings.store,
            pkcs11=replace(settings.pkcs11, **{name: value for name, value in named.items() if value is not None}),
            nss_databases=own.pop("nss_database") or settings.nss_databases,
            tcti=own.pop("tpm_tcti") or settings.tcti,
        )
        return function(console, chosen, *given, **own)

    return _with(
        run,
        click.option(
            "--store",
            type=click.Choice(STORES),
            help=sentence("How the keys are held, also at renewals; by default the platform's own way."),
        ),
        click.option("--pkcs11-module", type=_FILE, help=sentence("For --store pkcs11: the token's library.")),
        click.option(
            "--pkcs11-token",
            metavar="LABEL",
            help=sentence("For --store pkcs11: the token's label, or its URI (RFC 7512)."),
        ),
        click.option(
            "--pkcs11-pin-file",
            type=_FILE,
            help=sentence("For --store pkcs11: the PIN is in this file, and is read there at renewals too."),
        ),
        click.option(
            "--nss-database",
            type=click.Path(file_okay=False, path_type=Path),
            multiple=True,
            metavar="FOLDER",
            help=sentence(
                "For --store nss: a browser's database, may be given several times. Default: Chromium's and those of "
                "Firefox."
            ),
        ),
        click.option(
            "--tpm-tcti",
            metavar="TCTI",
            help=sentence("For --store tpm: the way to the TPM (device:/dev/tpmrm0 by default)."),
        ),
    )


def export_options(function: Function) -> Function:
    """Give a command a PKCS#12 file to write, as the argument `export`, None when none is wanted."""

    @functools.wraps(function)
    def run(*given: Any, p12: Path | None, p12_passphrase_file: Path | None, **own: Any) -> Any:
        from client.export import Export

        if (p12 is None) != (p12_passphrase_file is None):
            raise Misuse("usage", sentence("--p12 and --p12-passphrase-file go together."), fields={"usage": "--p12"})
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


def hook_options(function: Function) -> Function:
    """Give a command the hooks of the command line, as the argument `hooks`: command lines, or None, by stage."""

    @functools.wraps(function)
    def run(*given: Any, pre_hook: str | None, deploy_hook: str | None, post_hook: str | None, **own: Any) -> Any:
        return function(*given, hooks={"pre": pre_hook, "deploy": deploy_hook, "post": post_hook}, **own)

    return _with(
        run,
        _command("--pre-hook", sentence("Run before the first order, if anything is due.")),
        _command("--deploy-hook", sentence("Run for each certificate that was renewed.")),
        _command("--post-hook", sentence("Run after any attempt, whatever came of it.")),
    )


def _command(option: str, text: str) -> Callable[[Function], Function]:
    return click.option(option, metavar="COMMAND", help=text)


yes_option = click.option("--yes", "-y", is_flag=True, help=sentence("Do not ask."))


def _with(function: Function, *options: Callable[[Function], Function]) -> Function:
    for option in reversed(options):
        function = option(function)
    return function
