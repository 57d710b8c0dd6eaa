"""On a telephone call: a CN is revoked or suspended at once, its form is owed and asked for, a release restores all."""

from pathlib import Path

import pytest

from ca_server.clock import DAY
from ca_server.domain.applications import Status
from ca_server.domain.calendar import Calendar
from ca_server.domain.credentials import CredentialStatus
from ca_server.domain.reasons import Reason
from ca_server.domain.seats import SeatStatus
from ca_server.errors import Invalid, NotAllowed, Refusal, TryLater
from ca_server.operations import applications, publication, suspension
from ca_server.store import audit, calls, certificates, credentials, seats
from protocol.names import CommonName
from tests.ca_server.branch import Branch
from tests.ca_server.databases import located, raw
from tests.ca_server.operations.bureau import Bureau
from tests.ca_server.paper import ALICE, BOB, YAMADA, Desk, a_revocation, an_issuance, no_entry

FIRST = CommonName.parse("F123456-001")
CALL = suspension.Request(Reason.LOST, "みどり銀行 山田様", ALICE)
HOLD_DAYS = 3


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    opened = Desk.open(tmp_path)
    opened.done(an_issuance(2))
    return opened


@pytest.fixture
def branch(desk: Desk) -> Branch:
    return Branch(desk)


def suspend(desk: Desk, cn: CommonName = FIRST) -> None:
    desk.records.write(suspension.suspend, cn, CALL, no_entry, desk.now)


def status(desk: Desk) -> SeatStatus:
    return desk.records.read(seats.get, FIRST).status


def told(desk: Desk, serial: str) -> str:
    return desk.records.read(publication.told, "issuing-1", serial).word.name


def entries(desk: Desk) -> int:
    (found,) = desk.records.read(certificates.crl_entries, "issuing-1", 0, 0)
    return found.count


def shown(desk: Desk) -> list[int | None]:
    """Return when the suspensions that a CRL had to show were released, once it has, within the same second."""
    assert desk.records.read(calls.one_waits)
    holds = desk.records.read(calls.unpublished)
    for hold in holds:
        desk.records.write(calls.published, hold, desk.now)
    assert not desk.records.read(calls.one_waits)
    return [hold.released_at for hold in holds]


def asked(desk: Desk, tmp_path: Path) -> int:
    """Return how many mails asked for the form."""
    with raw(located(tmp_path)) as outside:
        (count,) = outside.execute("SELECT count(*) FROM outbox WHERE kind = 'form-owed'").fetchone()
    outside.close()
    return int(count)


def remind(desk: Desk) -> int:
    return desk.records.write(suspension.remind, Calendar(), HOLD_DAYS, desk.now)


def stranger(desk: Desk) -> int:
    """File an urgent form of a stranger, which is returned."""
    return desk.file(a_revocation(str(FIRST), email="mallory@evil.example")).number


def hold(desk: Desk, number: int) -> calls.Call:
    form = suspension.OnForm(number, ALICE, Calendar(), HOLD_DAYS)
    return desk.records.write(suspension.hold, FIRST, form, no_entry, desk.now)


def test_a_suspended_certificate_is_revoked_in_ocsp_and_on_the_crl_and_good_again_after_the_release(
    desk: Desk, branch: Branch
) -> None:
    account = branch.fetch(FIRST)
    (certificate,) = desk.records.read(certificates.of_seat, str(FIRST))
    suspend(desk)
    assert told(desk, certificate.serial) == "REVOKED"
    assert entries(desk) == 1
    desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)
    assert told(desk, certificate.serial) == "GOOD"
    assert entries(desk) == 0
    assert status(desk) is SeatStatus.ACTIVE
    desk.pass_by(days=360)
    assert branch.renew(FIRST, account)


def test_relying_systems_read_of_a_hold_on_the_crl_and_find_no_trace_of_it_after_the_release(tmp_path: Path) -> None:
    bureau = Bureau.open(tmp_path)
    (certificate,) = bureau.records.read(certificates.of_seat, str(FIRST))
    bureau.records.write(suspension.suspend, FIRST, CALL, bureau.entry, bureau.now)
    bureau.publish_if_due()
    assert bureau.shown() == {certificate.serial: "certificateHold"}
    assert bureau.findings() == []
    bureau.pass_by(days=1)
    bureau.records.write(suspension.release, FIRST, ALICE.actor, bureau.now)
    bureau.publish_if_due()
    assert bureau.shown() == {}
    assert bureau.findings() == []


