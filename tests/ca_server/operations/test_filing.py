"""What happens when a form is filed: who may speak for an institution, which CNs can be named, and what is kept."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from ca_server.clock import DAY
from ca_server.domain.applications import Filed, KeptFile, Kind, Receipt, Status
from ca_server.errors import Invalid, NotAllowed
from ca_server.operations import applications, invitation, suspension
from ca_server.store import applications as records
from ca_server.store import audit, credentials
from protocol.names import CommonName, InstitutionCode
from tests.ca_server.databases import Raw, located, raw
from tests.ca_server.paper import (
    ALICE,
    BOB,
    NOW,
    SEALER,
    SUZUKI,
    YAMADA,
    Desk,
    a_revocation,
    an_issuance,
    no_entry,
    read,
    who,
)

FIRST = "F123456-001"
STRANGER = {"family_name": "鈴木", "email": "mallory@evil.example"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.open(tmp_path)


@pytest.fixture
def mails(tmp_path: Path) -> Raw:
    """The records, to look at from outside."""
    return raw(located(tmp_path))


def sent(mails: Raw, kind: str) -> list[tuple[str, str | None, str | None]]:
    """Return (recipient, CN, attempt) of each mail of a kind."""
    return mails.execute("SELECT recipient, cn, attempt FROM outbox WHERE kind = ?", (kind,)).fetchall()


def test_a_strangers_form_is_refused_logged_and_told_to_the_registered_administrator(desk: Desk, mails: Raw) -> None:
    desk.done(an_issuance(1))
    with pytest.raises(Invalid) as refusal:
        desk.file(a_revocation(FIRST, reason="disposed", **STRANGER))
    assert set(refusal.value.fields) == {"administrator"}
    assert len(desk.records.read(applications.listed)) == 1
    ((_, actor, action, detail),) = desk.records.read(audit.of_subject, "form:DCM903")
    assert (actor, action, detail["places"]) == (ALICE.actor, "application refused", ["administrator"])
    assert "mallory" not in json.dumps(detail)
    assert sent(mails, "attempt") == [(YAMADA.email, None, "wrong-administrator")]


def test_an_urgent_form_of_a_stranger_is_kept_as_returned_and_answered_to_the_registered_administrator(
    desk: Desk, mails: Raw
) -> None:
    desk.done(an_issuance(1))
    filed = desk.file(a_revocation(FIRST, reason="stolen", **STRANGER))
    assert filed.status is Status.RETURNED
    assert [mail[0] for mail in sent(mails, "returned")] == [YAMADA.email]
    assert not mails.execute("SELECT 1 FROM outbox WHERE recipient LIKE '%evil%'").fetchall()
    with pytest.raises(NotAllowed):
        desk.records.write(applications.examine, filed.number, BOB, desk.now)


def test_width_case_and_blanks_make_no_other_administrator(desk: Desk) -> None:
    desk.done(an_issuance(1))
    form = a_revocation(FIRST, furigana="やまだ　たろう", email="Yamada@Midori.example", institution_name="みどり 銀行")
    assert desk.file(form).status is Status.RECEIVED


def test_an_institutions_first_application_asks_for_new_certificates(desk: Desk) -> None:
    with pytest.raises(Invalid) as refusal:
        desk.file(a_revocation(FIRST))
    assert "institution" in refusal.value.fields


def test_the_second_of_two_first_applications_must_name_whom_the_first_registered(desk: Desk) -> None:
    first, second = desk.file(an_issuance(1)), desk.file(an_issuance(1, email="other@midori.example"))
    desk.approve(first.number)
    with pytest.raises(NotAllowed, match="registered meanwhile"):
        desk.approve(second.number)


def test_a_cn_is_named_by_one_application_under_way_at_a_time(desk: Desk) -> None:
    desk.done(an_issuance(1))
    number = desk.file(a_revocation(FIRST, reason="disposed")).number
    with pytest.raises(Invalid, match=f"Application {number} names this CN already"):
        desk.file(a_revocation(FIRST, reason="broken"))
    desk.records.write(applications.withdraw, number, BOB, "a mistake", desk.now)
    assert desk.file(a_revocation(FIRST, reason="broken")).status is Status.RECEIVED


def test_an_urgent_form_overrides_one_that_waits_for_its_date(desk: Desk) -> None:
    desk.done(an_issuance(1))
    waiting = desk.done(a_revocation(FIRST, reason="disposed", revocation_on="2026-12-04"))
    assert desk.show(waiting.number).status is Status.WAITING
    assert desk.done(a_revocation(FIRST)).status is Status.DONE
    with pytest.raises(Invalid):
        desk.file(a_revocation(FIRST))
    desk.pass_by(days=11)
    desk.carry_out()
    assert desk.show(waiting.number).status is Status.DONE


def test_two_urgent_forms_for_one_cn_are_one_too_many(desk: Desk) -> None:
    desk.done(an_issuance(1))
    desk.file(a_revocation(FIRST))
    with pytest.raises(Invalid, match="names this CN already"):
        desk.file(a_revocation(FIRST, reason="stolen"))


def test_a_cn_revoked_on_a_call_is_accepted_once_as_the_form_owed(desk: Desk) -> None:
    desk.done(an_issuance(1))
    request = suspension.Request(a_revocation(FIRST).items[0].reason, "山田様", ALICE)  # type: ignore[arg-type]
    desk.records.write(suspension.revoke, CommonName.parse(FIRST), request, no_entry, desk.now)
    assert desk.done(a_revocation(FIRST)).status is Status.DONE
    with pytest.raises(Invalid, match="revoked already"):
        desk.file(a_revocation(FIRST))


def test_a_cn_that_was_never_assigned_cannot_be_named(desk: Desk) -> None:
    desk.done(an_issuance(1))
    with pytest.raises(Invalid, match="never assigned"):
        desk.file(a_revocation("F123456-002"))


@pytest.mark.parametrize(("kind", "asked"), [(Kind.ISSUANCE, 3), (Kind.REPLACEMENT, 1)])
def test_nothing_is_filed_for_more_certificates_than_numbers_are_left(
    desk: Desk, mails: Raw, kind: Kind, asked: int
) -> None:
    desk.done(an_issuance(1))
    with mails:
        mails.execute("UPDATE institution SET last_number = 997")
    desk.file(an_issuance(2))
    sheet = {"count": str(asked)} if kind is Kind.ISSUANCE else {"cn": FIRST, "reason": "replaced"}
    with pytest.raises(Invalid, match="Only 0 of the 999 numbers"):
        desk.file(read(kind, who() | sheet))


def test_a_withdrawn_application_is_not_carried_out_and_the_administrator_is_told(desk: Desk, mails: Raw) -> None:
    number = desk.file(an_issuance(1)).number
    desk.approve(number)
    desk.records.write(applications.withdraw, number, BOB, "no budget", desk.now)
    desk.carry_out()
    assert desk.show(number).status is Status.WITHDRAWN
    assert sent(mails, "withdrawn") == [(YAMADA.email, None, None)]
    assert not mails.execute("SELECT 1 FROM seat").fetchall()


def test_what_was_carried_out_stays_when_the_rest_is_withdrawn(desk: Desk) -> None:
    desk.done(an_issuance(1))
    sheet = who() | {"cn": FIRST, "reason": "lost", "issuance_on": "2026-12-04"}
    number = desk.done(read(Kind.REPLACEMENT, sheet)).number
    desk.records.write(applications.withdraw, number, BOB, "no other PC", desk.now)
    desk.pass_by(days=20)
    desk.carry_out()
    (item,) = desk.show(number).application.items
    assert (item.revocation, item.new_cn) == ("done", None)


@pytest.mark.parametrize("why", ["", " ", "two\nlines", "x" * 501])
def test_a_reason_that_is_mailed_is_one_printable_line(desk: Desk, why: str) -> None:
    number = desk.file(an_issuance(1)).number
    for decide in (applications.withdraw, applications.send_back):
        with pytest.raises(Invalid):
            desk.records.write(decide, number, BOB, why, desk.now)


def test_the_file_of_a_form_is_kept_sealed_until_its_time_is_over(desk: Desk) -> None:
    content = b"a workbook"
    digest = hashlib.sha256(content).hexdigest()
    kept = KeptFile(digest, SEALER.seal(content, digest.encode()), NOW + 10 * DAY)
    filed = desk.records.write(applications.file, an_issuance(1), Receipt(ALICE, "test", "R-7", kept), NOW)
    assert isinstance(filed, Filed)
    assert desk.records.read(records.receipt, filed.number) == ("test", "R-7", NOW)
    found = desk.records.read(applications.kept_file, filed.number)
    assert found is not None
    assert SEALER.open(found[1], found[0].encode()) == content
    assert desk.records.write(records.erase_files, NOW + 10 * DAY - 1) == 0
    assert desk.records.write(records.erase_files, NOW + 10 * DAY) == 1
    assert desk.records.read(applications.kept_file, filed.number) is None
    assert desk.records.read(records.kept_file, filed.number) == (digest, None, NOW + 10 * DAY)


def test_a_pair_that_ran_out_unused_is_told_once(desk: Desk, mails: Raw) -> None:
    desk.done(an_issuance(1))
    assert desk.records.write(invitation.expire, NOW + 30 * DAY - 1) == 0
    assert desk.records.write(invitation.expire, NOW + 30 * DAY) == 1
    assert desk.records.write(invitation.expire, NOW + 31 * DAY) == 0
    assert sent(mails, "expired-unused") == [(YAMADA.email, FIRST, None)]
    assert desk.records.read(credentials.live_of_seat, CommonName.parse(FIRST)) == []


def test_a_form_whose_before_is_the_registered_one_is_received_and_the_old_address_told(desk: Desk, mails: Raw) -> None:
    desk.done(an_issuance(1))
    change = {f"new_{name}": text for name, text in dataclasses.asdict(SUZUKI).items()} | {"change_reason": "other"}
    desk.file(read(Kind.ADMINISTRATOR_CHANGE, who() | change))
    assert sent(mails, "change-received") == [(YAMADA.email, None, None)]
    assert not mails.execute("SELECT 1 FROM outbox WHERE recipient = ?", (SUZUKI.email,)).fetchall()


def test_who_decides_sees_whether_an_institution_is_new_and_what_else_of_it_is_under_way(desk: Desk) -> None:
    first, second = desk.file(an_issuance(1)), desk.file(an_issuance(1))
    elsewhere = desk.file(dataclasses.replace(an_issuance(1), institution=InstitutionCode.parse("F654321")))

    def course(filed: Filed) -> tuple[bool, bool, tuple[int, ...]]:
        found = desk.records.read(applications.course, desk.show(filed.number))
        return found.is_strange, found.registers, found.beside

    assert course(first) == (False, True, (second.number,))
    assert course(elsewhere) == (False, True, ())
    desk.records.write(applications.withdraw, elsewhere.number, ALICE, "a mistake", desk.now)
    assert course(elsewhere) == (False, False, ())
    other = desk.file(dataclasses.replace(an_issuance(1), institution_name="もり銀行"))
    desk.approve(first.number)
    desk.carry_out()
    assert course(second) == (False, False, (other.number,))
    assert course(other) == (True, False, (second.number,))
    with pytest.raises(NotAllowed, match="does not name the institution and its administrator as registered"):
        desk.approve(other.number)
