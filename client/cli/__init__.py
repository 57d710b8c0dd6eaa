"""The command `warifu`. Each command parses, calls one procedure, and shows what came of it.

Imports stand in the commands that need them: what only prints the version loads no cryptography.
"""

from typing import ClassVar

import click

from client.config import NAME
from client.front import Front
from client.language import sentence
from client.options import config_option, console_options


class _Commands(Front):
    """Finds each command in a module of its family, imported when it is called: start-up time."""

    _MODULES: ClassVar = {
        "enroll": "enroll",
        "status": "listing",
        "show": "listing",
        "renew": "renew",
        "schedule": "schedule",
        "doctor": "doctor",
        "revoke": "ending",
        "delete": "ending",
        "eab": "enroll",
        "config": "config",
        "completion": "completion",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they are needed."""
        return list(self._MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or None."""
        import importlib

        if cmd_name not in self._MODULES:
            return None
        module = importlib.import_module(f"client.cli.{self._MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=sentence("Gets, keeps, renews and revokes the client certificates of this PC."),
)
@config_option
@console_options
@click.version_option(
    package_name=NAME, prog_name=NAME, message="%(prog)s %(version)s", help=sentence("Show the version and exit.")
)
def main() -> None:
    """Stand above the commands."""