def test_the_administrator_is_told_of_a_suspension_and_of_its_release(desk: Desk, tmp_path: Path) -> None:
    suspend(desk)
    desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)
    with raw(located(tmp_path)) as outside:
        told = outside.execute(
            "SELECT kind, recipient, cn FROM outbox WHERE call_id IS NOT NULL ORDER BY created_at, id"
        ).fetchall()
    outside.close()
    assert sorted(map(tuple, told)) == [(kind, YAMADA.email, str(FIRST)) for kind in ("released", "suspended")]


def test_the_log_says_who_took_a_call_and_why_but_not_who_called(desk: Desk) -> None:
    suspend(desk)
    entries = desk.records.read(audit.of_subject, str(FIRST))
    ((actor, detail),) = [(actor, detail) for _, actor, action, detail in entries if action == "call: suspended"]
    assert actor == ALICE.actor
    assert detail["reason"] == "lost"
    assert "山田" not in str(entries)


@pytest.mark.parametrize("fetched", [False, True])
def test_the_log_says_who_released_a_cn_and_from_what(desk: Desk, branch: Branch, fetched: bool) -> None:
    if fetched:
        branch.fetch(FIRST)
    suspend(desk)
    desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)
    _, actor, action, detail = desk.records.read(audit.of_subject, str(FIRST))[-1]
    assert (actor, action, detail["reason"]) == (ALICE.actor, "seat released", "lost")


def test_a_suspension_and_a_release_bring_the_next_crl_forward(desk: Desk) -> None:
    suspend(desk)
    assert shown(desk) == [None]
    desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)
    assert shown(desk) == [desk.now]


def test_a_release_while_a_crl_is_made_that_shows_the_hold_brings_another_forward(desk: Desk) -> None:
    suspend(desk)
    (hold,) = desk.records.read(calls.unpublished)
    desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)
    desk.records.write(calls.published, hold, desk.now)
    assert shown(desk) == [desk.now]


def test_a_seat_that_was_never_fetched_is_what_it_was_after_the_release(desk: Desk, branch: Branch) -> None:
    suspend(desk)
    with pytest.raises(Refusal):
        branch.bind(FIRST)
    desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)
    assert status(desk) is SeatStatus.APPROVED
    assert branch.pair(FIRST).status is CredentialStatus.OPEN
    assert branch.fetch(FIRST)


def test_a_suspended_pc_can_order_no_renewal(desk: Desk, branch: Branch) -> None:
    account = branch.fetch(FIRST)
    desk.pass_by(days=360)
    suspend(desk)
    with pytest.raises(NotAllowed):
        branch.plan(FIRST, account)


def test_a_suspension_waits_for_a_certificate_that_is_being_made(desk: Desk, branch: Branch) -> None:
    account = branch.fetch(FIRST)
    desk.pass_by(days=360)
    branch.plan(FIRST, account)
    with pytest.raises(TryLater):
        suspend(desk)
    assert status(desk) is SeatStatus.ACTIVE


def test_what_is_suspended_is_not_suspended_again_and_what_is_not_is_not_released(desk: Desk) -> None:
    with pytest.raises(NotAllowed):
        desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)
    suspend(desk)
    with pytest.raises(NotAllowed):
        suspend(desk)


@pytest.mark.parametrize("caller", ["", "   ", "a\u0007b", "x" * 201])
def test_who_called_is_said_in_printable_characters(desk: Desk, caller: str) -> None:
    request = suspension.Request(Reason.LOST, caller, ALICE)
    for act in (suspension.suspend, suspension.revoke):
        with pytest.raises(Invalid) as refusal:
            desk.records.write(act, FIRST, request, no_entry, desk.now)
        assert set(refusal.value.fields) == {"caller"}
    assert status(desk) is SeatStatus.APPROVED


def test_the_form_that_comes_revokes_what_was_suspended(desk: Desk, branch: Branch) -> None:
    branch.fetch(FIRST)
    (certificate,) = desk.records.read(certificates.of_seat, str(FIRST))
    suspend(desk)
    assert desk.done(a_revocation(str(FIRST))).status is Status.DONE
    assert status(desk) is SeatStatus.REVOKED
    assert told(desk, certificate.serial) == "REVOKED"
    with pytest.raises(NotAllowed):
        desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)


