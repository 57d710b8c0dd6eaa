"""How the command line answers: one JSON document or words on stdout, everything else on stderr, and the exit code.

0 done or nothing to do · 1 failure · 2 usage · 3 try later · 4 refused by a rule · 5 needs a person
"""

import json
import logging
import sys
from collections.abc import Iterable, Sequence

import click

from ca_server.cli.options import Settings, settings
from ca_server.config import BadConfiguration
from ca_server.errors import Invalid
from ca_server.language import Sentence, cause, sentence

DONE, FAILURE, USAGE, LATER, REFUSED, PERSON = range(6)


class Stop(Exception):
    """A command ends with this code, having said what there was to say."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no error reaches a person as a trace but an unforeseen one."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    remembered = Settings(lang=_lang(sys.argv[1:] if arguments is None else arguments))
    try:
        command.main(args=arguments, prog_name="warifu-ca", standalone_mode=False, obj=remembered)
    except Stop as stop:
        return stop.code
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.Abort:
        click.echo(remembered.language.say(sentence("Stopped.")), err=True)
        return FAILURE
    except click.UsageError as error:
        from ca_server.cli.front import complaint

        if isinstance(error, click.exceptions.NoArgsIsHelpError) and not remembered.json:
            click.echo(error.format_message(), err=True)
            return USAGE
        _tell("usage", remembered.language.say(complaint(error)), {}, remembered)
        if error.ctx is not None and not remembered.json:
            hint = sentence("Try '{command} --help'.", command=error.ctx.command_path)
            click.echo(remembered.language.say(hint), err=True)
        return USAGE
    except Exception as error:
        return _failed(error, remembered)
    return DONE


def _lang(arguments: Sequence[str]) -> str | None:
    """Return what --lang says, before the command line is parsed: what is wrong with it must be said too."""
    wanted = None
    for place, argument in enumerate(arguments):
        if argument.startswith("--lang="):
            wanted = argument.removeprefix("--lang=")
        elif argument == "--lang" and place + 1 < len(arguments):
            wanted = arguments[place + 1]
    return wanted


def _failed(error: Exception, remembered: Settings) -> int:
    """Tell the person what went wrong, and return the exit code."""
    from keys.errors import KeysError

    code = _code_of(error)
    if code is None:
        logging.getLogger(__name__).exception("this was not foreseen")
    say = remembered.language.say
    match error:
        case Invalid():
            fields = {name: say(remedy) for name, remedy in error.fields.items()}
            lines = [f"{name}: {remedy}" for name, remedy in fields.items()]
            _tell(Invalid.__name__, "; ".join(lines), fields, remembered, lines)
        case BadConfiguration():
            lines = [say(fault) for fault in error.faults]
            fields = dict(line.partition(": ")[::2] for line in lines if ": " in line)
            summary = say(error.summary)
            _tell(type(error).__name__, "\n  ".join([summary, *lines]), fields, remembered)
        case KeysError(template=str() as told) if not isinstance(told, Sentence) and (
            error.facts or not set("{}") & set(told)
        ):
            _tell(
                type(error).__name__,
                say(Sentence(told, {name: cause(fact) for name, fact in error.facts.items()})),
                {},
                remembered,
            )
        case OSError(filename=str(name), strerror=str(why)):
            words = sentence("{path} cannot be used: {why}", path=name, why=cause(why))
            _tell(type(error).__name__, say(words), {}, remembered)
        case _:
            own = error.args[0] if len(error.args) == 1 and isinstance(error.args[0], Sentence) else None
            _tell(type(error).__name__, say(own or str(error) or type(error).__name__), {}, remembered)
    return FAILURE if code is None else code


def _code_of(error: Exception) -> int | None:
    """Return the exit code of a foreseen error, None for any other; its imports wait until one is met."""
    from ca_server.errors import Refusal, TryLater
    from ca_server.responder.supervisor import DidNotStart
    from ca_server.store import Conflict, Locked, Overloaded, StoreError
    from keys.errors import KeysError

    codes: tuple[tuple[type[Exception], int], ...] = (
        (Refusal, REFUSED),
        (TryLater, LATER),
        (Overloaded, LATER),
        (Locked, LATER),
        (Conflict, LATER),
        (StoreError, FAILURE),
        (BadConfiguration, FAILURE),
        (KeysError, FAILURE),
        (DidNotStart, FAILURE),
        (OSError, FAILURE),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), None)


def _tell(
    kind: str, detail: str, fields: dict[str, str], remembered: Settings, lines: Sequence[str] | None = None
) -> None:
    """Tell of an error: a document under --json, otherwise `lines` below its head, or the detail behind it."""
    if remembered.json:
        click.echo(json.dumps({"error": {"type": kind, "detail": detail, "fields": fields}}, ensure_ascii=False))
        return
    told = sentence("Error: {detail}", detail=detail) if lines is None else sentence("Error:")
    click.echo(remembered.language.say(told), err=True)
    for line in lines or ():
        click.echo(f"  {line}", err=True)


def spoken(text: str) -> str:
    """Return a sentence or a word in the language of the person."""
    return settings().language.say(text)


def warn(text: Sentence) -> None:
    """Warn the person on stderr."""
    click.echo(spoken(sentence("WARNING: {warning}", warning=text)), err=True)


def say(text: str) -> None:
    """Say a sentence to the person: on stdout, or on stderr beside a JSON document."""
    click.echo(spoken(text), err=settings().json)


def answer(document: object, words: Iterable[str]) -> None:
    """Answer with a document under --json, in words otherwise."""
    if settings().json:
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        for line in words:
            click.echo(spoken(line))


def answer_table(documents: Sequence[object], heads: Sequence[str], rows: Iterable[Sequence[str]], none: str) -> None:
    """Answer with a list: documents under --json, otherwise a table that fits 80 columns, or the sentence `none`."""
    if settings().json:
        click.echo(json.dumps(documents, ensure_ascii=False))
        return
    if not documents:
        click.echo(spoken(none))
        return
    from ca_server.cli.table import draw

    draw(heads, rows)
