"""Passphrases, from files or typed unseen, and the bar that shows how far a backup is."""

import contextlib
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from ca_server.cli.output import spoken, warn
from ca_server.errors import Invalid
from ca_server.language import Sentence, sentence


def passphrases(files: Sequence[Path], count: int, *, twice: bool) -> list[str]:
    """Return so many passphrases, from the files or from the people who type them. Raises Invalid, KeysError."""
    from ca_server.backup.exposure import others_have
    from ca_server.keyring import passphrase

    if files and len(files) != count:
        raise Invalid({"keys-passphrase-file": sentence("Give it {count} times, once for each person.", count=count)})
    for path in files:
        if others_have(path, stat.S_IROTH):
            warn(sentence("others may read {path}; chmod 600 it.", path=path))
    if files:
        return [passphrase(path) or "" for path in files]
    if count == 1:
        return [typed(sentence("Passphrase of the records"), "passphrase-file", twice=twice)]
    return [
        typed(
            sentence("Passphrase of the keys, person {number} of {count}", number=number, count=count),
            "keys-passphrase-file",
            twice=twice,
        )
        for number in range(1, count + 1)
    ]


def typed(question: Sentence, option: str, *, twice: bool = False, may_be_empty: bool = False) -> str:
    """Return what a person types unseen. Raises Invalid without a terminal, where it would be seen or waited for."""
    if not sys.stdin.isatty():
        raise Invalid({option: sentence("There is no terminal to type it on; give --{option}.", option=option)})
    while True:
        told = _asked(question, may_be_empty)
        if not (told and twice) or told == _asked(sentence("The same once more"), may_be_empty):
            return told
        click.echo(spoken(sentence("The two differ; type it twice again.")), err=True)


def _asked(question: Sentence, may_be_empty: bool) -> str:
    default = "" if may_be_empty else None
    told: str = click.prompt(spoken(question), default=default, hide_input=True, show_default=False, err=True)
    return told


@contextlib.contextmanager
def progress(name: Sentence) -> Iterator[Callable[[int, int], None]]:
    """Show a bar where a person looks on, and give what moves it: how many bytes are done, of how many."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with click.progressbar(length=0, label=spoken(name), file=sys.stderr) as bar:

        def told(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield told
