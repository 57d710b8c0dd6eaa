"""The history of a CN: what its timeline and the ledger of each pair tell, in which order, and by whom."""

from pathlib import Path
from typing import Any

import pytest

from ca_server.clock import DAY
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.domain.help_desk import Caller, MailedHalf, Times
from ca_server.domain.inventory import State
from ca_server.domain.officers import Acting, Officer, Role
from ca_server.domain.reasons import Reason
from ca_server.domain.timeline import ACTIONS, Event, in_order
from ca_server.errors import NotFound
from ca_server.operations import help_desk, history, invitation, issuance, suspension
from ca_server.operations.help_desk import Replacing
from ca_server.operations.history import History
from ca_server.operations.revocation import Decision, revoke_seat
from ca_server.store import accounts, officers, outbox, revocations
from ca_server.store.outbox import MailStatus
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes
from protocol.vocabulary import AccountStatus, RevocationReason
from tests.ca_server.branch import Branch
from tests.ca_server.paper import Desk, a_revocation, an_issuance, no_entry

CN = CommonName.parse("F123456-001")
HEIDI = Acting("heidi", "heidi-login")
CALLER = Caller("みどり銀行", None, HEIDI)
TIMES = Times(RenewalTimes(), 180)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    opened = Desk.open(tmp_path)
    heidi = Officer(HEIDI.id, "ハイジ", Role.HELP_DESK, None, None)
    opened.records.write(officers.add, heidi, opened.now, "login:test")
    opened.done(an_issuance(1))
    opened.now += 60
    return opened


@pytest.fixture
def branch(desk: Desk) -> Branch:
    return Branch(desk)


def told(desk: Desk) -> History:
    return desk.records.read(history.of, CN, TIMES, desk.now)


def since(desk: Desk, moment: int) -> list[Event]:
    return [event for event in told(desk).events if event.at >= moment]


def deliver(desk: Desk, status: MailStatus, why: str | None = None) -> None:
    """Have every mail that is due end as the mail server's answer says."""
    for mail in desk.records.read(outbox.due, desk.now, 100):
        desk.records.write(outbox.intend, mail, desk.now + 60)
        if status is MailStatus.PENDING:
            desk.records.write(outbox.defer, mail, why or "", desk.now + 60)
        else:
            desk.records.write(outbox.end, mail, status, desk.now, why)


def test_it_begins_with_the_application_and_the_two_mails(desk: Desk) -> None:
    assert [(event.action, event.by) for event in told(desk).events] == [
        ("application received", "alice"),
        ("application examined", "alice"),
        ("application approved", "bob"),
        ("seat approved", None),
        ("credential made", None),
        ("application done", None),
        ("mail queued", None),
        ("mail queued", None),
    ]
    assert told(desk).events[0].detail["form"] == "DCM902"


def test_a_mail_shows_when_it_was_made_and_delivered(desk: Desk, branch: Branch) -> None:
    deliver(desk, MailStatus.SENT)
    (pair,) = told(desk).pairs
    sent = [event for event in pair.events if event.action == "mail sent"]
    assert [(event.at, event.detail["notice"], event.detail["tries"]) for event in sent] == [
        (desk.now, "enrolment-url", 1),
        (desk.now, "enrolment-password", 1),
    ]


def test_a_mail_that_the_mail_server_refused_shows_its_code(desk: Desk) -> None:
    deliver(desk, MailStatus.DEAD, "The mail server answered 550 5.1.1 to the addressee.")
    refused = [event for event in since(desk, desk.now) if event.action == "mail dead"]
    assert {event.detail["why"] for event in refused} == {"The mail server answered 550 5.1.1 to the addressee."}


def test_a_mail_that_was_deferred_shows_when_it_is_tried_again(desk: Desk) -> None:
    deliver(desk, MailStatus.PENDING, "The mail server answered 451 to the addressee.")
    deferred = [event for event in told(desk).events if event.action == "mail deferred"]
    assert {event.at for event in deferred} == {desk.now + 60}


