"""The passphrases of backups, from files or typed, and the bar that shows how far one is."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from ca_server.cli.output import spoken
from ca_server.errors import Invalid
from ca_server.language import Sentence, sentence


def passphrases(files: Sequence[Path], count: int, *, twice: bool) -> list[str]:
    """Return so many passphrases, from the files or from the people who type them. Raises Invalid, KeysError."""
    from ca_server.keyring import passphrase

    if files and len(files) != count:
        raise Invalid({"keys-passphrase-file": sentence("Give it {count} times, once for each person.", count=count)})
    if files:
        return [passphrase(path) or "" for path in files]
    return [_typed(number, count, twice) for number in range(1, count + 1)]


def _typed(number: int, count: int, twice: bool) -> str:
    asked = sentence("Passphrase of the records")
    if count > 1:
        asked = sentence("Passphrase of the keys, person {number} of {count}", number=number, count=count)
    typed: str = click.prompt(spoken(asked), hide_input=True, confirmation_prompt=twice, err=True)
    return typed


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
