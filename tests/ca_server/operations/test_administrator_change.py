"""A DCM905 hands an institution over: its safeguards, and what somebody gets who only guesses (M1)."""

import dataclasses
from pathlib import Path

import pytest

from ca_server.domain.administrators import Administrator
from ca_server.domain.applications import Kind, Status
from ca_server.domain.forms import Faulty
from ca_server.domain.officers import Officer, Role
from ca_server.errors import AccountUnusable, Invalid, NotAllowed, NotEntitled, TryLater
from ca_server.operations import applications, invitation
from ca_server.operations.accounts import Bound
from ca_server.store import Conflict, Duplicate, accounts, audit, institutions, officers
from protocol.names import CommonName, InstitutionCode
from tests.ca_server.branch import Branch
from tests.ca_server.databases import Raw, located, raw
from tests.ca_server.operations.bureau import Bureau
from tests.ca_server.paper import ALICE, BOB, INSTITUTION, SUZUKI, YAMADA, Desk, an_issuance, read, successor, who

FIRST, SECOND = (CommonName.parse(f"F123456-00{number}") for number in (1, 2))
SPOKEN = ("03-5555-0100", "山田様")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    opened = Desk.open(tmp_path)
    opened.done(an_issuance(2))
    return opened


@pytest.fixture
def mails(tmp_path: Path) -> Raw:
    return raw(located(tmp_path))


def change(desk: Desk, **texts: str) -> int:
    """File and approve a change on the evening of a holiday, a Monday."""
    number = desk.file(read(Kind.ADMINISTRATOR_CHANGE, who() | successor() | texts)).number
    desk.approve(number)
    return number


def registered(desk: Desk) -> Administrator:
    institution = desk.records.read(institutions.find, InstitutionCode.parse(INSTITUTION))
    assert institution is not None
    return institution.administrator


def to(mails: Raw, address: str) -> list[str]:
    rows = mails.execute("SELECT kind FROM outbox WHERE recipient = ? ORDER BY created_at, id", (address,))
    return [kind for (kind,) in rows.fetchall()]


def test_mail_moves_on_the_next_business_day_after_the_approval(desk: Desk) -> None:
    number = change(desk)
    desk.carry_out()
    assert registered(desk) == YAMADA
    assert desk.show(number).status is Status.WAITING
    desk.pass_by(days=1)
    desk.carry_out()
    assert registered(desk) == SUZUKI
    assert desk.show(number).status is Status.DONE


def test_mail_moves_on_the_date_desired_when_that_is_later(desk: Desk) -> None:
    change(desk, change_on="2026-12-04")
    desk.pass_by(days=10)
    desk.carry_out()
    assert registered(desk) == YAMADA
    desk.pass_by(days=1)
    desk.carry_out()
    assert registered(desk) == SUZUKI


def test_after_a_call_back_mail_moves_at_once(desk: Desk) -> None:
    number = change(desk)
    desk.records.write(applications.call_back, number, BOB, SPOKEN, desk.now)
    desk.carry_out()
    assert registered(desk) == SUZUKI
    assert [what for _, _, what, _ in desk.records.read(audit.of_subject, f"application:{number}")].count(
        "called back"
    ) == 1


def test_a_call_back_is_recorded_once_with_number_and_person_and_only_for_a_change(desk: Desk) -> None:
    number = change(desk)
    with pytest.raises(Invalid) as refusal:
        desk.records.write(applications.call_back, number, BOB, ("", "\u0007"), desk.now)
    assert set(refusal.value.fields) == {"number", "spoke-to"}
    desk.records.write(applications.call_back, number, BOB, SPOKEN, desk.now)
    with pytest.raises(Conflict):
        desk.records.write(applications.call_back, number, BOB, SPOKEN, desk.now)
    with pytest.raises(NotAllowed):
        desk.records.write(applications.call_back, 1, BOB, SPOKEN, desk.now)


def test_both_addresses_are_told_and_open_pairs_are_mailed_anew_to_the_new_one_only(desk: Desk, mails: Raw) -> None:
    old = Branch(desk).halves(FIRST)
    change(desk)
    desk.pass_by(days=1)
    desk.carry_out()
    assert to(mails, YAMADA.email)[-1] == "changed"
    fresh = to(mails, SUZUKI.email)
    assert sorted(fresh) == ["changed"] + 2 * ["enrolment-password"] + 2 * ["enrolment-url"]
    assert Branch(desk).halves(FIRST) != old


