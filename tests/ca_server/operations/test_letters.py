"""Every mail that the paper side queues can be filled from the records, in both languages, whatever came meanwhile."""

import dataclasses
from pathlib import Path

import pytest

from ca_server.config import Operator
from ca_server.domain.administrators import Administrator
from ca_server.domain.applications import Kind
from ca_server.domain.calendar import Calendar
from ca_server.domain.help_desk import Times
from ca_server.domain.reasons import Reason
from ca_server.notices.messages import Messages, NoticeKind, Rendered, Sender
from ca_server.operations import applications, invitation, suspension
from ca_server.operations.letters import Letter, Letters, enclosures, letter_of
from ca_server.operations.notice import tell
from ca_server.store import outbox
from ca_server.store.outbox import Mail
from protocol.names import CommonName, InstitutionCode
from protocol.renewal_info import RenewalTimes
from tests.ca_server.paper import (
    ALICE,
    BOB,
    SEALER,
    SUZUKI,
    YAMADA,
    Desk,
    a_revocation,
    an_issuance,
    no_entry,
    read,
    successor,
    who,
)

FIRST = CommonName.parse("F123456-001")
LETTERS = Letters(SEALER, "https://ca.example/e/", 10, Times(RenewalTimes(), 180))
OPERATOR = Operator("窓口", "03-0000-0000", "desk@ca.example.jp", "平日 9 時から", ("ca.example.jp",), "weekdays")
MESSAGES = Messages(Sender("例の局", "no-reply@ca.example.jp"), OPERATOR)


