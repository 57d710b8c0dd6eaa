"""Carrying an approved application out: each half on its own day, by the running server's own rules."""

import dataclasses
from pathlib import Path

import pytest

from ca_server.domain.administrators import Half
from ca_server.domain.applications import Kind, Status
from ca_server.domain.seats import SeatStatus
from ca_server.errors import NotAllowed, NotEntitled
from ca_server.operations import carrying_out
from ca_server.operations.carrying_out import Part, Step
from ca_server.store import institutions, seats
from protocol.names import CommonName
from tests.ca_server.databases import located, raw
from tests.ca_server.paper import ALICE, Desk, a_revocation, an_issuance, no_entry, read, who

FIRST = CommonName.parse("F123456-001")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.open(tmp_path)


def alone(desk: Desk, *, two_officers: bool) -> int:
    """Approve as the officer who filed, by the rules of a command line of one's own."""
    desk.terms = dataclasses.replace(desk.terms, two_officers=two_officers)
    number = desk.file(an_issuance()).number
    desk.approve(number, by=ALICE, four_eyes=False)
    return number


def status(desk: Desk, cn: CommonName = FIRST) -> SeatStatus:
    return desk.records.read(seats.get, cn).status


def test_what_one_officer_approved_alone_is_not_carried_out_where_two_are_demanded(desk: Desk) -> None:
    number = alone(desk, two_officers=True)
    with pytest.raises(NotEntitled):
        desk.carry_out()
    assert desk.records.read(seats.find, FIRST) is None
    assert desk.records.read(institutions.all_institutions) == []
    assert desk.show(number).status is Status.APPROVED


def test_what_one_officer_approved_alone_is_carried_out_where_one_is_enough(desk: Desk) -> None:
    number = alone(desk, two_officers=False)
    desk.carry_out()
    assert desk.show(number).status is Status.DONE


def test_what_two_officers_approved_is_carried_out_whole(desk: Desk) -> None:
    items = desk.done(an_issuance()).application.items
    assert [(str(item.new_cn), item.issuance) for item in items] == [
        ("F123456-001", Half.DONE),
        ("F123456-002", Half.DONE),
    ]


def test_what_was_altered_after_its_approval_is_not_carried_out(desk: Desk, tmp_path: Path) -> None:
    number = desk.file(an_issuance()).number
    desk.approve(number)
    with raw(located(tmp_path)) as outside:
        outside.execute("UPDATE application SET email = 'mallory@evil.example'")
    outside.close()
    with pytest.raises(NotEntitled):
        desk.carry_out()


def test_a_revocation_waits_for_its_date_and_is_carried_out_on_it(desk: Desk) -> None:
    desk.done(an_issuance(1))
    form = a_revocation(str(FIRST), reason="disposed", revocation_on="2026-12-04")
    number = desk.done(form).number
    assert desk.show(number).status is Status.WAITING
    desk.pass_by(days=10)
    desk.carry_out()
    assert status(desk) is SeatStatus.APPROVED
    desk.pass_by(days=1)  # the fourth of December in Japan
    desk.carry_out()
    assert status(desk) is SeatStatus.REVOKED
    assert desk.show(number).status is Status.DONE


def test_an_urgent_revocation_waits_for_no_date_but_the_other_certificate_of_the_form_does(desk: Desk) -> None:
    desk.done(an_issuance(2))
    lost = who() | {"cn": "F123456-001", "reason": "lost", "revocation_on": "2026-12-04"}
    other = {"cn": "F123456-002", "reason": "disposed", "revocation_on": "2026-12-04"}
    number = desk.done(read(Kind.REVOCATION, lost, other)).number
    assert status(desk) is SeatStatus.REVOKED
    assert status(desk, CommonName.parse("F123456-002")) is SeatStatus.APPROVED
    assert desk.show(number).status is Status.WAITING


def test_an_urgent_revocation_waits_for_no_date_where_a_server_stopped_after_another_of_its_form(desk: Desk) -> None:
    desk.done(an_issuance(2))
    later = {"reason": "lost", "revocation_on": "2026-12-04"}
    sheets = [who() | later | {"cn": "F123456-001"}, later | {"cn": "F123456-002"}]
    number = desk.file(read(Kind.REVOCATION, *sheets)).number
    desk.approve(number)
    first, _ = desk.records.read(carrying_out.steps, desk.terms, desk.now)
    desk.records.write(carrying_out.carry_out, first, desk.terms, no_entry, desk.now)
    desk.carry_out()
    assert desk.show(number).status is Status.DONE


def test_each_half_of_a_replacement_has_its_own_day_in_either_order(desk: Desk) -> None:
    desk.done(an_issuance(1))
    sheet = who() | {
        "cn": str(FIRST), "reason": "replaced", "revocation_on": "2026-12-10", "issuance_on": "2026-12-04",
    }  # fmt: skip
    number = desk.done(read(Kind.REPLACEMENT, sheet)).number
    desk.pass_by(days=11)
    desk.carry_out()
    (item,) = desk.show(number).application.items
    assert (item.revocation, item.issuance, str(item.new_cn)) == (Half.WAITING, Half.DONE, "F123456-002")
    assert status(desk) is SeatStatus.APPROVED
    desk.pass_by(days=6)
    desk.carry_out()
    assert status(desk) is SeatStatus.REVOKED
    assert desk.show(number).status is Status.DONE


def test_a_lost_certificate_is_revoked_even_where_no_number_is_left_for_its_successor(
    desk: Desk, tmp_path: Path
) -> None:
    desk.done(an_issuance(1))
    number = desk.file(read(Kind.REPLACEMENT, who() | {"cn": str(FIRST), "reason": "stolen"})).number
    desk.approve(number)
    with raw(located(tmp_path)) as outside:
        outside.execute("UPDATE institution SET last_number = 999")
    outside.close()
    with pytest.raises(NotAllowed, match="fewer than 1 numbers left"):
        desk.carry_out()
    assert status(desk) is SeatStatus.REVOKED
    desk.records.write(carrying_out.record_failure, Step(number, Part.ISSUANCE), "no numbers", desk.now)
    (item,) = desk.show(number).application.items
    assert (item.revocation, item.issuance, item.failure) == (Half.DONE, Half.FAILED, "no numbers")
    assert desk.show(number).status is Status.APPROVED


def test_a_step_that_was_taken_meanwhile_is_not_taken_again(desk: Desk) -> None:
    number = desk.done(an_issuance(1)).number
    desk.records.write(carrying_out.carry_out, Step(number, Part.ISSUANCE), desk.terms, no_entry, desk.now)
    assert desk.records.read(seats.find, CommonName.parse("F123456-002")) is None


def test_urgent_applications_come_first(desk: Desk) -> None:
    desk.done(an_issuance(2))
    later = desk.file(a_revocation("F123456-001", reason="disposed")).number
    urgent = desk.file(a_revocation("F123456-002")).number
    for number in (later, urgent):
        desk.approve(number)
    assert [step.number for step in desk.records.read(carrying_out.steps, desk.terms, desk.now)] == [urgent, later]
