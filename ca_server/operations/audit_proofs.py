"""Proofs to give away: that an entry stands in the audit log, and that an institution has seen all its certificates.

Each is one JSON document with the checkpoint that it leads to, so that whoever has the public key can verify it.

    {"format":"warifu-audit-proof-1","checkpoint":…,"entries":[{"place":…,"salt":…,"entry":[…],"proof":[…]}]}
    {"format":"warifu-audit-institution-1","checkpoint":…,"institution":…,"place":…,"proof":[…],"certificates":[…]}

A proof names nodes of RFC 9162 §2.1.3. The first is against the tree of entries, the second against that of all
institutions (`domain.checkpoint`), for the log of SHA-256 fingerprints that the certificates are, in their order.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ca_server import store
from ca_server.domain import merkle
from ca_server.domain.audit_entry import Entry, Placed, issued
from ca_server.domain.checkpoint import Checkpoint, Head
from ca_server.domain.merkle import BadProof, Peaks
from ca_server.errors import NotAllowed, NotFound
from ca_server.language import sentence
from ca_server.operations.audit_export import items
from ca_server.operations.audit_verification import Altered, Examination, Verified, opened
from ca_server.store import audit_tree, checkpoints
from ca_server.store.checkpoints import Note
from keys.signed_note import NoteKey

ENTRIES: Final = "warifu-audit-proof-1"
INSTITUTION: Final = "warifu-audit-institution-1"

Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Proven:
    """What a proof showed: entries, or the certificates of an institution, at a checkpoint."""

    checkpoint: Checkpoint
    entries: tuple[Placed, ...] = ()
    institution: str | None = None
    certificates: tuple[str, ...] = ()


_STRANGE: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""What reading raises for values that are not of the kind that was written."""


def verify_records(connection: store.Connection, keys: Sequence[NoteKey], kept: Iterable[Checkpoint] = ()) -> Verified:
    """Verify the log as it is in the records, also what is kept to make proofs of it. Raises Altered."""
    try:
        return _records(connection, keys, kept)
    except _STRANGE as error:  # SQLite keeps a value of any type in any column
        raise Altered(sentence("The audit log in the records cannot be read as it was written.")) from error


def _records(connection: store.Connection, keys: Sequence[NoteKey], kept: Iterable[Checkpoint]) -> Verified:
    size = audit_tree.size(connection)
    found = Examination(keys, kept).take(items(connection, size))
    try:
        root = audit_tree.Tiles(connection).root(size)
    except ValueError:
        root = b""
    if audit_tree.count_placed(connection) != size or found.entries != size:
        raise Altered(
            sentence(
                "The tree has {size} entries, and {count} are on record with a place in it.",
                size=size,
                count=audit_tree.count_placed(connection),
            )
        )
    newest = checkpoints.newest(connection)
    if newest is not None and newest.size > size:
        raise Altered(
            sentence("The checkpoint of {size} entries stands behind {count} entries.", size=newest.size, count=size)
        )
    if root != found.root:
        raise Altered(sentence("The hashes that are kept for proofs do not lead to the root over all entries."))
    kept_heads = tuple(audit_tree.heads(connection))
    for ours, theirs in zip(found.heads, kept_heads, strict=False):
        if ours != theirs:
            raise Altered(sentence("The log of {code} is not that of its certificates.", code=ours.institution))
    if len(found.heads) != len(kept_heads):
        raise Altered(sentence("The log of an institution is missing, or one too many."))
    return found


def prove(connection: store.Connection, what: str) -> Document:
    """Return the proof of an entry, by its id or place, or of all entries about a subject, such as a CN.

    Raises NotFound when there is none, NotAllowed before a checkpoint stands for it.
    """
    places = [int(what)] if what.isascii() and what.isdecimal() else audit_tree.places(connection, what)
    newest = _newest(connection)
    places = [place for place in places if place < newest.size]
    if not places:
        raise NotFound(
            sentence(
                "No entry about {what} has a checkpoint that stands for it; see `warifu-ca audit list`.", what=what
            )
        )
    tiles = audit_tree.Tiles(connection)
    entries = []
    for place in places:
        (placed,) = audit_tree.between(connection, place, place + 1)
        path = merkle.inclusion_proof(place, newest.size, tiles.subtree)
        entries.append(
            {
                "place": place,
                "salt": placed.entry.salt,
                "entry": json.loads(placed.entry.text()),
                "proof": [node.hex() for node in path],
            }
        )
    return {"format": ENTRIES, "checkpoint": newest.note, "entries": entries}


