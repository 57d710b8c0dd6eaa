"""What verifies the audit log tells of whatever it is given, in words, and never believes a second reading."""

import asyncio
import dataclasses
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ca_server.clock import DAY, MINUTE
from ca_server.domain import merkle
from ca_server.domain.audit_entry import Entry, Placed
from ca_server.domain.checkpoint import Checkpoint, root_over
from ca_server.operations import audit_export, audit_log, audit_proofs
from ca_server.operations.audit_verification import Altered
from ca_server.store import Conflict, audit, audit_tree, checkpoints
from keys.errors import BadSignature
from keys.signed_note import sign_note, verify_note
from tests.ca_server.operations.auditing import (
    HOLDER,
    ORIGIN,
    At,
    Awaited,
    key,
    notary,
    note_key,
    place,
    sign,
    verified,
)
from tests.ca_server.operations.bureau import Bureau
from tests.ca_server.paper import NOW

SALT = "00" * 16
NAMED = Entry("1", 5, "schedule", "tested", "F000001-001", "done", '{"name":"Sato","serial":"1"}', SALT)
ISSUED = Entry("1", 5, "schedule", "certificate issued", "F000001-001", "done", f'{{"sha256":"{"ab" * 32}"}}')


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    return Bureau.open(tmp_path)


def note(leaf: bytes) -> str:
    """A checkpoint over one entry, of no institution."""
    text = Checkpoint(ORIGIN, 1, leaf, 1, 0, root_over(())).text()
    return sign_note(text, ORIGIN, key())


def export(entry: Entry, signed: str | None = None) -> list[str]:
    leaf = merkle.leaf_hash(entry.leaf())
    lines = [audit_export.line_of(Placed(0, leaf, entry)), audit_export.line_of(signed or note(leaf))]
    return [f'{{"format":"warifu-audit-1","origin":"{ORIGIN}","entries":1}}\n', *(f"{line}\n" for line in lines)]


def proof(entry: Entry = NAMED, **other: object) -> dict[str, Any]:
    return {
        "format": audit_proofs.ENTRIES,
        "checkpoint": note(merkle.leaf_hash(entry.leaf())),
        "entries": [{"place": 0, "salt": entry.salt, "entry": json.loads(entry.text()), "proof": []}],
    } | other


@pytest.mark.parametrize(
    "entry",
    [
        dataclasses.replace(ISSUED, detail="[" * 100_000),
        dataclasses.replace(ISSUED, subject="\uff26000001-001"),
        dataclasses.replace(ISSUED, subject="\ud800-001"),
    ],
    ids=["nested", "no ASCII", "no text"],
)
def test_an_entry_that_tells_of_no_certificate_belongs_to_no_institution(entry: Entry) -> None:
    assert verified(export(entry)).heads == ()


def test_a_note_that_is_no_text_was_signed_by_nobody() -> None:
    broken = note(b"0" * 32).replace("institutions", "\ud800")
    with pytest.raises(BadSignature):
        verify_note(broken, [note_key()])
    with pytest.raises(Altered, match="cannot be believed"):
        verified(export(NAMED, broken))


@pytest.mark.parametrize(
    "detail", ['{"name":"Evil","name":"Sato","serial":"1"}', '{"serial":"9","name":"Sato","serial":"1"}']
)
def test_particulars_have_one_reading_only(detail: str) -> None:
    """A name that stands twice would be hashed as the second and might be read as the first."""
    true, forged = export(NAMED), dataclasses.replace(NAMED, detail=detail)
    assert verified(true).entries == 1
    changed = [line.replace(audit_export.quoted(NAMED.detail), audit_export.quoted(detail)) for line in true]
    with pytest.raises(Altered, match="Entry 0 was changed"):
        verified(changed)
    entries = [{"place": 0, "salt": SALT, "entry": json.loads(forged.text()), "proof": []}]
    assert audit_proofs.verify(proof(), [note_key()]).entries[0].entry == NAMED
    with pytest.raises(Altered):
        audit_proofs.verify(proof(entries=entries), [note_key()])


def _at(value: object) -> dict[str, Any]:
    document = proof()
    document["entries"][0]["entry"][1] = value
    return document


