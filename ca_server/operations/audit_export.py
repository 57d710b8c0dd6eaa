"""The audit log as a file that can be verified without its database: JSON, one object a line.

    {"format":"warifu-audit-1","origin":…,"entries":N}        once, at the beginning
    {"place":0,"hash":…,"salt":…,"entry":[…]}                 for each entry, in order (`domain.audit_entry`)
    {"checkpoint":"…"}                                        behind the last entry that it stands for

It ends with a checkpoint: entries that none stands for yet come with the next export. Lines are read in the very form
in which they are written, so that a file has one reading only.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from json.encoder import encode_basestring_ascii as quoted
from typing import Final, Protocol

from ca_server import store
from ca_server.domain.audit_entry import Entry, Placed
from ca_server.errors import NotAllowed
from ca_server.language import sentence
from ca_server.operations.audit_log import body_of
from ca_server.operations.audit_verification import Altered, Item
from ca_server.store import audit_tree, checkpoints

FORMAT: Final = "warifu-audit-1"
_HEAD: Final = re.compile(
    r'\{"format":"warifu-audit-1","origin":"(?P<origin>[!#-\[\]-~]+)","entries":(?P<entries>0|[1-9][0-9]{0,14})\}'
)
_SALT: Final = re.compile(r"[0-9a-f]{32}")
_FIELDS: Final = 7
_LONGEST: Final = 1 << 25


def items(connection: store.Connection, end: int) -> Iterator[Item]:
    """Yield the first `end` entries, and behind each the checkpoint that stands for it and those before, if any."""
    notes = checkpoints.until(connection, end)
    note = next(notes, None)
    for placed in audit_tree.between(connection, 0, end):
        yield placed
        while note is not None and note.size <= placed.place + 1:
            yield note.note
            note = next(notes, None)
    while note is not None:
        yield note.note
        note = next(notes, None)


def write(connection: store.Connection, line: Callable[[str], object], progress: Callable[[int, int], None]) -> int:
    """Give the export line by line, and return of how many entries. Raises NotAllowed before the first checkpoint.

    `progress` is told now and then how many entries were given, and of how many.
    """
    newest = checkpoints.newest(connection)
    if newest is None:
        raise NotAllowed(sentence("There is no checkpoint yet; a running `warifu-ca serve` makes one each minute."))
    line(f'{{"format":"{FORMAT}","origin":{quoted(body_of(newest.note).origin)},"entries":{newest.size}}}')
    for item in items(connection, newest.size):
        line(line_of(item))
        if isinstance(item, Placed) and item.place % 10_000 == 0:
            progress(item.place, newest.size)
    progress(newest.size, newest.size)
    return newest.size


def line_of(item: Item) -> str:
    """Return the line of an entry or of a checkpoint."""
    if isinstance(item, str):
        return f'{{"checkpoint":{quoted(item)}}}'
    salt = "null" if item.entry.salt is None else f'"{item.entry.salt}"'
    return f'{{"place":{item.place},"hash":"{item.hash.hex()}","salt":{salt},"entry":{item.entry.text()}}}'


class Readable(Protocol):
    """A text file that gives so much of a line at a time."""

    def readline(self, most: int = ..., /) -> str: ...


def lines_of(file: Readable) -> Iterator[str]:
    """Yield the lines of a file. Raises Altered for one longer than any entry, which would fill the memory."""
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST:
            raise Altered(sentence("Line {number} of the export is not as it was written.", number=number))
        yield line


def read(lines: Iterable[str]) -> Iterator[Item]:
    """Yield the items of an export. Raises Altered at the first line that is not as it was written."""
    number, wanted, seen, origin, last = 0, 0, 0, "", None
    for number, each in enumerate(lines, start=1):
        line = each.removesuffix("\n")
        if number == 1:
            head = _HEAD.fullmatch(line)
            if head is None:
                raise Altered(sentence("This file is no export of an audit log."))
            wanted, origin = int(head["entries"]), f"{head['origin']}\n"
            continue
        last = _item(line, number)
        seen += isinstance(last, Placed)
        yield last
    if not isinstance(last, str) or seen != wanted:
        raise Altered(
            sentence(
                "The export is not whole: it was to have {wanted} entries, then a checkpoint, and has {seen} entries.",
                wanted=wanted,
                seen=seen,
            )
        )
    if not last.startswith(origin):  # earlier ones may bear a former name of the log: the tree holds them together
        raise Altered(sentence("Line {number} of the export is of another log.", number=number))


def _item(line: str, number: int) -> Item:
    try:
        item = _parsed(json.loads(line))
        if line_of(item) != line:
            raise ValueError(line)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Altered(sentence("Line {number} of the export is not as it was written.", number=number)) from error
    return item


def _parsed(document: dict[str, object]) -> Item:
    if "checkpoint" in document:
        note = document["checkpoint"]
        if not isinstance(note, str):
            raise ValueError(note)
        return note
    place, salt, entry, digest = (document[name] for name in ("place", "salt", "entry", "hash"))
    if not isinstance(entry, list) or len(entry) != _FIELDS or not isinstance(digest, str):
        raise ValueError(entry)
    if type(place) is not int or type(entry[1]) is not int:
        raise ValueError(place)
    if salt is not None and not (isinstance(salt, str) and _SALT.fullmatch(salt)):
        raise ValueError(salt)
    return Placed(place, bytes.fromhex(digest), Entry(*[*entry, salt]))
