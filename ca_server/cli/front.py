"""Commands and groups whose help is in the reader's language, and click's complaints as sentences."""

import re
from collections.abc import Iterable, Sequence
from copy import copy
from inspect import cleandoc

import click

from ca_server import refusals
from ca_server.cli.options import Settings, login, words_of
from ca_server.domain.authorization import act_of
from ca_server.errors import Invalid, NotEntitled, Refusal
from ca_server.language import Language, Sentence, sentence

_USAGE, _DEFAULT, _REQUIRED = sentence("Usage"), sentence("default"), sentence("required")
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")  # what Python makes of an octet that is no UTF-8
_HEADINGS = (sentence("Options"), sentence("Commands"))  # click names them


class _HelpPage(click.HelpFormatter):
    """click's help page under headings in the reader's language."""

    language: Language

    def write_heading(self, heading: str) -> None:
        """Write the title of a section."""
        super().write_heading(self.language.say(Sentence(heading, {})))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that shows how the command is called."""
        super().write_usage(prog, args, f"{self.language.say(_USAGE)}: " if prefix is None else prefix)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands beside what they mean; a list of choices too long for a line goes on below."""
        broken = f"\n{' ' * (self.current_indent + 2)}"
        folded = [(broken.join(_lines(term, self.width - self.current_indent - 2)), words) for term, words in rows]
        super().write_dl(folded, col_max, col_spacing)


class _Context(click.Context):
    """One run of a command; its help page is ours."""

    def make_formatter(self) -> click.HelpFormatter:
        """Return an empty help page."""
        page = _HelpPage(width=self.terminal_width, max_width=self.max_content_width)
        page.language = _language(self)
        return page


