"""The audit log as a tree: the sequencer that gives entries their place, checkpoints, the daily mail, retention.

`sequence` runs each second under a lease, in parts, each a transaction. `publish` makes a checkpoint when the tree has
grown, at most each minute: drawn up in one transaction, signed, recorded, put in its place. It signs nothing that does
not begin with what was published last: records that were restored, or a tree that was changed, are an alarm and end
there. Institutions' logs of certificates grow with the entries that tell of an issuance.
"""

import asyncio
import dataclasses
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ca_server import store
from ca_server.clock import DAY, MINUTE, Clock, day_in_tokyo
from ca_server.domain import merkle
from ca_server.domain.audit_entry import Entry, Placed, issued
from ca_server.domain.checkpoint import Checkpoint, NoCheckpoint, root_over
from ca_server.domain.merkle import BadProof, Peaks
from ca_server.language import sentence
from ca_server.notices.messages import NoticeKind
from ca_server.operations.publication import place as put_in_place
from ca_server.store import audit, audit_tree, checkpoints, leases, outbox
from ca_server.store.checkpoints import Note
from keys.algorithms import PrivateKey
from keys.signed_note import NoteKey, sign_note

log = logging.getLogger(__name__)

_SEQUENCER, _CHECKPOINT = "sequencer", "checkpoint"
_LEASE_SECONDS: Final = 10
_AT_ONCE: Final = 500
"""Entries that one transaction places: some 10 ms, for which nobody else writes."""
_PATIENCE: Final = 5 * MINUTE
"""How old an entry without a place may be before it is an alarm."""
FOLDER: Final = "audit"
"""Where checkpoint and keys are published in the public folder."""


class Forked(Exception):
    """The tree does not begin with the checkpoint that was published last."""


@dataclasses.dataclass(frozen=True)
class Notary:
    """Who signs checkpoints, and where they are published."""

    origin: str
    key: PrivateKey
    folder: Path

    @property
    def path(self) -> Path:
        """Return the place of the newest checkpoint."""
        return self.folder / "checkpoint"

    @property
    def public(self) -> NoteKey:
        """Return what the checkpoints are verified with."""
        return NoteKey.of(self.origin, self.key)


async def sequence(database: store.Database, holder: str, now: int) -> int:
    """Place every entry that has no place yet, and return how many those were; none while another server does."""
    total = 0
    while await database.lookup(audit_tree.waiting_since) is not None:
        placed = await database.write(sequence_some, holder, now)
        if not placed:
            break
        total += placed
    return total


def sequence_some(connection: store.Connection, holder: str, now: int) -> int:
    """Place the next few entries and return how many; 0 when there is none, or another server has the lease."""
    if not leases.take(connection, _SEQUENCER, holder, _LEASE_SECONDS, now):
        return 0
    entries = audit_tree.unplaced(connection, _AT_ONCE)
    if not entries:
        return 0
    start = audit_tree.size(connection)
    salted = map(_salted, entries)
    placed = [Placed(start + n, merkle.leaf_hash(each.leaf()), each) for n, each in enumerate(salted)]
    audit_tree.append(connection, placed)
    _extend_logs(connection, placed)
    return len(placed)


def _salted(entry: Entry) -> Entry:
    return dataclasses.replace(entry, salt=os.urandom(16).hex()) if entry.may_be_personal else entry


def _extend_logs(connection: store.Connection, placed: Iterable[Placed]) -> None:
    logs: dict[str, tuple[int, Peaks]] = {}
    for each in placed:
        found = issued(each.entry)
        if found is None:
            continue
        code, fingerprint = found
        if code not in logs:
            peaks = audit_tree.log_of(connection, code)
            logs[code] = peaks.size, peaks
        logs[code][1].append(merkle.leaf_hash(fingerprint))
    audit_tree.write_logs(connection, logs)


def signer_made(connection: store.Connection, issuer: str, fingerprint: str, now: int) -> None:
    """Log that an issuing CA certified a fresh OCSP signer, which was done outside the records."""
    audit.record(connection, now, "schedule", "OCSP signer made", issuer, sha256=fingerprint)


def lag(connection: store.Connection, now: int) -> int:
    """Return for how many seconds the oldest entry without a place has been waiting."""
    since = audit_tree.waiting_since(connection)
    return 0 if since is None else max(0, now - since)


def is_stuck(connection: store.Connection, now: int) -> bool:
    """Tell whether entries wait for a place for so long that a person has to look."""
    return lag(connection, now) > _PATIENCE


