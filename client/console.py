"""What the commands say and ask: one document or text on standard output, all else on standard error.

With --json standard output carries one JSON document and nothing besides. Colour only on a terminal, and never under
NO_COLOR (no-color.org).
"""

import json
import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from client.columns import wrapped
from client.config import default_file
from client.errors import ClientError, Misuse
from client.language import Language, Sentence, choose, sentence

_YES = ("yes", "y", "はい")
_NO = ("no", "n", "いいえ", "")


@dataclass(frozen=True, slots=True)
class Console:
    """Speaks one language to people, or JSON to programs."""

    language: Language
    json: bool
    quiet: bool = False

    def say(self, text: str, **facts: object) -> str:
        """Return a sentence in the reader's language, its facts too where they are sentences or errors.

        What a server says in it cannot steer the terminal.
        """
        return self.language.say(text, **{name: self._said(fact) for name, fact in facts.items()})

    def _said(self, fact: object) -> object:
        match fact:
            case ClientError():
                return _harmless(self.say(fact.sentence, **fact.facts))
            case Sentence():
                return self.language.say(fact)
        return _harmless(fact)

    def tell(self, text: str, **facts: object) -> None:
        """Show how it goes, on standard error, unless nobody wants to know."""
        if not self.quiet:
            click.echo("\n".join(wrapped(self.say(text, **facts))), err=True)

    def result(self, document: Mapping[str, object], lines: Sequence[str]) -> None:
        """Show what came out: the document to a program, the lines to a person."""
        if self.json:
            click.echo(json.dumps(document, ensure_ascii=False))
        elif lines:
            click.echo("\n".join(lines))

    def detail(self, error: ClientError) -> str:
        """Return what went wrong and what to do next."""
        return " ".join(self.say(each, **error.facts) for each in (error.sentence, error.remedy) if each)

    def error(self, error: ClientError) -> None:
        """Show what went wrong and what to do next."""
        detail = self.detail(error)
        if self.json:
            click.echo(json.dumps(error_document(error, detail), ensure_ascii=False))
        text = "\n".join(wrapped(f"warifu: {detail}"))
        # pythonw has no standard error (Windows' task starts us without a window)
        coloured = sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        click.echo(click.style(text, fg="red") if coloured else text, err=True)

    def confirmed(self, text: str, **facts: object) -> bool:
        """Ask a question on standard error and return the answer, "no" if it is just Enter.

        Raises Misuse when there is nobody to answer.
        """
        choice = self.say(sentence("[yes/no]"))
        question = "\n".join(wrapped(f"{self.say(text, **facts)} {choice}"))
        try:
            while True:
                answer = click.prompt(question, default="", show_default=False, err=True)
                told = unicodedata.normalize("NFKC", answer).strip().lower()
                if told in _YES or told in _NO:
                    return told in _YES
                self.tell(sentence("Please answer yes or no."))
        except click.Abort as abort:
            click.echo(err=True)  # the question stands without an answer
            raise Misuse(
                "noAnswer",
                sentence("There is nobody to answer the question."),
                sentence("Give --yes to go on without it."),
                fields={"--yes": "missing"},
            ) from abort


def _harmless(fact: object) -> object:
    """Return a text without control characters, anything else as it is."""
    if not isinstance(fact, str):
        return fact
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in fact)


def error_document(error: ClientError, detail: str) -> dict[str, object]:
    """Return what a program is told of an error."""
    return {"error": {"type": error.type, "detail": detail, "fields": error.fields}}


def console_for(arguments: Sequence[str]) -> Console:
    """Return the console that the command line and the environment ask for.

    Looked up before the command line is parsed, because what is wrong with it must be said too.
    """
    wanted = _given("--lang", arguments) or _preferred(_given("--config", arguments))
    return Console(choose(wanted, os.environ), "--json" in arguments)


def _given(option: str, arguments: Sequence[str]) -> str | None:
    """Return the value of an option, the last one given, None if it is not there."""
    value = None
    for place, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            value = argument.removeprefix(f"{option}=")
        elif argument == option and place + 1 < len(arguments):
            value = arguments[place + 1]
    return value


def _preferred(config: str | None) -> str | None:
    """Return the language that the configuration file names; a bad file is told of by whoever needs the rest."""
    path = default_file() if config is None else Path(config)
    if not path.is_file():
        return None
    from client.config_file import read_preferences

    try:
        return read_preferences(path).language
    except Misuse:
        return None
