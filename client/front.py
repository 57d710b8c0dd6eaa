"""The front of the command: every error becomes a sentence, or a document, and an exit code; help speaks Japanese too.

Exit codes: 0 done or nothing to do, 1 failure, 2 usage, 3 try later, 4 refused by a rule, 5 needs a person.
"""

import signal
import sys
import threading
from collections.abc import Sequence
from copy import copy
from typing import Any, Final, NoReturn

import click

from client.columns import HelpPage
from client.console import Console, console_for
from client.errors import ClientError, Misuse, from_keys, from_problem
from client.language import Language, sentence
from keys.errors import KeysError
from protocol.credential import PATH, BadCredential, normalise_password
from protocol.problems import Problem

_SEE_HELP = sentence("`warifu COMMAND --help` shows what there is.")

FAILURES: Final = (ClientError, Problem, KeysError, BadCredential, OSError)
"""What commands raise, besides click's own."""


class _Context(click.Context):
    """One run of a command; its help page is ours."""

    def make_formatter(self) -> click.HelpFormatter:
        """Return an empty help page."""
        page = HelpPage(width=self.terminal_width, max_width=self.max_content_width)
        page.language = _language(self)
        return page


class Command(click.Command):
    """A command whose help is in the reader's language."""

    context_class = _Context
    allow_extra_args = True  # click would name them in English

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words apart. Raises Misuse for one too many."""
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            raise _too_much(self, ctx.args[0])
        return rest

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return click.Command.get_help(_spoken(self, ctx), ctx)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option that shows the page."""
        return _spoken_help(click.Command.get_help_option(self, ctx), ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the line of the command in its group's help."""
        return _summary(self)


class Group(click.Group):
    """A group of commands whose help is in the reader's language."""

    context_class = _Context
    command_class = Command

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return click.Group.get_help(_spoken(self, ctx), ctx)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option that shows the page."""
        return _spoken_help(click.Command.get_help_option(self, ctx), ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the line of the group in the help of the group above."""
        return _summary(self)


class Front(Group):
    """The group of all commands; it ends the process with the exit code of what happened."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run the command line (`sys.argv` if None). Raises SystemExit, always."""
        _leave_no_core()
        arguments = list(sys.argv[1:] if args is None else args)
        console = console_for(arguments)
        extra["standalone_mode"] = False
        if threading.current_thread() is threading.main_thread():
            # A handler of our own: asyncio's would only cancel a task, which a prompt never notices.
            signal.signal(signal.SIGINT, _interrupt)
        try:
            outcome = super().main(arguments, prog_name, obj=console, **extra)
        except (*FAILURES, click.ClickException, click.Abort) as error:
            if isinstance(error, click.exceptions.NoArgsIsHelpError) and not console.json:
                click.echo(error.format_message(), err=True)
                sys.exit(Misuse.exit_code)
            failure = told(error)
            console.error(failure)
            sys.exit(failure.exit_code)
        sys.exit(outcome if isinstance(outcome, int) else 0)


def _leave_no_core() -> None:
    """Have a crash write no picture of the memory, where keys and PINs are; hooks may still ask for one of theirs."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def told(error: Exception) -> ClientError:
    """Return what an error is to the person and the program that ran the command."""
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
            return _misused(error)
        case click.Abort():
            return ClientError("aborted", sentence("Stopped. Run the same command again to go on."))
        case KeysError() | OSError():
            return from_keys(error)
        case _:
            return ClientError("failed", "{reason}", facts={"reason": error})


def _misused(error: click.UsageError) -> Misuse:
    """Return what click found wrong with the command line, in our words where there are some."""
    facts = {"reason": error.format_message(), "name": ""}
    option = "usage"
    what, remedy = "{reason}", str(_SEE_HELP)
    match error:
        case click.exceptions.NoArgsIsHelpError() | click.UsageError(message="Missing command."):
            facts["reason"] = what = sentence("A command is missing.")
        case click.NoSuchCommand():
            facts["name"], what = _discreet(error.command_name), sentence("There is no command {name}.")
            facts["reason"] = what.format_map(facts)
            remedy = _meant(_resembling(error), facts)
        case click.NoSuchOption():
            facts["name"], what = error.option_name, sentence("There is no option {name}.")
            remedy = _meant(error.possibilities, facts)
        case click.MissingParameter() if error.param is not None:
            option, facts["name"] = error.param.opts[-1], _shown_name(error.param)
            what = sentence("{name} is missing.")
        case click.BadOptionUsage():
            option, facts["name"] = error.option_name, error.option_name
            takes_one = "does not take" not in error.message
            what = sentence("{name} needs a value.") if takes_one else sentence("{name} takes no value.")
        case click.BadParameter() if error.param is not None:
            option, facts["name"], facts["reason"] = error.param.opts[-1], _shown_name(error.param), error.message
            what = _unfit(error.param.type, facts)
            facts["reason"] = what.format_map(facts)  # click's own repeats the value, which may be the password
    return Misuse("usage", what, remedy, facts=facts, fields={option: facts["reason"]})


def _resembling(error: click.NoSuchCommand) -> list[str]:
    """Return the commands whose name is nearly the one that is not there; click knows only those that are loaded."""
    from difflib import get_close_matches

    if error.ctx is None or not isinstance(error.ctx.command, click.Group):
        return []
    return get_close_matches(error.command_name, error.ctx.command.list_commands(error.ctx))


def _meant(possibilities: Sequence[str] | None, facts: dict[str, str]) -> str:
    """Return the remedy for a word that is not there: what resembles it, which becomes a fact, else the help."""
    if not possibilities:
        return _SEE_HELP
    facts["meant"] = ", ".join(possibilities)
    return sentence("Did you mean {meant}?")


def _too_much(command: click.Command, word: str) -> Misuse:
    """Return what is told of a word too many; not which, where it may be the password."""
    if any(each.name == "password_file" for each in command.params):
        what = sentence("Only the URL is given here: the password is asked for, or read by --password-file.")
        return Misuse("usage", what, fields={"url": "one"})
    return Misuse("usage", sentence("One word is too many: {name}."), _SEE_HELP, facts={"name": _discreet(word)})


def _discreet(word: str) -> str:
    """Return a word that is to be shown again, or an ellipsis for what may be half of a credential."""
    try:
        normalise_password(word)
    except BadCredential:
        return "…" if PATH in word else word
    return "…"


def _unfit(wanted: click.ParamType[Any], facts: dict[str, str]) -> str:
    """Return what is told of a value that is not of the kind wanted; a choice's words become a fact."""
    match wanted:
        case click.ParamType(name="CN"):
            return sentence("{name} must look like F123456-001.")
        case click.Choice():
            facts["choices"] = ", ".join(str(each) for each in wanted.choices)
            return sentence("{name} must be one of {choices}.")
        case click.types.FloatParamType():
            return sentence("{name} must be a number of 0 or more.")
        case click.Path(exists=True):
            return sentence("{name} must be a file that is there and that this login may read.")
        case click.Path(file_okay=False):
            return sentence("{name} must be a folder.")
        case click.Path():
            return sentence("{name} must be a file that this login may use.")
        case _:
            return sentence("{name} cannot be used: {reason}")


def _shown_name(parameter: click.Parameter) -> str:
    """Return what the help page calls a parameter."""
    return parameter.human_readable_name.strip("[]") if isinstance(parameter, click.Argument) else parameter.opts[-1]


def _language(ctx: click.Context) -> Language:
    console = ctx.find_object(Console)
    return console_for(()).language if console is None else console.language


def _spoken(command: click.Command, ctx: click.Context) -> click.Command:
    """Return a copy of a command that explains itself in the reader's language."""
    spoken = copy(command)
    if command.help:
        spoken.help = _language(ctx).say(command.help)
    spoken.params = [_spoken_option(parameter, ctx) for parameter in command.params]
    return spoken


def _summary(command: click.Command) -> str:
    summary, context = command.help or "", click.get_current_context(silent=True)
    return summary if context is None else _language(context).say(summary)


def _spoken_help(option: click.Option | None, ctx: click.Context) -> click.Option | None:
    """Return the option --help, which click keeps and compares by identity, with its help in the reader's language."""
    if option is not None:
        option.help = _language(ctx).say(sentence("Show this message and exit."))
    return option


def _spoken_option(parameter: click.Parameter, ctx: click.Context) -> click.Parameter:
    if not isinstance(parameter, click.Option) or not parameter.help:
        return parameter
    spoken = copy(parameter)
    spoken.help = _language(ctx).say(parameter.help)
    return spoken
