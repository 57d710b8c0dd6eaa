"""The command `warifu-ca`. An entry point parses, calls one operation, renders; exit codes and errors in `output`."""

import sys
from typing import ClassVar

import click

from ca_server import dumps
from ca_server.cli.front import Group
from ca_server.cli.options import common
from ca_server.cli.output import run


class _Commands(Group):
    """Finds each command in a module of its own, imported when it is called: start-up time."""

    _NAMES: ClassVar = {
        "init": "init",
        "serve": "serve",
        "responder": "responder",
        "officer": "officer",
        "form": "form",
        "application": "application",
        "institution": "institution",
        "certificate": "certificate",
        "helpdesk": "helpdesk",
        "inventory": "inventory",
        "mailbox": "mailbox",
        "mail": "mail",
        "audit": "audit",
        "reconcile": "reconcile",
        "root": "root",
        "relying-party": "relying_party",
        "database": "database",
        "backup": "backup",
        "restore": "restore",
        "demo": "demo",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which an operator needs them."""
        return list(self._NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or None."""
        import importlib

        if cmd_name not in self._NAMES:
            return None
        module = importlib.import_module(f"ca_server.cli.{self._NAMES[cmd_name]}")
        command: click.Command = getattr(module, self._NAMES[cmd_name])
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(package_name="warifu", prog_name="warifu-ca")
@common
def cli() -> None:
    """Run a certificate authority for client certificates.

    Start with `warifu-ca init`, then `warifu-ca serve`. Exit codes: 0 done, 1 failure, 2 usage, 3 try later,
    4 refused by a rule, 5 needs a person.
    """


def main() -> None:
    """Run the command line and exit with its code."""
    dumps.forbid()  # most commands open a key, and none needs a debugger
    sys.exit(run(cli))