class Command(click.Command):
    """A command whose help is in the reader's language."""

    context_class = _Context
    allow_extra_args = True  # click would name them in English

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words apart. Raises UsageError for one too many, and for one that nobody could record or show."""
        rest = super().parse_args(ctx, args)
        if ctx.args and not ctx.resilient_parsing:
            ctx.fail(sentence("One word is too many: {word}", word=ctx.args[0]))
        for word in (*ctx.params.values(), ctx.ensure_object(Settings).officer_name):
            if isinstance(word, str) and _HALF_A_CHARACTER.search(word):
                shown = word.encode("utf-8", "backslashreplace").decode("utf-8")
                ctx.fail(sentence("{word} is not UTF-8; set the terminal to it (LANG=ja_JP.UTF-8).", word=shown))
        return rest

    def invoke(self, ctx: click.Context) -> object:
        """Run it; a refusal to the person who asks goes to the security log as well."""
        try:
            return super().invoke(ctx)
        except (NotEntitled, Invalid) as refused:
            of_a_form = isinstance(refused.__cause__, Refusal) or type(refused) is not Invalid  # and not of an option
            if isinstance(refused, NotEntitled) or of_a_form:
                refusals.by_command(words_of(ctx), type(refused).__name__, login())
            raise

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return click.Command.get_help(_spoken(self, ctx), ctx)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option that shows the page."""
        return _spoken_help(click.Command.get_help_option(self, ctx), ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the line of the command in its group's help."""
        return _summary(self) or super().get_short_help_str(limit)


class Group(click.Group):
    """A group of such commands and groups."""

    context_class = _Context
    command_class = Command
    group_class = type

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return click.Group.get_help(_spoken(self, ctx), ctx)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option that shows the page."""
        return _spoken_help(click.Command.get_help_option(self, ctx), ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the line of the group in the help above it."""
        return _summary(self) or super().get_short_help_str(limit)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the words name. Raises UsageError when there is none, NotEntitled for an unlisted."""
        command = self.get_command(ctx, args[0])
        if command is None:
            ctx.fail(
                _with_resembling(
                    sentence("There is no command {name}.", name=args[0]), args[0], self.list_commands(ctx)
                )
            )
        if not isinstance(command, Group):
            act_of(f"{words_of(ctx)} {args[0]}".strip())
        return super().resolve_command(ctx, args)


def complaint(error: click.UsageError) -> str:
    """Return what click says of a command line, as a sentence where its kind is known."""
    match error:
        case click.MissingParameter(param=click.Parameter() as param):
            return sentence("{parameter} is missing.", parameter=_named(param))
        case click.BadParameter(param=click.Parameter(type=click.Choice() as choice) as param):
            words = ", ".join(str(each) for each in choice.choices)
            return sentence("{parameter} must be one of {choices}.", parameter=_named(param), choices=words)
        case click.BadParameter(param=click.Parameter(type=click.types.IntParamType()) as param):
            return sentence("{parameter} must be a whole number.", parameter=_named(param))
        case click.BadParameter(param=click.Parameter(type=click.Path()) as param):
            return sentence("{parameter}: there is no such file, or not for this login.", parameter=_named(param))
        case click.BadParameter(param=click.Parameter(type=click.DateTime()) as param):
            return sentence("{parameter} must be a day such as 2026-12-22.", parameter=_named(param))
        case click.BadOptionUsage() if "does not take" in error.message:
            return sentence("{option} takes no value.", option=error.option_name)
        case click.BadOptionUsage():
            return sentence("{option} needs a value.", option=error.option_name)
        case click.NoSuchOption():
            told = sentence("There is no option {option}.", option=error.option_name)
            return _with_resembling(told, error.option_name, error.possibilities or ())
        case _:
            return error.message if isinstance(error.message, Sentence) else error.format_message()


def _with_resembling(told: Sentence, name: str, known: Sequence[str]) -> Sentence:
    """Return what is told of a word that is not there, and what resembles it."""
    from difflib import get_close_matches

    meant = get_close_matches(name, known)
    return sentence("{told} Did you mean {meant}?", told=told, meant=", ".join(meant)) if meant else told


def _named(parameter: click.Parameter) -> str:
    return parameter.opts[-1] if isinstance(parameter, click.Option) else (parameter.name or "").upper()


def _language(ctx: click.Context) -> Language:
    return ctx.ensure_object(Settings).language


def _summary(command: click.Command) -> str | None:
    """Return the first line of the help in another language than English, whose first sentence click finds itself."""
    context = click.get_current_context(silent=True)
    translated = None if context is None else _language(context).sentences.get(cleandoc(command.help or ""))
    return translated and translated.partition("\n")[0]


def _spoken(command: click.Command, ctx: click.Context) -> click.Command:
    """Return a copy of a command that explains itself in the reader's language."""
    spoken, language = copy(command), _language(ctx)
    text = cleandoc(command.help or "")
    if text in language.sentences:  # its lines are kept, for click breaks lines at blanks, and Japanese has none
        spoken.help = "\n\n".join("\b\n" + part for part in language.sentences[text].split("\n\n"))
    spoken.params = [copy(parameter) for parameter in command.params]
    for parameter in spoken.params:
        if isinstance(parameter, click.Option):
            parameter.help = _spoken_words(parameter, ctx, language)
            parameter.required = parameter.show_default = False  # click would say it again, in English
    return spoken


def _spoken_words(option: click.Option, ctx: click.Context, language: Language) -> str:
    words = [language.say(Sentence(option.help, {}))] if option.help else []
    default = option.get_help_extra(ctx).get("default")
    if default is not None:
        words.append(f"[{language.say(_DEFAULT)}: {default}]")
    if option.required:
        words.append(f"[{language.say(_REQUIRED)}]")
    return " ".join(words)


def _lines(term: str, width: int) -> list[str]:
    """Return an option's name and choices in lines of at most so many characters, broken behind a bar."""
    lines = [""]
    for part in re.findall(r"[^|]+\|?", term):
        if len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return lines


def _spoken_help(option: click.Option | None, ctx: click.Context) -> click.Option | None:
    """Return the option --help, which click keeps and compares by identity, with its help in the reader's language."""
    if option is not None:
        option.help = _language(ctx).say(sentence("Show this message and exit."))
    return option
