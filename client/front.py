"""The front of the command: every error becomes a sentence, or a document, and an exit code; help speaks Japanese too.

Exit codes: 0 done or nothing to do, 1 failure, 2 usage, 3 try later, 4 refused by a rule, 5 needs a person.
"""

import signal
import sys
import threading
from collections.abc import Sequence
from copy import copy
from typing import Any, NoReturn

import click

from client.console import Console, console_for
from client.errors import ClientError, Misuse, from_keys, from_problem
from client.language import Language, sentence
from keys.errors import KeysError
from protocol.credential import BadCredential
from protocol.problems import Problem


class Command(click.Command):
    """A command whose help is in the reader's language."""

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return click.Command.get_help(_spoken(self, _language(ctx)), ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the line of the command in its group's help."""
        summary, context = self.help or "", click.get_current_context(silent=True)
        return summary if context is None else _language(context).say(summary)


class Front(click.Group):
    """The group of all commands; it ends the process with the exit code of what happened."""

    command_class = Command

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return click.Group.get_help(_spoken(self, _language(ctx)), ctx)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run the command line (`sys.argv` if None). Raises SystemExit, always."""
        arguments = list(sys.argv[1:] if args is None else args)
        console = console_for(arguments)
        extra["standalone_mode"] = False
        if threading.current_thread() is threading.main_thread():
            # A handler of our own: asyncio's would only cancel a task, which a prompt never notices.
            signal.signal(signal.SIGINT, _interrupt)
        try:
            outcome = super().main(arguments, prog_name, obj=console, **extra)
        except (ClientError, Problem, KeysError, BadCredential, click.ClickException, click.Abort, OSError) as error:
            told = _told(error)
            console.error(told)
            sys.exit(told.exit_code)
        sys.exit(outcome if isinstance(outcome, int) else 0)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _told(error: Exception) -> ClientError:
    match error:
        case ClientError():
            return error
        case Problem():
            return from_problem(error)
        case BadCredential():
            return Misuse(
                "badUrl",
                sentence("This is not a whole one-time URL."),
                sentence("Copy it from the mail: it looks like https://…/e/ and 26 letters and digits."),
                fields={"url": str(error)},
            )
        case click.UsageError():
            option = error.param.opts[-1] if isinstance(error, click.BadParameter) and error.param else "usage"
            return Misuse(
                "usage",
                "{reason}",
                sentence("`warifu COMMAND --help` shows what there is."),
                facts={"reason": error.format_message()},
                fields={option: error.format_message()},
            )
        case click.Abort():
            return ClientError("aborted", sentence("Stopped. Run the same command again to go on."))
        case KeysError() | OSError():
            return from_keys(error)
        case _:
            return ClientError("failed", "{reason}", facts={"reason": error})


def _language(ctx: click.Context) -> Language:
    console = ctx.find_object(Console)
    return console_for(()).language if console is None else console.language


def _spoken(command: click.Command, language: Language) -> click.Command:
    """Return a copy of a command that explains itself in a language."""
    spoken = copy(command)
    if command.help:
        spoken.help = language.say(command.help)
    spoken.params = [copy(parameter) for parameter in command.params]
    for parameter in spoken.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = language.say(parameter.help)
    return spoken