def test_a_revocation_on_a_call_asks_for_its_form_at_once_and_every_three_business_days(
    desk: Desk, tmp_path: Path
) -> None:
    desk.records.write(suspension.revoke, FIRST, CALL, no_entry, desk.now)
    assert asked(desk, tmp_path) == 1
    days = []
    for day in range(1, 15):  # called on a Monday that is a holiday
        desk.pass_by(days=1)
        if remind(desk):
            days.append(day)
    assert days == [3, 8, 11]
    assert asked(desk, tmp_path) == 4


def test_a_call_on_a_closed_day_is_asked_for_again_on_the_third_business_day(desk: Desk) -> None:
    desk.pass_by(days=5)  # a Saturday
    desk.records.write(suspension.revoke, FIRST, CALL, no_entry, desk.now)
    desk.pass_by(days=3)
    assert remind(desk) == 0
    desk.pass_by(days=1)  # Wednesday
    assert remind(desk) == 1


def test_a_cn_that_was_suspended_and_then_revoked_on_calls_owes_one_form(desk: Desk) -> None:
    suspend(desk)
    desk.pass_by(days=3)
    desk.records.write(suspension.revoke, FIRST, CALL, no_entry, desk.now)
    assert remind(desk) == 0
    desk.pass_by(days=5)  # from Thursday to Tuesday
    assert remind(desk) == 1


def test_a_form_that_came_is_not_asked_for_until_it_is_returned(desk: Desk) -> None:
    suspend(desk)
    number = desk.file(a_revocation(str(FIRST))).number
    desk.pass_by(days=8)
    assert remind(desk) == 0
    desk.records.write(applications.send_back, number, BOB, "署名がありません", desk.now)
    assert remind(desk) == 1


def test_a_release_ends_the_asking(desk: Desk) -> None:
    suspend(desk)
    desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)
    desk.pass_by(days=8)
    assert remind(desk) == 0


def test_a_returned_urgent_form_holds_its_cn_for_three_business_days_once(desk: Desk) -> None:
    number = stranger(desk)
    call = hold(desk, number)
    assert call.held_until == desk.now + 3 * DAY + 3 * 3600  # Monday at nine in the evening to the end of Thursday
    desk.pass_by(days=3)
    assert desk.records.write(suspension.release_over, desk.now) == 0
    desk.pass_by(days=1)
    assert desk.records.write(suspension.release_over, desk.now) == 1
    assert status(desk) is SeatStatus.APPROVED
    with pytest.raises(NotAllowed, match="once is all"):
        hold(desk, number)


def test_a_hold_does_not_lapse_while_the_corrected_form_is_under_way(desk: Desk) -> None:
    hold(desk, stranger(desk))
    number = desk.file(a_revocation(str(FIRST))).number
    desk.pass_by(days=10)
    assert desk.records.write(suspension.release_over, desk.now) == 0
    desk.approve(number)
    desk.carry_out()
    assert status(desk) is SeatStatus.REVOKED


def test_a_hold_does_not_lapse_while_an_urgent_form_is_under_way_that_was_filed_before_it(desk: Desk) -> None:
    returned = stranger(desk)
    desk.file(a_revocation(str(FIRST)))
    desk.pass_by(days=1)
    hold(desk, returned)
    desk.pass_by(days=10)
    assert desk.records.write(suspension.release_over, desk.now) == 0
    assert status(desk) is SeatStatus.SUSPENDED


def test_a_cn_is_held_on_no_other_form(desk: Desk) -> None:
    received = desk.file(a_revocation(str(FIRST))).number
    with pytest.raises(NotAllowed):
        hold(desk, received)
    calmly = desk.file(a_revocation("F123456-002", reason="disposed")).number
    desk.records.write(applications.send_back, calmly, BOB, "違います", desk.now)
    with pytest.raises(NotAllowed):
        hold(desk, calmly)


def test_credentials_of_a_revoked_cn_end(desk: Desk) -> None:
    desk.records.write(suspension.revoke, FIRST, CALL, no_entry, desk.now)
    assert desk.records.read(credentials.live_of_seat, FIRST) == []
