"""`warifu config`: what is set, and where it is set."""

import click

from client.config import Settings
from client.console import Console
from client.front import Group
from client.language import sentence
from client.options import config_file, config_option, console_options, settings_options


@click.group(cls=Group, help=sentence("Show the settings, and the file that they may be written into."))
def config() -> None:
    """Stand above path and show."""


@config.command(help=sentence("Show which file is read, whether it is there or not."))
@config_option
@console_options
@click.pass_obj
def path(console: Console) -> None:
    file, _ = config_file()
    console.result({"path": str(file), "exists": file.is_file()}, [str(file)])


@config.command(help=sentence("Show what the command line, the environment and the file come to."))
@settings_options
def show(console: Console, settings: Settings) -> None:
    file, _ = config_file()
    pkcs11 = settings.pkcs11
    values = {
        "home": settings.home,
        "store": settings.store,
        "ca_file": settings.ca_file,
        "hooks": settings.hooks or settings.home / "hooks",
        "language": settings.language,
        "pkcs11.module": pkcs11.module,
        "pkcs11.token": pkcs11.token,
        "pkcs11.pin_file": pkcs11.pin_file,
        "tpm.tcti": settings.tcti,
    }
    databases = [str(each) for each in settings.nss_databases]
    shown: dict[str, object] = {name: None if value is None else str(value) for name, value in values.items()}
    shown["nss.database"] = databases
    lines = [f"{name} = {value}" for name, value in shown.items() if value not in (None, [])]
    console.result({"file": str(file), "exists": file.is_file(), "settings": shown}, [f"# {file}", *lines])
