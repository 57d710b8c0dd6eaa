"""`warifu completion`: has a shell complete the command's words."""

import click

from client.config import NAME
from client.console import Console
from client.front import Command
from client.language import sentence
from client.options import console_options

VARIABLE = "_WARIFU_COMPLETE"
"""What the script sets when it asks the command for words (click's convention)."""


@click.command(cls=Command, help=sentence("Print the script for a shell, to be read at its start."))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@console_options
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  click has these three
    script = kind(ctx.find_root().command, {}, NAME, VARIABLE).source()
    console = ctx.find_object(Console)
    assert console is not None  # noqa: S101  the front gave one
    console.result({"shell": shell, "script": script}, [script])
