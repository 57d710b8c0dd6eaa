"""The help desk: what it does for a caller who is known, and what becomes of one who is not."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ca_server.clock import DAY, HOUR, minute_in_tokyo
from ca_server.domain.attempts import Attempt
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.domain.help_desk import Caller, Declined, MailedHalf, Obstacle, Times
from ca_server.domain.officers import Acting, Officer, Role
from ca_server.errors import Invalid, NotFound, Refusal, TryLater
from ca_server.notices.messages import NoticeKind
from ca_server.operations import help_desk, invitation, suspension
from ca_server.operations.books.audit import audit as audit_book
from ca_server.operations.books.mails import mails as mails_book
from ca_server.operations.help_desk import Done, Replacing
from ca_server.operations.revocation import Decision, revoke_seat
from ca_server.store import audit, certificates, officers, outbox
from ca_server.store.ledger import read as read_ledger
from ca_server.store.outbox import Mail
from protocol.names import CommonName, InstitutionCode
from protocol.renewal_info import RenewalTimes
from protocol.vocabulary import RevocationReason
from tests.ca_server.branch import Branch
from tests.ca_server.paper import SUZUKI, YAMADA, Desk, an_issuance, no_entry

CN = CommonName.parse("F123456-001")
CODE = InstitutionCode.parse("F123456")
HEIDI = Acting("heidi", "heidi-login")
CALLER = Caller("みどり銀行", None, HEIDI)
STRANGER = dataclasses.replace(CALLER, institution_name="あおぞら銀行")
THIEF = dataclasses.replace(CALLER, address="thief@evil.example")
TIMES = Times(RenewalTimes(), 180)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    opened = Desk.open(tmp_path)
    opened.done(an_issuance(1))
    opened.now += 60
    heidi = Officer(HEIDI.id, "ハイジ", Role.HELP_DESK, None, None)
    opened.records.write(officers.add, heidi, opened.now, "login:test")
    return opened


@pytest.fixture
def branch(desk: Desk) -> Branch:
    return Branch(desk)


def mails(desk: Desk, *kinds: NoticeKind) -> list[Mail]:
    """Return the mails of some kinds, or all, that wait to leave now or later."""
    waiting = desk.records.read(outbox.due, desk.now + 1000 * DAY, 1000)
    return [mail for mail in waiting if not kinds or mail.kind in kinds]


def log(desk: Desk, subject: str = str(CN)) -> list[tuple[str, str, dict[str, object]]]:
    """Return who did what in this second."""
    entries = desk.records.read(audit.of_subject, subject)
    return sorted(((actor, action, detail) for at, actor, action, detail in entries if at == desk.now), key=str)


def resend(desk: Desk, half: MailedHalf = MailedHalf.URL, caller: Caller = CALLER) -> Done | Refusal:
    return desk.records.write(help_desk.resend, CN, half, caller, TIMES, desk.now)


def unlock(desk: Desk, caller: Caller = CALLER) -> Done | Refusal:
    return desk.records.write(help_desk.unlock, CN, caller, TIMES, desk.now)


def replace(desk: Desk, caller: Caller = CALLER) -> Done | Refusal:
    by = Replacing(desk.terms.pair, TIMES)
    return desk.records.write(help_desk.replace, CN, caller, by, desk.now)


def send(desk: Desk, caller: Caller = CALLER) -> Done | Refusal:
    return desk.records.write(help_desk.send_inventory, CODE, caller, desk.now)


ACTS: dict[str, Any] = {
    "resend url": lambda desk, caller: resend(desk, MailedHalf.URL, caller),
    "unlock": unlock,
    "replace": replace,
    "send-inventory": send,
}


def why(outcome: Done | Refusal) -> Obstacle | Attempt:
    assert isinstance(outcome, Declined), outcome
    return outcome.why


@pytest.mark.parametrize(
    ("half", "kind"),
    [(MailedHalf.URL, NoticeKind.ENROLMENT_URL), (MailedHalf.PASSWORD, NoticeKind.ENROLMENT_PASSWORD)],
)
def test_the_same_half_is_mailed_again_to_the_registered_address(
    desk: Desk, branch: Branch, half: MailedHalf, kind: NoticeKind
) -> None:
    credential = branch.pair(CN)
    assert resend(desk, half) == Done(YAMADA.email, 2)
    first, again = mails(desk, kind)
    assert (again.recipient, again.credential_id) == (first.recipient, first.credential_id) == (
        YAMADA.email, credential.id,
    )  # fmt: skip
    detail = {"half": half, "credential": credential.id, "times": 1}
    assert (HEIDI.actor, "half resent", detail) in log(desk)


def test_what_is_held_is_mailed_by_nobody_before_its_time(desk: Desk) -> None:
    """As after a restore, so that a change of administrator can be entered first."""
    held = dataclasses.replace(desk.terms.pair, url_delay_seconds=4 * HOUR)
    desk.records.write(invitation.replace, CN, CredentialKind.ENROL, held, desk.now, "login:restorer")
    refused = resend(desk)
    assert why(refused) is why(resend(desk, MailedHalf.PASSWORD)) is why(replace(desk)) is Obstacle.HELD
    assert minute_in_tokyo(desk.now + 4 * HOUR) in str(refused)


def test_each_half_is_mailed_again_three_times_and_then_a_fresh_pair_is_the_way_out(desk: Desk) -> None:
    assert [resend(desk) for _ in range(3)] == [Done(YAMADA.email, left) for left in (2, 1, 0)]
    refused = resend(desk)
    assert why(refused) is Obstacle.RESENT
    assert "helpdesk replace F123456-001" in str(refused)
    assert len(mails(desk, NoticeKind.ENROLMENT_URL)) == 4
    assert isinstance(resend(desk, MailedHalf.PASSWORD), Done)
    assert isinstance(replace(desk), Done)
    assert resend(desk) == Done(YAMADA.email, 2)


def test_what_is_refused_is_logged_with_the_officer_and_without_a_word_of_the_caller(desk: Desk) -> None:
    resend(desk, MailedHalf.PASSWORD, THIEF)
    unlock(desk)
    assert log(desk) == [
        (HEIDI.actor, "help desk refused", {"act": "resend password", "why": "other-address"}),
        (HEIDI.actor, "help desk refused", {"act": "unlock", "why": "not-locked"}),
    ]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(("caller", "attempt"), [(STRANGER, Attempt.WRONG_INSTITUTION), (THIEF, Attempt.OTHER_ADDRESS)])
def test_a_takeover_is_refused_and_logged_and_the_registered_administrator_alone_is_told(
    desk: Desk, branch: Branch, act: str, caller: Caller, attempt: Attempt
) -> None:
    pair, before = branch.pair(CN), mails(desk)
    assert why(ACTS[act](desk, caller)) is attempt
    (told,) = [mail for mail in mails(desk) if mail not in before]
    assert (told.kind, told.recipient, told.attempt) == (NoticeKind.ATTEMPT, YAMADA.email, attempt)
    assert told.cn == (None if act == "send-inventory" else str(CN))
    subject = str(CODE) if act == "send-inventory" else str(CN)
    assert log(desk, subject) == [(HEIDI.actor, "help desk refused", {"act": act, "why": attempt})]
    assert branch.pair(CN) == pair


def test_a_caller_from_the_registered_address_is_served(desk: Desk) -> None:
    assert isinstance(resend(desk, caller=dataclasses.replace(CALLER, address=YAMADA.email)), Done)


def test_a_cn_that_was_never_assigned_is_refused_and_logged(desk: Desk) -> None:
    ninth = CommonName.parse("F123456-009")
    refused = desk.records.write(help_desk.unlock, ninth, CALLER, TIMES, desk.now)
    assert isinstance(refused, NotFound)
    assert log(desk, str(ninth)) == [(HEIDI.actor, "help desk refused", {"act": "unlock", "why": "unknown"})]


def test_a_stranger_who_asks_for_a_cn_that_was_never_assigned_is_told_of_without_it(desk: Desk) -> None:
    ninth = CommonName.parse("F123456-009")
    desk.records.write(help_desk.unlock, ninth, STRANGER, TIMES, desk.now)
    assert [mail.cn for mail in mails(desk, NoticeKind.ATTEMPT)] == [None]


def test_an_institution_that_is_not_registered_is_refused_and_logged(desk: Desk) -> None:
    other = InstitutionCode.parse("F999999")
    assert isinstance(desk.records.write(help_desk.send_inventory, other, CALLER, desk.now), NotFound)
    assert [action for _, action, _ in log(desk, str(other))] == ["help desk refused"]


def test_a_locked_url_is_opened_again_with_all_its_tries(desk: Desk, branch: Branch) -> None:
    branch.lock(CN)
    assert why(resend(desk)) is Obstacle.LOCKED
    pair = branch.pair(CN)
    desk.now += 1
    assert unlock(desk) == Done(YAMADA.email)
    assert branch.pair(CN) == dataclasses.replace(pair, status=CredentialStatus.OPEN, failures=0)
    assert log(desk) == [(HEIDI.actor, "credential unlocked", {"credential": pair.id})]
    branch.fetch(CN)


def test_a_fresh_pair_ends_the_former_one_and_is_mailed_to_the_registered_address(desk: Desk, branch: Branch) -> None:
    branch.lock(CN)
    desk.now += 1
    before, former = mails(desk), branch.halves(CN)
    assert replace(desk) == Done(YAMADA.email)
    fresh = [mail for mail in mails(desk) if mail not in before]
    assert {(mail.kind, mail.recipient) for mail in fresh} == {
        (NoticeKind.ENROLMENT_URL, YAMADA.email),
        (NoticeKind.ENROLMENT_PASSWORD, YAMADA.email),
    }
    assert set(branch.halves(CN)).isdisjoint(former)
    assert [(actor, action) for actor, action, _ in log(desk)] == [
        (HEIDI.actor, "credential made"),
        (HEIDI.actor, "credential replaced"),
    ]


def test_a_fresh_pair_can_be_had_for_180_days_after_the_last_one_expired(desk: Desk, branch: Branch) -> None:
    desk.now = branch.pair(CN).expires_at
    assert desk.records.write(invitation.expire, desk.now) == 1
    assert why(resend(desk)) is Obstacle.EXPIRED
    desk.pass_by(days=180)
    assert isinstance(replace(desk), Done)
    desk.now = branch.pair(CN).expires_at + 180 * DAY + 1
    refused = replace(desk)
    assert why(refused) is Obstacle.LATE
    assert "DCM904" in str(refused)


def test_a_pair_that_was_used_is_told_with_its_day_and_the_form(desk: Desk, branch: Branch) -> None:
    desk.pass_by(days=1)
    branch.fetch(CN)
    for refused in (resend(desk), unlock(desk), replace(desk)):
        assert why(refused) is Obstacle.USED
        assert "2026-11-24" in str(refused)
        assert "DCM904" in str(refused)


def test_a_fresh_pair_for_a_renewal_is_one_for_a_renewal_again(desk: Desk, branch: Branch) -> None:
    branch.fetch(CN)
    desk.pass_by(days=370)
    desk.records.write(invitation.invite, CN, CredentialKind.RENEW, desk.terms.pair, desk.now, "schedule")
    assert isinstance(replace(desk), Done)
    assert branch.pair(CN).kind is CredentialKind.RENEW
    assert resend(desk) == Done(YAMADA.email, 2)
    assert len(mails(desk, NoticeKind.RENEWAL_URL)) == 3


def test_a_pair_for_a_renewal_is_not_replaced_once_the_time_to_renew_is_over(desk: Desk, branch: Branch) -> None:
    branch.fetch(CN)
    desk.pass_by(days=370)
    desk.records.write(invitation.invite, CN, CredentialKind.RENEW, desk.terms.pair, desk.now, "schedule")
    newest = desk.records.read(certificates.newest, str(CN))
    assert newest is not None
    desk.now = newest.not_after + 90 * DAY
    assert isinstance(replace(desk), Done)
    desk.now += 1
    assert why(replace(desk)) is Obstacle.LATE


def test_a_pair_withdrawn_by_a_renewal_without_it_is_not_replaced(desk: Desk, branch: Branch) -> None:
    account = branch.fetch(CN)
    desk.pass_by(days=370)
    desk.records.write(invitation.invite, CN, CredentialKind.RENEW, desk.terms.pair, desk.now, "schedule")
    branch.renew(CN, account)
    assert why(replace(desk)) is Obstacle.WITHDRAWN


def test_a_pair_that_is_being_used_is_replaced_later(desk: Desk, branch: Branch) -> None:
    bound: Any = branch.bind(CN)
    branch.plan(CN, bound.account.id)
    before = log(desk)
    with pytest.raises(TryLater):
        replace(desk)
    assert log(desk) == before


def test_nothing_is_mailed_for_a_cn_that_is_suspended_or_revoked(desk: Desk) -> None:
    request = suspension.Request(suspension.Reason.LOST, "山田", HEIDI)
    desk.records.write(suspension.suspend, CN, request, no_entry, desk.now)
    assert why(resend(desk)) is Obstacle.SEAT_SUSPENDED
    assert why(replace(desk)) is Obstacle.SEAT_SUSPENDED
    decision = Decision(RevocationReason.keyCompromise, HEIDI.actor, desk.now)
    desk.records.write(revoke_seat, CN, decision, no_entry)
    assert why(resend(desk)) is Obstacle.SEAT_REVOKED
    assert why(replace(desk)) is Obstacle.SEAT_REVOKED


def test_the_list_is_mailed_to_the_registered_administrator(desk: Desk) -> None:
    assert send(desk) == Done(YAMADA.email)
    (mail,) = mails(desk, NoticeKind.INVENTORY)
    assert (mail.recipient, mail.institution, mail.cn, mail.credential_id) == (YAMADA.email, str(CODE), None, None)
    assert log(desk, str(CODE)) == [(HEIDI.actor, "inventory requested", {})]


def test_no_half_stands_in_the_log(desk: Desk, branch: Branch) -> None:
    former = branch.halves(CN)
    resend(desk)
    resend(desk, MailedHalf.PASSWORD, THIEF)
    replace(desk)
    written = str(desk.records.read(audit.of_subject, str(CN)))
    assert not any(half in written for half in (*former, *branch.halves(CN), SUZUKI.email, "thief@evil.example"))


def test_a_label_is_written_tidied_and_taken_away(desk: Desk) -> None:
    label = help_desk.label
    assert desk.records.write(label, CN, "  営業部　1号機 ", HEIDI, desk.now) == "営業部 1号機"
    assert log(desk) == [(HEIDI.actor, "PC labelled", {"label": "営業部 1号機"})]
    assert desk.records.write(label, CN, "x" * 60, HEIDI, desk.now) == "x" * 60
    desk.now += 1
    assert desk.records.write(label, CN, " ", HEIDI, desk.now) is None
    assert log(desk) == [(HEIDI.actor, "PC labelled", {"label": None})]


@pytest.mark.parametrize("text", ["x" * 61, "a\x1b[31mb", "a\u202eb", "a\x00"])
def test_a_label_that_is_too_long_or_does_not_print_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(Invalid):
        desk.records.write(help_desk.label, CN, text, HEIDI, desk.now)


def test_a_cn_that_was_never_assigned_gets_no_label(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.records.write(help_desk.label, CommonName.parse("F123456-009"), "x", HEIDI, desk.now)


def test_of_several_pairs_the_live_one_counts(desk: Desk, branch: Branch) -> None:
    for _ in range(5):
        replace(desk)
    before = mails(desk)
    resend(desk)
    (again,) = [mail for mail in mails(desk) if mail not in before]
    assert again.credential_id == branch.pair(CN).id


def test_the_books_balance_after_everything_that_the_help_desk_does(desk: Desk, branch: Branch) -> None:
    branch.lock(CN)
    for act in (unlock, resend, send, replace, resend):
        assert isinstance(act(desk), Done)
    resend(desk, caller=THIEF)
    desk.records.write(help_desk.label, CN, "営業部1号機", HEIDI, desk.now)
    ledger = desk.records.read(read_ledger)
    assert list(audit_book(ledger).findings) + list(mails_book(ledger).findings) == []