@pytest.fixture(params=["ja", "en"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    """A desk whose institution reads one of the languages, with one certificate approved."""
    opened = Desk.open(tmp_path)
    opened.done(dataclasses.replace(an_issuance(1), language=request.param))
    return opened


def queued(desk: Desk, kind: NoticeKind) -> list[Mail]:
    return [mail for mail in desk.records.read(outbox.due, desk.now, 1000) if mail.kind == kind]


def letter(desk: Desk, mail: Mail) -> Letter | None:
    return desk.records.read(letter_of, mail, LETTERS, desk.now)


def text(desk: Desk, mail: Mail) -> str:
    filled = letter(desk, mail)
    assert filled is not None
    rendered: Rendered = MESSAGES.render(NoticeKind(mail.kind), mail.language, filled.facts)
    MESSAGES.compose(rendered, mail.recipient, mail.id, mail.created_at, enclosures(filled, mail, desk.now))
    return f"{rendered.subject}\n{rendered.text}"


def the_only(desk: Desk, kind: NoticeKind) -> str:
    (mail,) = queued(desk, kind)
    assert mail.recipient == YAMADA.email
    return text(desk, mail)


def on_a_call(desk: Desk) -> None:
    request = suspension.Request(Reason.LOST, "みどり銀行 山田様", ALICE)
    desk.records.write(suspension.suspend, FIRST, request, no_entry, desk.now)


def test_every_mail_of_an_issuance_names_cn_and_number(desk: Desk) -> None:
    for kind in (NoticeKind.ENROLMENT_URL, NoticeKind.ENROLMENT_PASSWORD):
        said = the_only(desk, kind)
        assert str(FIRST) in said
        assert any(f"{words}1\n" in said for words in ("受付番号: ", "Application number: "))
    assert "1" in the_only(desk, NoticeKind.RECEIVED)


def test_a_suspension_and_its_end_are_told(desk: Desk) -> None:
    on_a_call(desk)
    said = the_only(desk, NoticeKind.SUSPENDED)
    assert str(FIRST) in said
    assert "山田様" in said
    desk.records.write(suspension.release, FIRST, ALICE.actor, desk.now)
    assert str(FIRST) in the_only(desk, NoticeKind.RELEASED)


def test_a_hold_on_a_returned_form_names_the_form_in_place_of_a_caller(desk: Desk) -> None:
    number = desk.file(a_revocation(str(FIRST), email="mallory@evil.example")).number
    desk.records.write(suspension.hold, FIRST, suspension.OnForm(number, ALICE, Calendar(), 3), no_entry, desk.now)
    said = the_only(desk, NoticeKind.SUSPENDED)
    assert f"受付番号 {number} の申請書" in said or f"application {number}" in said
    assert "mallory" not in said


def test_a_form_that_is_owed_is_asked_for(desk: Desk) -> None:
    request = suspension.Request(Reason.STOLEN, "山田様", ALICE)
    desk.records.write(suspension.revoke, FIRST, request, no_entry, desk.now)
    assert "DCM903" in the_only(desk, NoticeKind.FORM_OWED)


def test_an_administrator_change_is_told_to_the_old_address_and_then_to_both(desk: Desk) -> None:
    number = desk.file(read(Kind.ADMINISTRATOR_CHANGE, who() | successor())).number
    received = the_only(desk, NoticeKind.CHANGE_RECEIVED)
    assert SUZUKI.name in received
    assert SUZUKI.email not in received
    desk.approve(number)
    desk.pass_by(days=4)
    desk.carry_out()
    changed = queued(desk, NoticeKind.CHANGED)
    assert {mail.recipient for mail in changed} == {YAMADA.email, SUZUKI.email}
    for mail in changed:
        addressed = YAMADA if mail.recipient == YAMADA.email else SUZUKI
        said = text(desk, mail)
        assert any(greeting in said for greeting in (f"{addressed.name} 様", f"Dear {addressed.name},"))


def test_the_pair_of_the_former_administrator_is_void_and_the_new_one_reaches_the_successor(desk: Desk) -> None:
    (old,) = queued(desk, NoticeKind.ENROLMENT_URL)
    desk.done(read(Kind.ADMINISTRATOR_CHANGE, who() | successor()))
    desk.pass_by(days=4)
    desk.carry_out()
    assert letter(desk, old) is None
    (fresh,) = [mail for mail in queued(desk, NoticeKind.ENROLMENT_URL) if mail.id != old.id]
    assert fresh.recipient == SUZUKI.email
    assert "https://ca.example/e/" in text(desk, fresh)


def test_a_returned_and_a_withdrawn_application_say_why(desk: Desk) -> None:
    for decide, kind in ((applications.send_back, NoticeKind.RETURNED), (applications.withdraw, NoticeKind.WITHDRAWN)):
        number = desk.file(a_revocation(str(FIRST), reason="disposed")).number
        desk.records.write(decide, number, BOB, "記載の CN をご確認ください", desk.now)
        said = the_only(desk, kind)
        assert "記載の CN をご確認ください" in said
        assert str(FIRST) in said


def test_a_pair_that_ran_out_can_be_replaced_for_half_a_year(desk: Desk) -> None:
    desk.pass_by(days=30)
    desk.records.write(invitation.expire, desk.now)
    said = the_only(desk, NoticeKind.EXPIRED_UNUSED)
    assert "2027年6月21日" in said or "21 June 2027" in said


def test_an_attempt_is_told(desk: Desk) -> None:
    desk.file(a_revocation(str(FIRST), email="mallory@evil.example"))
    assert "mallory" not in the_only(desk, NoticeKind.ATTEMPT)


def test_the_list_of_certificates_goes_as_a_workbook(desk: Desk) -> None:
    desk.records.write(tell, InstitutionCode.parse("F123456"), NoticeKind.INVENTORY, desk.now)
    (mail,) = queued(desk, NoticeKind.INVENTORY)
    filled = letter(desk, mail)
    assert filled is not None
    assert filled.facts["count"] == 1
    (workbook,) = enclosures(filled, mail, desk.now)
    assert workbook.name.endswith(".xlsx")
    assert workbook.content[:2] == b"PK"
    assert text(desk, mail)


def test_a_first_application_is_answered_where_it_says_until_it_is_approved(desk: Desk) -> None:
    stranger = Administrator("高橋", "一", "たかはし はじめ", "takahashi@minato.example")
    form = read(Kind.ISSUANCE, who(stranger, "F654321", institution_name="みなと銀行") | {"count": "1"})
    desk.file(form)
    (mail,) = [each for each in queued(desk, NoticeKind.RECEIVED) if each.institution == "F654321"]
    assert mail.recipient == stranger.email
    assert "みなと銀行" in text(desk, mail)
