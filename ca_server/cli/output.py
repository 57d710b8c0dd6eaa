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

DONE, FAILURE, USAGE, LATER, REFUSED, PERSON = range(6)


class Stop(Exception):
    """A command ends with this code, having said what there was to say."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no error reaches a person as a trace but an unforeseen one."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    remembered = Settings()
    try:
        command.main(args=arguments, prog_name="warifu-ca", standalone_mode=False, obj=remembered)
    except Stop as stop:
        return stop.code
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return FAILURE
    except click.UsageError as error:
        _tell("usage", error.format_message(), {}, remembered)
        if error.ctx is not None and not remembered.json:
            click.echo(f"Try '{error.ctx.command_path} --help'.", err=True)
        return USAGE
    except Exception as error:
        code = _code_of(error)
        if code is None:
            logging.getLogger(__name__).exception("this was not foreseen")
        fields = error.fields if isinstance(error, Invalid) else {}
        if isinstance(error, BadConfiguration):
            fields = dict(fault.partition(": ")[::2] for fault in error.faults)
        _tell(type(error).__name__, str(error) or type(error).__name__, fields, remembered)
        return FAILURE if code is None else code
    return DONE


def _code_of(error: Exception) -> int | None:
    """Return the exit code of a foreseen error, None for any other; its imports wait until one is met."""
    from ca_server.errors import Refusal, TryLater
    from ca_server.store import Conflict, Overloaded, StoreError
    from keys.errors import KeysError

    codes: tuple[tuple[type[Exception], int], ...] = (
        (Refusal, REFUSED),
        (TryLater, LATER),
        (Overloaded, LATER),
        (Conflict, LATER),
        (StoreError, FAILURE),
        (BadConfiguration, FAILURE),
        (KeysError, FAILURE),
        (OSError, FAILURE),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), None)


def _tell(kind: str, detail: str, fields: dict[str, str], remembered: Settings) -> None:
    if remembered.json:
        click.echo(json.dumps({"error": {"type": kind, "detail": detail, "fields": fields}}, ensure_ascii=False))
        return
    click.echo(f"Error: {detail}" if not fields or detail.count("\n") else "Error:", err=True)
    if fields and not detail.count("\n"):
        for name, remedy in fields.items():
            click.echo(f"  {name}: {remedy}", err=True)


def say(text: str) -> None:
    """Say a sentence to the person: on stdout, or on stderr beside a JSON document."""
    click.echo(text, err=settings().json)


def answer(document: object, words: Iterable[str]) -> None:
    """Answer with a document under --json, in words otherwise."""
    if settings().json:
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        for line in words:
            click.echo(line)


def answer_table(documents: Sequence[object], heads: Sequence[str], rows: Iterable[Sequence[str]], none: str) -> None:
    """Answer with a list: documents under --json, otherwise a table that fits 80 columns, or the sentence `none`."""
    if settings().json:
        click.echo(json.dumps(documents, ensure_ascii=False))
        return
    if not documents:
        click.echo(none)
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(*heads, box=SIMPLE_HEAD, pad_edge=False, expand=False)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 80, highlight=False).print(table)
