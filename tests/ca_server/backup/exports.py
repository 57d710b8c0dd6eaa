"""Exports of audit logs that tell what a test wants, signed as a CA signs them."""

import dataclasses
import time
from pathlib import Path

from ca_server.domain import merkle
from ca_server.domain.audit_entry import Entry, Placed, encoded
from ca_server.domain.checkpoint import Checkpoint, root_over
from ca_server.domain.merkle import Peaks
from ca_server.operations.audit_export import line_of
from keys.algorithms import PrivateKey
from keys.signed_note import sign_note


def entry(action: str, subject: str, at: int = 5, **detail: object) -> Entry:
    """Return an entry without a name in it."""
    return Entry("id", at, "schedule", action, subject, "done", encoded(detail))


@dataclasses.dataclass(frozen=True)
class Scribe:
    """Writes exports under a key of the log's name."""

    origin: str
    key: PrivateKey

    def export(self, path: Path, *entries: Entry, at: int | None = None) -> Path:
        """Write an export of entries that tell of no issued certificate, with a checkpoint of a moment."""
        peaks, lines = Peaks(), []
        for place, each in enumerate(entries):
            placed = Placed(place, merkle.leaf_hash(each.leaf()), each)
            peaks.append(placed.hash)
            lines.append(line_of(placed))
        moment = int(time.time()) + 1 if at is None else at
        checkpoint = Checkpoint(self.origin, peaks.size, peaks.root(), moment, 0, root_over([]))
        note = sign_note(checkpoint.text(), self.origin, self.key)
        head = f'{{"format":"warifu-audit-1","origin":"{self.origin}","entries":{len(entries)}}}'
        path.write_text("\n".join((head, *lines, line_of(note))) + "\n", "ascii")
        return path
