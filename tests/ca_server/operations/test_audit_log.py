"""The audit log as a tree: places, checkpoints, proofs, exports, the daily mail and retention."""

import hashlib
import json
from pathlib import Path

import pytest

from ca_server.clock import DAY, MINUTE
from ca_server.domain import merkle
from ca_server.domain.audit_entry import PERSONAL
from ca_server.domain.checkpoint import Checkpoint, Head, root_over
from ca_server.operations import audit_log, audit_proofs
from ca_server.operations.audit_log import Forked
from ca_server.operations.audit_verification import Altered, opened
from ca_server.store import Connection, audit, audit_tree, certificates, outbox
from ca_server.store.audit import Choice
from keys.generate import generate
from tests.ca_server.databases import is_postgresql, located, raw
from tests.ca_server.operations.auditing import exported, notary, note_key, place, sign, verified
from tests.ca_server.operations.bureau import Bureau
from tests.ca_server.paper import INSTITUTION, NOW

LATER = NOW + 2 * MINUTE

_SQLITE_FULL = ("CREATE TRIGGER full_log BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'the log is full'); END",)
_POSTGRESQL_FULL = (
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the log is full'; END $$",
    "CREATE TRIGGER full_log BEFORE INSERT ON audit EXECUTE FUNCTION refuse()",
)


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    return Bureau.open(tmp_path)


def sealed(bureau: Bureau, now: int = LATER) -> Checkpoint:
    """Place all entries and sign a checkpoint over them."""
    made = sign(bureau.records, notary(bureau.folder), now)
    assert made is not None
    return made


def write_one(bureau: Bureau, subject: str = "a test", **detail: object) -> None:
    """Write an entry of no matter what."""
    bureau.records.write(lambda connection: audit.record(connection, LATER, "schedule", "tested", subject, **detail))


def entries(bureau: Bureau, choice: Choice = Choice()) -> list[audit.Row]:  # noqa: B008 - it is frozen
    return bureau.records.read(audit.chosen, choice, 10_000)


def test_the_sequencer_gives_places_in_the_order_of_writing_without_a_gap(bureau: Bureau) -> None:
    for number in range(700):  # more than a transaction places
        write_one(bureau, str(number))
    place(bureau.records, LATER)
    rows = entries(bureau)
    assert [row.place for row in rows] == list(range(len(rows)))
    assert [row.subject for row in rows if row.action == "tested"] == [str(number) for number in range(700)]
    assert rows[0].action == "officer added"


def test_entries_that_have_a_place_stay_as_they_are_when_more_come(bureau: Bureau) -> None:
    place(bureau.records, LATER)
    before = list(bureau.records.read(lambda connection: list(audit_tree.between(connection, 0, 10_000))))
    write_one(bureau)
    place(bureau.records, LATER)
    after = bureau.records.read(lambda connection: list(audit_tree.between(connection, 0, 10_000)))
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1


