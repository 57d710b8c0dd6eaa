"""Carrying an approved application out: the running server's own rules are looked at once more."""

import datetime
from pathlib import Path

import pytest

from ca_server.domain.applications import Administrator, Half, Status, issuance, revocation
from ca_server.domain.officers import Officer, Role
from ca_server.errors import Invalid, NotEntitled
from ca_server.operations import applications
from ca_server.operations.applications import Receipt, Terms
from ca_server.operations.revocation import Decision, revoke_seat
from ca_server.store import SynchronousDatabase, migrations, officers, seats
from keys.sealing import Sealer
from protocol.names import CommonName
from protocol.vocabulary import RevocationReason

NOW = 1_795_435_200
SEALER = Sealer([b"s" * 32])
YAMADA = Administrator("山田", "太郎", "やまだ たろう", "yamada@midori.example")


@pytest.fixture
def records(tmp_path: Path) -> SynchronousDatabase:
    migrations.create(tmp_path / "warifu.db")
    opened = SynchronousDatabase(tmp_path / "warifu.db")
    for name in ("alice", "bob"):
        opened.write(officers.add, Officer(name, name, Role.REGISTRATION, None, None), NOW, "login:test")
    return opened


def approved(records: SynchronousDatabase, *, by: str, four_eyes: bool) -> int:
    """File and examine as alice, approve as `by`, by the rules of whoever runs the command line."""
    form = issuance("F123456", "みどり銀行", YAMADA, 2, language="ja", today=datetime.date(2026, 11, 24))
    number = records.write(applications.file, form, Receipt("alice", "test", None), NOW).number
    records.write(applications.examine, number, "alice", NOW)
    records.write(applications.approve, number, by, NOW, four_eyes=four_eyes)
    return number


def carry_out(records: SynchronousDatabase, number: int, *, two_officers: bool) -> None:
    terms = Terms(30, 0, two_officers)
    records.write(applications.carry_out, number, terms, SEALER, lambda serial, now, code: b"", NOW)


def test_what_one_officer_approved_alone_is_not_carried_out_where_two_are_demanded(
    records: SynchronousDatabase,
) -> None:
    number = approved(records, by="alice", four_eyes=False)
    with pytest.raises(NotEntitled):
        carry_out(records, number, two_officers=True)
    assert records.read(seats.find, CommonName.parse("F123456-001")) is None
    assert records.read(applications.show, number).status is Status.APPROVED


def test_what_one_officer_approved_alone_is_carried_out_where_one_is_enough(records: SynchronousDatabase) -> None:
    number = approved(records, by="alice", four_eyes=False)
    carry_out(records, number, two_officers=False)
    assert records.read(applications.show, number).status is Status.DONE


def test_what_two_officers_approved_is_carried_out_whole(records: SynchronousDatabase) -> None:
    number = approved(records, by="bob", four_eyes=True)
    carry_out(records, number, two_officers=True)
    items = records.read(applications.show, number).application.items
    assert [(str(item.new_cn), item.issuance) for item in items] == [
        ("F123456-001", Half.DONE),
        ("F123456-002", Half.DONE),
    ]


def test_what_was_altered_after_its_approval_is_not_carried_out(records: SynchronousDatabase, tmp_path: Path) -> None:
    import sqlite3

    number = approved(records, by="bob", four_eyes=True)
    with sqlite3.connect(tmp_path / "warifu.db") as raw:
        raw.execute("UPDATE application SET email = 'mallory@evil.example'")
    raw.close()
    with pytest.raises(NotEntitled):
        carry_out(records, number, two_officers=True)


def test_a_cn_revoked_on_a_call_is_accepted_once_as_the_form_owed_for_it(records: SynchronousDatabase) -> None:
    carry_out(records, approved(records, by="bob", four_eyes=True), two_officers=True)
    cn = CommonName.parse("F123456-001")
    decision = Decision(RevocationReason.keyCompromise, "officer:alice", NOW)
    records.write(revoke_seat, cn, decision, lambda serial, now, code: b"")
    registered = ("みどり銀行", YAMADA, "ja")
    form = revocation("F123456", (str(cn),), "lost", registered, datetime.date(2026, 11, 24))
    number = records.write(applications.file, form, Receipt("alice", "test", None), NOW).number
    records.write(applications.examine, number, "alice", NOW)
    records.write(applications.approve, number, "bob", NOW, four_eyes=True)
    carry_out(records, number, two_officers=True)
    assert records.read(applications.show, number).status is Status.DONE
    with pytest.raises(Invalid):
        records.write(applications.file, form, Receipt("alice", "test", None), NOW)