def test_what_was_bound_without_a_certificate_is_of_no_use_any_more_and_what_has_one_is(desk: Desk) -> None:
    branch = Branch(desk)
    enrolled = branch.fetch(FIRST)
    bound = branch.bind(SECOND)
    assert isinstance(bound, Bound)
    change(desk)
    desk.pass_by(days=1)
    desk.carry_out()
    assert desk.records.read(accounts.get, enrolled).status == "valid"
    with pytest.raises(AccountUnusable, match="revoked"):
        desk.records.read(accounts.get, bound.account.id)


def test_what_was_bound_with_a_pair_that_ran_out_is_of_no_use_any_more_either(desk: Desk) -> None:
    branch = Branch(desk)
    bound = branch.bind(FIRST)
    assert isinstance(bound, Bound)
    desk.pass_by(days=30)
    assert desk.records.write(invitation.expire, desk.now) == 2
    change(desk)
    desk.pass_by(days=1)
    desk.carry_out()
    with pytest.raises(AccountUnusable):
        branch.plan(FIRST, bound.account.id)


def test_a_pair_that_ran_out_is_not_mailed_to_the_successor(desk: Desk, mails: Raw) -> None:
    change(desk)
    desk.pass_by(days=30)
    desk.carry_out()
    assert to(mails, SUZUKI.email) == ["changed"]


def test_a_change_waits_for_a_certificate_that_is_being_made(desk: Desk) -> None:
    branch = Branch(desk)
    bound = branch.bind(FIRST)
    assert isinstance(bound, Bound)
    change(desk)
    desk.pass_by(days=1)
    branch.plan(FIRST, bound.account.id)
    with pytest.raises(TryLater):
        desk.carry_out()
    assert registered(desk) == YAMADA


def test_who_keeps_the_address_is_told_once(desk: Desk, mails: Raw) -> None:
    renamed = dataclasses.replace(YAMADA, family_name="小林", furigana="こばやし たろう")
    desk.approve(desk.file(read(Kind.ADMINISTRATOR_CHANGE, who() | successor(renamed))).number)
    desk.pass_by(days=1)
    desk.carry_out()
    assert registered(desk) == renamed
    assert to(mails, YAMADA.email).count("changed") == 1


def test_a_change_of_nothing_is_refused() -> None:
    with pytest.raises(Faulty, match="Nothing changes"):
        read(Kind.ADMINISTRATOR_CHANGE, who() | successor(YAMADA))


def test_the_books_balance_from_the_approval_of_a_change_to_its_end(tmp_path: Path) -> None:
    bureau = Bureau.open(tmp_path)
    bureau.publish()
    change(bureau)
    assert bureau.findings() == []
    bureau.pass_by(days=1)
    bureau.carry_out()
    bureau.publish()
    assert bureau.findings() == []
    assert registered(bureau) == SUZUKI


def test_a_guessed_administrator_changes_nothing_and_the_registered_one_is_told(desk: Desk, mails: Raw) -> None:
    guess = who(family_name="佐藤") | successor(Administrator("悪", "人", "あく にん", "mallory@evil.example"))
    with pytest.raises(Invalid):
        desk.file(read(Kind.ADMINISTRATOR_CHANGE, guess))
    assert registered(desk) == YAMADA
    assert to(mails, YAMADA.email).count("attempt") == 1
    assert to(mails, "mallory@evil.example") == []
    assert desk.records.read(audit.of_subject, "form:DCM905")


def test_one_change_is_under_way_at_a_time(desk: Desk) -> None:
    change(desk)
    with pytest.raises(Invalid, match="changes this administrator already"):
        desk.file(read(Kind.ADMINISTRATOR_CHANGE, who() | successor()))


def test_a_form_of_the_former_administrator_is_approved_no_more(desk: Desk) -> None:
    pending = desk.file(an_issuance(1)).number
    change(desk)
    desk.pass_by(days=1)
    desk.carry_out()
    with pytest.raises(NotAllowed, match="registered meanwhile"):
        desk.approve(pending)


def test_one_officer_under_two_spellings_is_one_officer(desk: Desk) -> None:
    wide = Officer("mallory", "\uff21\uff2c\uff29\uff23\uff25", Role.REGISTRATION, None, None)
    with pytest.raises(Duplicate):
        desk.records.write(officers.add, wide, desk.now, "login:test")
    assert desk.records.read(officers.by_name, " \uff21lice ").id == ALICE.id


def test_an_approval_by_who_filed_it_is_refused_and_logged(desk: Desk) -> None:
    number = desk.file(an_issuance(1)).number
    with pytest.raises(NotEntitled):
        desk.approve(number, by=ALICE)
    entries = desk.records.read(audit.of_subject, f"application:{number}")
    assert [(who, what) for _, who, what, _ in entries if "refused" in what] == [(ALICE.actor, "approval refused")]