def _place(value: object) -> dict[str, Any]:
    document = proof()
    document["entries"][0]["place"] = value
    return document


@pytest.mark.parametrize(
    "document", [proof(entries=[]), proof(entries={}), _at("5"), _place(0.0), _place(False), proof(format="\x1b[2J")]
)
def test_a_proof_of_nothing_or_of_other_types_is_none_and_puts_nothing_on_the_screen(document: dict[str, Any]) -> None:
    with pytest.raises(Altered) as caught:
        audit_proofs.verify(document, [note_key()])
    assert str(caught.value).isprintable()


def test_a_line_without_an_end_is_not_read_whole() -> None:
    class Endless:
        """A file of one line."""

        longest = 0

        def readline(self, most: int = -1) -> str:
            self.longest = most
            return "x" * most

    file = Endless()
    with pytest.raises(Altered, match="Line 1 "):
        list(audit_export.lines_of(file))
    assert 0 < file.longest <= 1 << 26


def test_a_clock_that_goes_back_does_not_mail_again_and_again(bureau: Bureau) -> None:
    assert sign(bureau.records, notary(bureau.folder), NOW + 30 * DAY) is not None
    bureau.records.write(audit_log.mail, ["auditor@bank.example"], "en", NOW + 30 * DAY)
    bureau.records.write(lambda connection: audit.record(connection, NOW, "schedule", "tested", "F000001-001"))
    assert sign(bureau.records, notary(bureau.folder), NOW) is not None
    bureau.records.write(audit_log.mail, ["auditor@bank.example"], "en", NOW)
    assert not bureau.records.read(audit_log.mail_is_due, NOW + 5)
    assert bureau.records.read(audit_log.mail_is_due, NOW + DAY)


def test_a_server_that_was_stopped_while_it_signed_publishes_nothing_older(bureau: Bureau) -> None:
    here, other = notary(bureau.folder), NOW + MINUTE

    class Stopped(Awaited):
        """Another server makes the next checkpoint between what is drawn up here and its record."""

        async def write(self, operation: Any, *arguments: Any) -> Any:
            drawn = bureau.records.write(operation, *arguments)
            if operation is audit_log.draw_up:
                bureau.records.write(lambda connection: audit.record(connection, NOW, "schedule", "tested", "x"))
                await audit_log.sequence(Awaited(bureau.records), "other", other)  # type: ignore[arg-type]
                await audit_log.publish(Awaited(bureau.records), here, "other", At(other))  # type: ignore[arg-type]
            return drawn

    place(bureau.records, NOW)
    with pytest.raises(Conflict):
        asyncio.run(audit_log.publish(Stopped(bureau.records), here, HOLDER, At(NOW)))  # type: ignore[arg-type]
    newest = bureau.records.read(checkpoints.newest)
    assert newest is not None
    assert here.path.read_text() == newest.note


@pytest.mark.only_sqlite  # PostgreSQL keeps no value of another type in a column
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE checkpoint SET note = x'00'",
        "UPDATE institution_log SET head = 'no hexadecimal'",
        "UPDATE audit_tile SET hashes = 'text'",
        "UPDATE audit_tile SET hashes = 7",
        "UPDATE audit_tile SET number = -1",
        "UPDATE audit SET detail = x'00' WHERE place = 1",
        "UPDATE audit SET at = x'00' WHERE place = 1",
        "UPDATE audit SET salt = 'no hexadecimal' WHERE place = 1",
        "UPDATE audit SET detail = 7, action = 'certificate issued' WHERE place = 1",
    ],
)
def test_records_of_any_other_type_are_told_so(bureau: Bureau, statement: str) -> None:
    def log(connection: Any) -> None:
        audit_tree.write_logs(connection, {"F000001": (0, merkle.Peaks(1, [b"0" * 32]))})

    assert sign(bureau.records, notary(bureau.folder), NOW + MINUTE) is not None
    bureau.records.write(log)
    (file,) = bureau.folder.glob("*.db")
    connection = sqlite3.connect(file)
    assert connection.execute(statement).rowcount
    connection.commit()
    connection.close()
    verify: Callable[..., object] = audit_proofs.verify_records
    with pytest.raises(Altered):
        bureau.records.read(verify, [note_key()])