def log_of_institution(connection: store.Connection, code: str) -> Document:
    """Return an institution's log with its proof. Raises NotFound when it has none, NotAllowed as `prove` does."""
    newest = _newest(connection)
    heads = _heads_at(connection, newest.size)
    place = next((place for place, head in enumerate(heads) if head.institution == code), None)
    if place is None:
        raise NotFound(sentence("No certificate of {code} has a checkpoint that stands for it.", code=code))
    leaves = [head.leaf() for head in heads]

    def subtree(height: int, at: int) -> bytes:
        return merkle.root_of(leaves[at << height : (at + 1) << height])

    return {
        "format": INSTITUTION,
        "checkpoint": newest.note,
        "institution": code,
        "place": place,
        "proof": [node.hex() for node in merkle.inclusion_proof(place, len(heads), subtree)],
        "certificates": [_certificate(each.entry) for each in audit_tree.issued_to(connection, code, newest.size)],
    }


def verify(document: Document, keys: Sequence[NoteKey], earlier: Document | None = None) -> Proven:
    """Verify one of the two, for an institution's log also that it begins with an earlier one. Raises Altered."""
    try:
        checkpoint = opened(document["checkpoint"], keys)
        if document["format"] == ENTRIES:
            entries = tuple(_included(each, checkpoint) for each in document["entries"])
            if not entries:
                raise ValueError(entries)
            return Proven(checkpoint, entries=entries)
        if document["format"] != INSTITUTION:
            raise ValueError(document["format"])
        fingerprints = _logged(document, checkpoint)
        if earlier is not None:
            seen = verify(earlier, keys)
            if (
                seen.institution != document["institution"]
                or fingerprints[: len(seen.certificates)] != seen.certificates
            ):
                raise Altered(
                    sentence(
                        "The log does not begin with the certificates of the earlier one: it was rewritten, or is "
                        "another institution's."
                    )
                )
    except BadProof as error:
        raise Altered(sentence("The proof does not hold: {error}", error=error.args[0])) from error
    except _STRANGE as error:  # whose words may be a stranger's
        raise Altered(sentence("The proof is not written as one is.")) from error
    return Proven(checkpoint, institution=document["institution"], certificates=fingerprints)


def _newest(connection: store.Connection) -> Note:
    newest = checkpoints.newest(connection)
    if newest is None:
        raise NotAllowed(sentence("There is no checkpoint yet; a running `warifu-ca serve` makes one each minute."))
    return newest


def _heads_at(connection: store.Connection, size: int) -> list[Head]:
    """Return the heads of all institutions' logs as they were when the tree had `size` entries."""
    heads = {head.institution: head for head in audit_tree.heads(connection)}
    later = audit_tree.between(connection, size, audit_tree.size(connection))
    for code in {told[0] for told in (issued(each.entry) for each in later) if told is not None}:
        log = Peaks()
        for each in audit_tree.issued_to(connection, code, size):
            log.append(merkle.leaf_hash(_fingerprint(each.entry)))
        heads[code] = Head(code, log.size, log.root())
    return sorted(head for head in heads.values() if head.size)


def _fingerprint(entry: Entry) -> bytes:
    told = issued(entry)
    return b"" if told is None else told[1]


def _certificate(entry: Entry) -> Document:
    return {"cn": entry.subject, "serial": json.loads(entry.detail)["serial"], "sha256": _fingerprint(entry).hex()}


def _included(each: Document, checkpoint: Checkpoint) -> Placed:
    if type(each["place"]) is not int or type(each["entry"][1]) is not int:
        raise TypeError(each)
    entry = Entry(*[*each["entry"], each["salt"]])
    leaf = merkle.leaf_hash(entry.leaf())
    proof = [bytes.fromhex(node) for node in each["proof"]]
    merkle.require_included(leaf, each["place"], checkpoint.size, proof, checkpoint.root)
    return Placed(each["place"], leaf, entry)


def _logged(document: Document, checkpoint: Checkpoint) -> tuple[str, ...]:
    log, code = Peaks(), document["institution"]
    fingerprints = tuple(each["sha256"] for each in document["certificates"])
    for fingerprint in fingerprints:
        log.append(merkle.leaf_hash(bytes.fromhex(fingerprint)))
    proof = [bytes.fromhex(node) for node in document["proof"]]
    leaf = Head(code, log.size, log.root()).leaf()
    merkle.require_included(leaf, document["place"], checkpoint.institutions, proof, checkpoint.institutions_root)
    return fingerprints
