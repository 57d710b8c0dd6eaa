"""Verifying the audit log: from its entries and checkpoints alone, with public keys, as long as anybody keeps them.

    every entry stands at its place and has the hash that is kept for it; the root over them is the one of every
    checkpoint, each signed with a key that is known; institutions' logs of certificates, which follow from the
    entries, lead to the root that the checkpoint names; and the log begins with every earlier checkpoint that the
    auditor kept

The first that does not agree is named. An entry that was changed together with its hash shows at the next checkpoint,
and is named as one between that and the checkpoint before.
"""

import dataclasses
from collections.abc import Iterable, Sequence

from ca_server.domain import merkle
from ca_server.domain.audit_entry import Placed, issued
from ca_server.domain.checkpoint import Checkpoint, Head, NoCheckpoint, notes_in
from ca_server.domain.merkle import Peaks
from ca_server.language import sentence
from keys.errors import BadSignature
from keys.signed_note import NoteKey, verify_note

Item = Placed | str
"""An entry, or the note of a checkpoint."""


class Altered(Exception):
    """The audit log is not what was signed; the sentence names the first place that does not agree."""


@dataclasses.dataclass(frozen=True)
class Verified:
    """A log that is whole."""

    entries: int
    signed: int
    """How many of them a checkpoint stands for; the others came after the newest."""
    checkpoints: int
    root: bytes
    heads: tuple[Head, ...]
    newest: Checkpoint | None


def opened(note: str, keys: Sequence[NoteKey]) -> Checkpoint:
    """Return what a signed checkpoint says. Raises Altered when none of the keys signed it, or it is none."""
    try:
        return Checkpoint.parse(verify_note(note, keys))
    except (BadSignature, NoCheckpoint) as error:
        raise Altered(sentence("A checkpoint cannot be believed: {error}", error=error)) from error


def kept_checkpoints(text: str, keys: Sequence[NoteKey]) -> list[Checkpoint]:
    """Return the checkpoints in a file that somebody kept, such as a box of mails. Raises Altered, NoCheckpoint."""
    return [opened(note, keys) for note in notes_in(text)]


class Examination:
    """Takes the items of a log one after the other."""

    def __init__(self, keys: Sequence[NoteKey], kept: Iterable[Checkpoint] = ()) -> None:
        self._keys = keys
        self._kept = sorted(kept, key=lambda each: each.size)
        self._peaks = Peaks()
        self._logs: dict[str, Peaks] = {}
        self._leaves: dict[str, bytes] = {}
        self._grown: set[str] = set()
        self._over_institutions = merkle.EMPTY_ROOT
        self._checkpoints = 0
        self._newest: Checkpoint | None = None

    def take(self, items: Iterable[Item]) -> Verified:
        """Look at every item and return what they are. Raises Altered at the first that does not agree."""
        self._compare_with_kept()
        for item in items:
            if isinstance(item, str):
                self._checkpoint(opened(item, self._keys))
            else:
                self._entry(item)
        if self._kept:
            raise Altered(
                sentence(
                    "The log was cut off or rolled back: the checkpoint of {size} entries that you kept is beyond its "
                    "end, for it has {count} entries.",
                    size=self._kept[0].size,
                    count=self._peaks.size,
                )
            )
        heads = tuple(Head(code, log.size, log.root()) for code, log in sorted(self._logs.items()))
        signed = 0 if self._newest is None else self._newest.size
        return Verified(self._peaks.size, signed, self._checkpoints, self._peaks.root(), heads, self._newest)

    def _entry(self, placed: Placed) -> None:
        if placed.place != self._peaks.size:
            raise Altered(
                sentence(
                    "Entry {place} does not stand where it belongs: number {wanted} was to come.",
                    place=placed.place,
                    wanted=self._peaks.size,
                )
            )
        try:
            found = merkle.leaf_hash(placed.entry.leaf())
        except (ValueError, TypeError, AttributeError, RecursionError):
            found = b""
        if found != placed.hash:
            raise Altered(
                sentence(
                    "Entry {place} was changed: it does not have the hash that is kept for it.", place=placed.place
                )
            )
        self._peaks.append(found)
        told = issued(placed.entry)
        if told is not None:
            code, fingerprint = told
            self._logs.setdefault(code, Peaks()).append(merkle.leaf_hash(fingerprint))
            self._grown.add(code)
        if self._kept and self._kept[0].size == self._peaks.size:
            self._compare_with_kept()

    def _compare_with_kept(self) -> None:
        while self._kept and self._kept[0].size <= self._peaks.size:
            kept = self._kept.pop(0)
            if (kept.root, kept.institutions_root) != (self._peaks.root(), self._institutions_root()):
                raise Altered(
                    sentence(
                        "The log does not begin with the checkpoint of {size} entries that you kept: an entry before "
                        "number {size} was changed, taken out or put in.",
                        size=kept.size,
                    )
                )

    def _checkpoint(self, checkpoint: Checkpoint) -> None:
        before = 0 if self._newest is None else self._newest.size
        if checkpoint.size != self._peaks.size or (self._newest is not None and checkpoint.size <= before):
            raise Altered(
                sentence(
                    "The checkpoint of {size} entries stands behind {count} entries.",
                    size=checkpoint.size,
                    count=self._peaks.size,
                )
            )
        between = {"first": before, "last": checkpoint.size - 1}
        if checkpoint.root != self._peaks.root():
            raise Altered(sentence("An entry from {first} to {last} is not what was signed.", **between))
        root, count = self._institutions_root(), len(self._logs)
        if (checkpoint.institutions, checkpoint.institutions_root) != (count, root):
            raise Altered(
                sentence(
                    "The certificates of an institution, of entries {first} to {last}, are not those signed.", **between
                )
            )
        self._newest = checkpoint
        self._checkpoints += 1

    def _institutions_root(self) -> bytes:
        if self._grown:
            for code in self._grown:
                log = self._logs[code]
                self._leaves[code] = Head(code, log.size, log.root()).leaf()
            self._grown.clear()
            self._over_institutions = merkle.root_of(self._leaves[code] for code in sorted(self._leaves))
        return self._over_institutions