def test_a_mail_that_was_made_again_shows_once_and_by_whom(desk: Desk, branch: Branch) -> None:
    desk.records.write(help_desk.resend, CN, MailedHalf.URL, CALLER, TIMES, desk.now)
    deliver(desk, MailStatus.SENT)
    assert [(event.action, event.by) for event in since(desk, desk.now)] == [
        ("half resent", "ハイジ"),
        ("mail sent", None),
        ("mail sent", None),
        ("mail sent", None),
    ]
    assert all(event.credential == branch.pair(CN).id for event in since(desk, desk.now))


def test_a_wrong_password_is_counted_and_the_last_one_locks_and_the_help_desk_unlocks(
    desk: Desk, branch: Branch
) -> None:
    branch.lock(CN)
    desk.now += 1
    desk.records.write(help_desk.unlock, CN, CALLER, TIMES, desk.now)
    tried = since(desk, desk.now - 1)
    holder = f"credential:{branch.pair(CN).id}"
    counts = [event.detail["failures"] for event in tried if event.action == "wrong password"]
    assert counts == list(range(1, 11))
    assert [(event.action, event.actor, event.by) for event in tried[-2:]] == [
        ("credential locked", holder, None),
        ("credential unlocked", HEIDI.actor, "ハイジ"),
    ]
    (pair,) = told(desk).pairs
    assert [event.action for event in pair.events[-2:]] == ["credential locked", "credential unlocked"]


def test_a_fetch_shows_the_pc_its_address_and_its_software(desk: Desk, branch: Branch) -> None:
    account = branch.fetch(CN, "PC-07")
    fetched = since(desk, desk.now)
    assert [event.action for event in fetched] == [
        "account bound", "certificate planned", "certificate issued", "credential used", "mail queued",
    ]  # fmt: skip
    bound, _, issued, _, _ = fetched
    assert (bound.actor, bound.detail["host_name"], bound.detail["os"]) == (f"account:{account}", "PC-07", "Windows 11")
    assert (bound.detail["address"], issued.detail["address"]) == ("192.0.2.7", "192.0.2.8")
    assert (issued.detail["host_name"], issued.detail["agent"]) == ("PC-07", "warifu/0.1")
    (pair,) = told(desk).pairs
    assert (pair.status, pair.events[-1].action) == (CredentialStatus.USED, "credential used")
    assert told(desk).entry.state is State.ACTIVE


def test_a_renewal_is_told_apart_from_a_fetch(desk: Desk, branch: Branch) -> None:
    account = branch.fetch(CN)
    desk.pass_by(days=370)
    branch.renew(CN, account)
    assert [event.action for event in since(desk, desk.now) if "certificate" in event.action] == [
        "certificate planned",
        "certificate renewed",
    ]


def test_each_pair_has_a_ledger_of_its_own_with_how_it_ended_and_by_whom(desk: Desk, branch: Branch) -> None:
    desk.records.write(help_desk.replace, CN, CALLER, Replacing(desk.terms.pair, TIMES), desk.now)
    desk.now = branch.pair(CN).expires_at
    desk.records.write(invitation.expire, desk.now)
    first, second = told(desk).pairs
    assert (first.status, second.status) == (CredentialStatus.REPLACED, CredentialStatus.EXPIRED)
    assert [(event.action, event.by) for event in first.events if event.action != "mail queued"] == [
        ("credential made", None),
        ("credential replaced", "ハイジ"),
    ]
    assert [(event.action, event.by) for event in second.events if event.action != "mail queued"] == [
        ("credential made", "ハイジ"),
        ("credential expired", None),
    ]
    assert second.kind is CredentialKind.ENROL


def test_a_pair_is_expired_in_its_ledger_as_soon_as_the_clock_says_so(desk: Desk, branch: Branch) -> None:
    desk.now = branch.pair(CN).expires_at
    (pair,) = told(desk).pairs
    assert pair.status is CredentialStatus.EXPIRED