def checkpoint_is_due(connection: store.Connection, now: int) -> bool:
    """Tell whether the tree has grown since the newest checkpoint, and that is a minute old, or of a time to come."""
    newest = checkpoints.newest(connection)
    if newest is None:
        return audit_tree.size(connection) > 0
    return not newest.at <= now < newest.at + MINUTE and audit_tree.size(connection) > newest.size


async def publish(database: store.Database, notary: Notary, holder: str, clock: Clock) -> Checkpoint | None:
    """Make, sign and publish the next checkpoint, and return it; None while another server does.

    Raises Forked when the tree does not begin with what was published last, Conflict when another server went on
    meanwhile: what it published is not replaced by an older one.
    """
    published = await asyncio.to_thread(_published, notary)
    drawn = await database.write(draw_up, notary.origin, published, holder, clock.now())
    if drawn is None:
        return None
    note = sign_note(drawn.text(), notary.origin, notary.key)
    await database.write(_record, Note(drawn.size, drawn.at, note), drawn.root, holder, clock.now())
    await asyncio.to_thread(put_in_place, notary.path, note.encode())
    return drawn


def _record(connection: store.Connection, checkpoint: Note, root: bytes, holder: str, now: int) -> None:
    """Put a checkpoint on record, if it is still this server's turn. Raises Conflict, Forked."""
    leases.renew(connection, _CHECKPOINT, holder, _LEASE_SECONDS, now)
    if audit_tree.Tiles(connection).root(checkpoint.size) != root:
        raise Forked(sentence("The audit log was changed while its checkpoint was signed."))
    checkpoints.add(connection, checkpoint)


def _published(notary: Notary) -> str | None:
    try:
        return notary.path.read_text("utf-8")
    except FileNotFoundError:
        notary.folder.mkdir(parents=True, exist_ok=True)
        return None


def draw_up(
    connection: store.Connection, origin: str, published: str | None, holder: str, now: int
) -> Checkpoint | None:
    """Return what is to be signed; None when there is nothing new, or another server has the lease. Raises Forked."""
    if not leases.take(connection, _CHECKPOINT, holder, _LEASE_SECONDS, now):
        return None
    size, newest = audit_tree.size(connection), checkpoints.newest(connection)
    if size == 0 or (newest is not None and newest.size == size):
        return None
    tiles = audit_tree.Tiles(connection)
    for note in (published, None if newest is None else newest.note):
        if note is not None:
            _require_begins_with(note, size, tiles)
    heads = audit_tree.heads(connection)
    return Checkpoint(origin, size, tiles.root(size), now, len(heads), root_over(heads))


def _require_begins_with(note: str, size: int, tiles: audit_tree.Tiles) -> None:
    """Do nothing if the tree of `size` entries begins with that of a checkpoint. Raises Forked."""
    try:
        old = body_of(note)
        proof = merkle.consistency_proof(old.size, size, tiles.subtree)
        merkle.require_consistent(old.size, old.root, size, tiles.root(size), proof)
    except (NoCheckpoint, BadProof, ValueError) as error:
        raise Forked(
            sentence(
                "The audit log does not begin with the checkpoint that was published last: were older records "
                "restored, or was it changed? Nothing is signed; see docs/auditor.md."
            )
        ) from error


def body_of(note: str) -> Checkpoint:
    """Return what a note says, whoever signed it. Raises NoCheckpoint."""
    return Checkpoint.parse(note.partition("\n\n")[0] + "\n")


def mail_is_due(connection: store.Connection, now: int) -> bool:
    """Tell whether a day has begun in Japan since a checkpoint was mailed last, and there is a newer one."""
    last, newest = checkpoints.last_mailed_at(connection), checkpoints.newest(connection)
    return newest is not None and (last is None or day_in_tokyo(last) != day_in_tokyo(now))


def mail(connection: store.Connection, auditors: Iterable[str], language: str, now: int) -> None:
    """Queue the newest checkpoint for every auditor, once a day."""
    newest = checkpoints.newest(connection)
    if newest is None or not mail_is_due(connection, now):
        return
    for address in auditors:
        letter = outbox.Mail("", NoticeKind.CHECKPOINT, address, language, "", checkpoint=newest.size)
        outbox.put(connection, letter, now)
    checkpoints.mailed(connection, newest.size, now)


def erase(connection: store.Connection, retention_days: int, now: int) -> int:
    """Erase the personal fields of some entries whose time is over, and return of how many; the tree stays."""
    over = audit_tree.erasable(connection, now - retention_days * DAY, _AT_ONCE)
    for each in over:
        audit_tree.erase(connection, each.erased())
    if over:
        audit.record(connection, now, "schedule", "personal fields erased", "audit", entries=len(over))
    return len(over)
