"""`warifu-ca audit verify`: of the records, or of a file alone."""

import email
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ca_server.checkpoint_key import public_keys, published_keys
from ca_server.cli.options import open_records, settings
from ca_server.cli.output import PERSON, Stop, answer, say, spoken
from ca_server.clock import minute_in_tokyo, rfc3339
from ca_server.config import BadConfiguration
from ca_server.domain.audit_entry import Entry
from ca_server.domain.checkpoint import Checkpoint, NoCheckpoint
from ca_server.domain.timeline import ACTIONS
from ca_server.errors import Invalid
from ca_server.language import sentence
from ca_server.operations import audit_export, audit_proofs
from ca_server.operations.audit_log import FOLDER
from ca_server.operations.audit_proofs import Document, Proven
from ca_server.operations.audit_verification import Altered, Examination, Verified, kept_checkpoints
from ca_server.store import audit_tree
from keys.signed_note import NoteKey

_HEAD_LENGTH = 64
_POSTMARK = re.compile(rb"^From [^\n]*\n", re.MULTILINE)
"""What stands before each mail of a box."""


def run(kept: tuple[Path, ...], export: Path | None, key: Path | None) -> None:
    """Verify what was asked for, and tell. Raises Altered when something does not agree."""
    keys = _published(export) if key is None else public_keys(_text(key))
    if export is None:
        config = settings().config()
        records, published = open_records(config), config.server.public_folder / FOLDER / "checkpoint"
        known = (*kept, published) if published.exists() else kept  # records that were rolled back have lost theirs
        found = records.read(audit_proofs.verify_records, keys, _checkpoints(known, keys))
        waiting = records.read(audit_tree.count_waiting)
        _tell(found, kept, max(0, waiting - 1))  # one is the entry of this reading
    elif audit_export.FORMAT in _head(export):
        with export.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            examined = Examination(keys, _checkpoints(kept, keys))
            _tell(examined.take(audit_export.read(audit_export.lines_of(lines))), kept)
    else:
        _verify_proof(export, kept, keys)


def _published(export: Path | None) -> tuple[NoteKey, ...]:
    """Return the keys that this CA publishes. Raises Invalid for a file alone, where there is no CA to look them up."""
    try:
        config = settings().config()
    except BadConfiguration as error:
        if export is None or not isinstance(error.__cause__, FileNotFoundError | PermissionError):
            raise
        told = sentence("Give the file of keys that the CA published; there is no CA here, or not for this login.")
        raise Invalid({"key": told}) from error
    keys = published_keys(config)
    if export is not None:
        folder = config.server.public_folder / FOLDER
        say(sentence("The public keys in {folder} are believed; an auditor brings his own (--key).", folder=folder))
    return keys


def _verify_proof(path: Path, kept: tuple[Path, ...], keys: Sequence[NoteKey]) -> None:
    if len(kept) > 1:
        raise click.UsageError(sentence("Give one earlier file."))
    earlier = _document(kept[0]) if kept else None
    _tell_proof(audit_proofs.verify(_document(path), keys, earlier))


def _checkpoints(files: tuple[Path, ...], keys: Sequence[NoteKey]) -> list[Checkpoint]:
    found = []
    for path in files:
        try:
            found += kept_checkpoints(_letters(path), keys)
        except NoCheckpoint as error:
            raise Invalid({"since": sentence("{path} holds no checkpoint.", path=path)}) from error
    return found


def _letters(path: Path) -> str:
    """Return the text of a file, and of mails that were saved as they came (RFC 2045, 4155) what a person reads."""
    content = path.read_bytes()
    letters = map(email.message_from_bytes, _POSTMARK.split(content))
    parts = [part for letter in letters for part in letter.walk()]
    texts = [part.get_payload(decode=True) for part in parts if part.get_content_maintype() == "text"]
    return b"\n".join([content, *(each for each in texts if isinstance(each, bytes))]).decode("utf-8", "replace")


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_HEAD_LENGTH).decode("ascii", errors="replace")


def _document(path: Path) -> Document:
    try:
        document = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise Altered(sentence("{path} is no export and no proof of an audit log.", path=path)) from error
    if not isinstance(document, dict):
        raise Altered(sentence("{path} is no export and no proof of an audit log.", path=path))
    return document


def _tell(found: Verified, kept: tuple[Path, ...], waiting: int = 0) -> None:
    newest = found.newest
    proved = newest is not None or not found.entries
    whole: dict[str, Any] = {
        "whole": True if proved else None,
        "entries": found.entries,
        "signed": found.signed,
        "waiting": waiting,
        "checkpoints": found.checkpoints,
        "root": found.root.hex(),
        "institutions": len(found.heads),
        "newest": None if newest is None else rfc3339(newest.at),
    }
    words = [sentence("The audit log is whole: {count} entries.", count=found.entries)]
    if newest is None:
        words = [sentence("No checkpoint stands for any of {count} entries: nothing was proved.", count=found.entries)]
    else:
        words.append(sentence("  The newest checkpoint is of {moment}.", moment=rfc3339(newest.at)))
    if newest is not None and found.signed < found.entries:
        late = found.entries - found.signed
        words.append(sentence("  {count} entries came after it and are not signed yet.", count=late))
    if proved and not kept:
        words.append(sentence("  That it was not cut off or exchanged shows --since, with a checkpoint that you kept."))
    if waiting:
        words.append(sentence("  {count} entries have no place yet: nothing proves them.", count=waiting))
    answer(whole, words)
    if not proved:
        raise Stop(PERSON)


def _line(entry: Entry) -> str:
    """Return when what was done to what; the words of an export may be anybody's, so they are escaped."""
    action = ACTIONS.get(entry.action)
    what = json.dumps(entry.action)[1:-1] if action is None else spoken(action)
    return f"  {minute_in_tokyo(entry.at)} {what}: {json.dumps(entry.subject)[1:-1]}"


def _tell_proof(proven: Proven) -> None:
    moment = rfc3339(proven.checkpoint.at)
    if proven.institution is None:
        entries = [{"place": each.place, "entry": json.loads(each.entry.text())} for each in proven.entries]
        words: list[str] = [
            sentence("{count} entries stood in the log of {moment}.", count=len(entries), moment=moment),
            *(_line(each.entry) for each in proven.entries),
        ]
        answer({"whole": True, "checkpoint": moment, "entries": entries}, words)
        return
    count = len(proven.certificates)
    answer(
        {"whole": True, "checkpoint": moment, "certificates": list(proven.certificates)},
        [
            sentence(
                "{count} certificates were ever issued to {code}, until {moment}.",
                count=count,
                code=proven.institution,
                moment=moment,
            )
        ],
    )