def test_a_call_shows_who_called_and_a_release_is_no_second_approval(desk: Desk) -> None:
    request = suspension.Request(Reason.LOST, "山田 太郎", HEIDI)
    desk.records.write(suspension.suspend, CN, request, no_entry, desk.now)
    desk.now += 1
    desk.records.write(suspension.release, CN, HEIDI.actor, desk.now)
    told_of = since(desk, desk.now - 1)
    call = next(event for event in told_of if event.action == "call: suspended")
    assert (call.by, call.detail["caller"], call.detail["reason"]) == ("ハイジ", "山田 太郎", "lost")
    assert [event.action for event in told_of if event.action.startswith("seat")] == ["seat suspended", "seat released"]


def test_a_revocation_shows_its_application_and_when_the_world_saw_it(desk: Desk) -> None:
    number = desk.done(a_revocation(str(CN))).number
    (decision,) = desk.records.read(revocations.unpublished)
    desk.records.write(revocations.published, decision.id, 7, desk.now + 5)
    seen = since(desk, desk.now)
    revoked = next(event for event in seen if event.action == "certificates revoked")
    assert revoked.detail["application"] == number
    assert (seen[-1].action, seen[-1].detail) == ("revocation published", {"crl": 7, "seconds": 5})
    assert {event.detail["application"] for event in seen if event.action == "application received"} == {number}


def test_a_pc_whose_account_was_ended_is_named(desk: Desk, branch: Branch) -> None:
    account = branch.fetch(CN, "PC-07")
    desk.now += 1
    desk.records.write(accounts.end, account, AccountStatus.DEACTIVATED, desk.now, f"account:{account}")
    (ended,) = since(desk, desk.now)
    assert (ended.action, ended.detail["host_name"]) == ("account deactivated", "PC-07")


def test_a_plan_that_came_to_nothing_is_shown(desk: Desk, branch: Branch) -> None:
    bound: Any = branch.bind(CN)
    serial = branch.plan(CN, bound.account.id)
    desk.now += 1
    desk.records.write(issuance.abort, serial, b"entry", desk.now)
    assert "certificate aborted" in [event.action for event in since(desk, desk.now)]


def test_a_refused_caller_is_shown_with_the_officer(desk: Desk) -> None:
    desk.records.write(help_desk.unlock, CN, CALLER, TIMES, desk.now)
    (refused,) = since(desk, desk.now)
    assert (refused.action, refused.by, refused.detail) == (
        "help desk refused", "ハイジ", {"act": "unlock", "why": "not-locked"},
    )  # fmt: skip


def test_no_half_of_any_pair_stands_in_a_history(desk: Desk, branch: Branch) -> None:
    former = branch.halves(CN)
    desk.records.write(help_desk.replace, CN, CALLER, Replacing(desk.terms.pair, TIMES), desk.now)
    halves = (*former, *branch.halves(CN))
    branch.fetch(CN)
    assert not any(half in str(told(desk)) for half in halves)


def test_a_cn_that_was_never_assigned_has_no_history(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.records.read(history.of, CommonName.parse("F123456-009"), TIMES, desk.now)


def test_the_order_is_that_of_time_and_within_a_second_that_of_the_table() -> None:
    known = [Event(1, action, "schedule", {}) for action in ACTIONS]
    unknown = Event(1, "something new", "schedule", {})
    late = Event(2, next(iter(ACTIONS)), "schedule", {})
    assert in_order([late, unknown, *reversed(known)]) == (*known, unknown, late)


def test_an_action_that_the_table_lacks_is_shown_as_it_is() -> None:
    assert Event(1, "something new", "schedule", {}).words == "something new"


def test_a_life_in_full_knows_every_action_in_words(desk: Desk, branch: Branch) -> None:
    branch.lock(CN)
    desk.records.write(help_desk.unlock, CN, CALLER, TIMES, desk.now)
    account = branch.fetch(CN)
    desk.records.write(help_desk.label, CN, "営業部1号機", HEIDI, desk.now)
    desk.pass_by(days=370)
    branch.renew(CN, account)
    deliver(desk, MailStatus.SENT)
    decision = Decision(RevocationReason.superseded, HEIDI.actor, desk.now)
    desk.records.write(revoke_seat, CN, decision, no_entry)
    assert [event.action for event in told(desk).events if event.action not in ACTIONS] == []
    assert told(desk).entry.not_after == desk.now + 395 * DAY - 1