def test_a_server_without_the_lease_places_nothing_until_the_other_is_gone(bureau: Bureau) -> None:
    place(bureau.records, LATER, "another server")
    write_one(bureau)
    assert place(bureau.records, LATER + 1) == 0
    assert place(bureau.records, LATER + MINUTE) == 1


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 66_000])
def test_tiles_know_the_root_of_every_size_they_grew_through(bureau: Bureau, size: int) -> None:
    """Tiles of three levels, filled in uneven parts, against the definition."""
    leaves = [merkle.leaf_hash(str(number).encode()) for number in range(size)]

    def grow(connection: Connection) -> bytes:
        for start in range(0, size, 9_973):
            level, at, hashes = 0, start, leaves[start : start + 9_973]
            while hashes:
                hashes = audit_tree._append(connection, level, at, hashes)
                level, at = level + 1, at >> 8
        tiles = audit_tree.Tiles(connection)
        for smaller in {1, size // 2 or 1, size - 1 or 1}:
            assert tiles.root(smaller) == merkle.root_of(leaves[:smaller])
            proof = merkle.consistency_proof(smaller, size, tiles.subtree)
            merkle.require_consistent(smaller, tiles.root(smaller), size, tiles.root(size), proof)
            proof = merkle.inclusion_proof(smaller - 1, size, tiles.subtree)
            merkle.require_included(leaves[smaller - 1], smaller - 1, size, proof, tiles.root(size))
        return tiles.root(size)

    assert bureau.records.write(grow) == merkle.root_of(leaves)


def test_a_checkpoint_is_published_and_stands_for_all_entries_and_all_certificates(bureau: Bureau) -> None:
    made = sealed(bureau)
    published = (bureau.folder / "public" / "audit" / "checkpoint").read_text("utf-8")
    assert opened(published, [note_key()]) == made
    assert made.size == len(entries(bureau))
    heads = bureau.records.read(audit_tree.heads)
    assert [(head.institution, head.size) for head in heads] == [("F123456", 2), ("F654321", 1)]
    assert made.institutions == 2
    assert made.institutions_root == root_over(heads)


def test_a_checkpoint_is_due_when_the_tree_has_grown_and_at_most_each_minute(bureau: Bureau) -> None:
    sealed(bureau)

    def due(now: int) -> bool:
        return bureau.records.read(audit_log.checkpoint_is_due, now)

    assert not due(LATER + DAY)
    write_one(bureau)
    place(bureau.records, LATER)
    assert not due(LATER + MINUTE - 1)
    assert due(LATER + MINUTE)
    assert due(LATER - 1), "the clock was ahead once"


def test_nothing_is_signed_over_records_that_were_rolled_back(bureau: Bureau) -> None:
    sealed(bureau)
    kept = notary(bureau.folder).path.read_bytes()
    write_one(bureau)
    sealed(bureau, LATER + MINUTE)
    connection = raw(located(bureau.folder))
    connection.execute("DELETE FROM checkpoint")
    connection.execute("DELETE FROM audit_tile")
    connection.execute("UPDATE audit SET place = NULL, salt = NULL")
    connection.execute("DELETE FROM institution_log")
    connection.execute("DELETE FROM audit WHERE action = 'tested'")
    connection.commit()
    with pytest.raises(Forked, match="does not begin"):
        sign(bureau.records, notary(bureau.folder), LATER + 2 * MINUTE)
    notary(bureau.folder).path.write_bytes(kept)
    with pytest.raises(Forked, match="does not begin"):
        sign(bureau.records, notary(bureau.folder), LATER + 3 * MINUTE)


def test_the_log_in_the_records_and_its_export_are_verified_with_the_public_key_alone(bureau: Bureau) -> None:
    first = sealed(bureau)
    write_one(bureau, why="a reason")
    second = sealed(bureau, LATER + MINUTE)
    for found in (
        bureau.records.read(audit_proofs.verify_records, [note_key()], [first, second]),
        verified(exported(bureau.records), first, second),
    ):
        assert (found.entries, found.signed, found.checkpoints) == (second.size, second.size, 2)
        assert found.root == second.root
        assert root_over(found.heads) == second.institutions_root


def test_entries_behind_the_newest_checkpoint_are_not_exported_and_are_told_apart(bureau: Bureau) -> None:
    made = sealed(bureau)
    write_one(bureau)
    place(bureau.records, LATER)
    assert verified(exported(bureau.records)).entries == made.size
    found = bureau.records.read(audit_proofs.verify_records, [note_key()])
    assert (found.entries, found.signed) == (made.size + 1, made.size)


def test_an_export_with_another_key_is_not_believed(bureau: Bureau) -> None:
    sealed(bureau)
    with pytest.raises(Altered, match="no signature of a key that is known"):
        verified(exported(bureau.records), keys=(note_key(generate("Ed25519")),))


def test_an_older_state_is_found_by_whoever_kept_a_newer_checkpoint(bureau: Bureau) -> None:
    sealed(bureau)
    before = exported(bureau.records)
    write_one(bureau)
    newer = sealed(bureau, LATER + MINUTE)
    with pytest.raises(Altered, match="cut off or rolled back"):
        verified(before, newer)


def test_a_fork_that_is_signed_is_found_by_whoever_kept_a_checkpoint_of_the_other(bureau: Bureau) -> None:
    write_one(bureau, "one")
    kept = sealed(bureau)
    connection = raw(located(bureau.folder))
    connection.execute("DELETE FROM checkpoint")
    connection.execute("DELETE FROM audit_tile")
    connection.execute("DELETE FROM institution_log")
    connection.execute("UPDATE audit SET place = NULL, salt = NULL")
    connection.execute("UPDATE audit SET subject = 'another' WHERE action = 'tested'")
    connection.commit()
    notary(bureau.folder).path.unlink()
    sealed(bureau)
    lines = exported(bureau.records)
    verified(lines)
    with pytest.raises(Altered, match="does not begin with the checkpoint"):
        verified(lines, kept)


def test_the_proof_of_an_entry_holds_and_one_of_a_changed_entry_does_not(bureau: Bureau) -> None:
    sealed(bureau)
    cn = f"{INSTITUTION}-001"
    proof = bureau.records.read(audit_proofs.prove, cn)
    proven = audit_proofs.verify(json.loads(json.dumps(proof)), [note_key()])
    assert [each.entry.subject for each in proven.entries] == [cn] * len(proof["entries"])
    assert "certificate issued" in {each.entry.action for each in proven.entries}
    proof["entries"][0]["entry"][4] = f"{INSTITUTION}-002"
    with pytest.raises(Altered, match="does not lead to the root"):
        audit_proofs.verify(proof, [note_key()])


def test_an_entry_is_proved_by_its_id_and_by_its_number(bureau: Bureau) -> None:
    sealed(bureau)
    row = entries(bureau)[3]
    for what in (row.id, "3"):
        proof = bureau.records.read(audit_proofs.prove, what)
        assert [each["entry"][0] for each in proof["entries"]] == [row.id]


@pytest.mark.parametrize("broken", [{}, {"format": 1}, {"entries": [{}]}, {"checkpoint": 7}, {"entries": "ab"}])
def test_a_proof_of_any_other_shape_is_refused_in_words(bureau: Bureau, broken: dict[str, object]) -> None:
    sealed(bureau)
    proof = bureau.records.read(audit_proofs.prove, "0")
    with pytest.raises(Altered):
        audit_proofs.verify(proof | broken if broken else {}, [note_key()])


def test_an_institution_sees_all_its_certificates_also_while_more_are_issued(bureau: Bureau) -> None:
    sealed(bureau)
    bureau.fetch(f"{INSTITUTION}-003")
    place(bureau.records, LATER)
    earlier = bureau.records.read(audit_proofs.log_of_institution, INSTITUTION)
    assert [each["cn"] for each in earlier["certificates"]] == [f"{INSTITUTION}-001", f"{INSTITUTION}-002"]
    sealed(bureau, LATER + MINUTE)
    later = bureau.records.read(audit_proofs.log_of_institution, INSTITUTION)
    assert len(audit_proofs.verify(later, [note_key()], earlier).certificates) == 3
    hidden = later | {"certificates": later["certificates"][:2]}
    with pytest.raises(Altered, match="does not lead to the root"):
        audit_proofs.verify(hidden, [note_key()])
    swapped = earlier | {"certificates": earlier["certificates"][::-1]}
    with pytest.raises(Altered, match="does not lead to the root"):
        audit_proofs.verify(swapped, [note_key()])
    with pytest.raises(Altered, match="does not begin with the certificates"):
        audit_proofs.verify(earlier, [note_key()], later)
    others = bureau.records.read(audit_proofs.log_of_institution, "F654321")
    with pytest.raises(Altered, match="another institution's"):
        audit_proofs.verify(others, [note_key()], earlier)


def test_the_fingerprints_are_those_of_the_certificates_that_are_stored(bureau: Bureau) -> None:
    sealed(bureau)
    log = bureau.records.read(audit_proofs.log_of_institution, INSTITUTION)
    connection = raw(located(bureau.folder))
    for each in log["certificates"]:
        (der,) = connection.execute("SELECT der FROM certificate WHERE serial = ?", (each["serial"],)).fetchone()
        assert hashlib.sha256(bytes(der)).hexdigest() == each["sha256"]
    connection.close()


def test_a_head_bears_its_institution_so_that_no_two_can_be_swapped() -> None:
    one, other = Head("F000001", 1, b"1" * 32), Head("F000002", 1, b"2" * 32)
    swapped = [Head("F000001", 1, b"2" * 32), Head("F000002", 1, b"1" * 32)]
    assert root_over([other, one]) == root_over([one, other]) != root_over(swapped)


def test_names_are_erased_in_time_and_the_log_is_as_whole_as_before(bureau: Bureau) -> None:
    bureau.records.write(
        lambda connection: audit.record(
            connection, NOW, "login:sato", "officer refused", "officer", name="佐藤", why="山田様から", number=7
        )
    )
    made = sealed(bureau)
    before = "".join(exported(bureau.records))
    assert "sato" in before
    assert json.dumps("佐藤")[1:-1] in before.replace("\\\\", "\\")
    erased = 0
    while count := bureau.records.write(audit_log.erase, 3653, NOW + 3654 * DAY):
        erased += count
    after = "".join(exported(bureau.records))
    for name in ("sato", json.dumps("佐藤")[1:-1], "alice-login", "bob-login"):
        assert name not in after.replace("\\\\", "\\")
    assert verified(after.splitlines(keepends=True), made).root == made.root
    (row,) = entries(bureau, Choice(action="officer refused"))
    assert row.detail == {"name": None, "why": None, "number": 7}
    assert entries(bureau)[-1].action == "personal fields erased"
    assert erased > 0


def test_a_name_that_could_be_guessed_is_not_confirmed_by_what_is_left(bureau: Bureau) -> None:
    """Two entries of the same name leave different commitments: their salts are gone with them."""
    for _ in range(2):
        write_one(bureau, name="佐藤")
    sealed(bureau)
    bureau.records.write(audit_log.erase, 3653, NOW + 3654 * DAY)
    rows = raw(located(bureau.folder)).execute("SELECT detail FROM audit WHERE action = 'tested'").fetchall()
    first, second = (json.loads(detail)["name"] for (detail,) in rows)
    assert len(first) == len(second) == 64
    assert first != second


def test_what_is_younger_than_the_retention_keeps_its_names(bureau: Bureau) -> None:
    sealed(bureau)
    assert bureau.records.write(audit_log.erase, 3653, NOW + 3652 * DAY) == 0


def test_the_newest_checkpoint_is_mailed_to_every_auditor_once_a_day(bureau: Bureau) -> None:
    made = sealed(bureau)
    for now in (LATER, LATER + MINUTE):
        bureau.records.write(audit_log.mail, ("a@auditor.example", "b@auditor.example"), "ja", now)
    due = [mail for mail in bureau.records.read(outbox.due, LATER + MINUTE, 1000) if mail.kind == "audit-checkpoint"]
    assert sorted(mail.recipient for mail in due) == ["a@auditor.example", "b@auditor.example"]
    assert {mail.checkpoint for mail in due} == {made.size}
    bureau.publish()
    assert [each for each in bureau.findings() if "mail" in each] == []
    assert not bureau.records.read(audit_log.mail_is_due, LATER + MINUTE)
    assert bureau.records.read(audit_log.mail_is_due, LATER + DAY)


def test_entries_that_wait_for_minutes_are_an_alarm(bureau: Bureau) -> None:
    place(bureau.records, LATER)
    write_one(bureau)
    assert not bureau.records.read(audit_log.is_stuck, LATER + 5 * MINUTE)
    assert bureau.records.read(audit_log.is_stuck, LATER + 5 * MINUTE + 1)
    assert bureau.records.read(audit_log.lag, LATER + 90) == 90


def test_every_personal_field_in_use_is_in_the_table(bureau: Bureau) -> None:
    """Whoever adds a particular decides whether it names a person: the known ones that do not are listed here."""
    impersonal = {
        "act", "application", "at", "call", "channel", "credential", "credentials", "entries", "expires_at", "failures",
        "file", "former_accounts_revoked", "half", "institution", "key", "kind", "mail", "number", "partitions",
        "places", "predecessor", "reason", "role", "serial", "serials", "sha256", "status", "tbs_sha256", "thumbprint",
        "times",
    }  # fmt: skip
    seen = {name for row in entries(bureau) for name in row.detail}
    assert seen
    assert seen <= impersonal | PERSONAL


def test_what_cannot_be_logged_does_not_happen(bureau: Bureau) -> None:
    connection = raw(located(bureau.folder))
    for statement in _POSTGRESQL_FULL if is_postgresql() else _SQLITE_FULL:
        connection.execute(statement)
    connection.commit()
    pair, before = bureau.pair(f"{INSTITUTION}-003"), _rows(bureau, "account")
    with pytest.raises(Exception, match="the log is full"):
        bureau.bind(pair)
    assert _rows(bureau, "account") == before
    connection.execute("DROP TRIGGER full_log" + (" ON audit" if is_postgresql() else ""))
    connection.commit()
    bureau.bind(pair)


def _rows(bureau: Bureau, table: str) -> int:
    (count,) = raw(located(bureau.folder)).execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


def test_a_certificate_that_was_revoked_while_it_was_signed_is_in_its_institutions_log(bureau: Bureau) -> None:
    serial = bureau.fetch(f"{INSTITUTION}-003")
    connection = raw(located(bureau.folder))
    (der,) = connection.execute("SELECT der FROM certificate WHERE serial = ?", (serial,)).fetchone()
    connection.execute("DELETE FROM audit WHERE action = 'certificate issued' AND subject = 'F123456-003'")
    connection.execute("UPDATE certificate SET status = 'revoked', der = NULL WHERE serial = ?", (serial,))
    connection.commit()
    assert bureau.records.write(certificates.issue, serial, bytes(der), LATER) is False
    assert bureau.records.write(certificates.issue, serial, bytes(der), LATER) is False, "stored once"
    sealed(bureau)
    log = bureau.records.read(audit_proofs.log_of_institution, INSTITUTION)
    assert log["certificates"][-1] == {
        "cn": f"{INSTITUTION}-003",
        "serial": serial,
        "sha256": hashlib.sha256(bytes(der)).hexdigest(),
    }
    assert len(audit_proofs.verify(log, [note_key()]).certificates) == 3


def test_entries_are_chosen_by_actor_action_subject_result_and_time(bureau: Bureau) -> None:
    def write(connection: Connection) -> None:
        audit.record(connection, LATER, "officer:x@one", "tested", "a", result=audit.REFUSED)
        audit.record(connection, LATER + 1, "officer:x@two", "tested", "b")
        audit.record(connection, LATER + 2, "officer:xy@two", "tried", "b")

    bureau.records.write(write)
    for choice, subjects in (
        (Choice(actor="officer:x"), ["a", "b"]),
        (Choice(actor="officer:x@two"), ["b"]),
        (Choice(action="tested", subject="b"), ["b"]),
        (Choice(result="refused", since=LATER), ["a"]),
        (Choice(since=LATER + 1, until=LATER + 2), ["b"]),
    ):
        assert [row.subject for row in entries(bureau, choice)] == subjects, choice
    assert [row.action for row in bureau.records.read(audit.chosen, Choice(), 1)] == ["tried"], "the newest"
