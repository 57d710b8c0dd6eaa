"""Asking for renewal: when the pair and the reminders go, when not, and what ends them."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ca_server.clock import DAY
from ca_server.domain.certificates import grace_ends
from ca_server.domain.credentials import CredentialKind, CredentialStatus
from ca_server.domain.seats import SeatStatus
from ca_server.errors import CredentialRefused
from ca_server.notices.messages import NoticeKind
from ca_server.operations import applications, carrying_out, history, invitation, renewal
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes
from tests.ca_server.branch import TIMES, Branch
from tests.ca_server.operations.watch import CN, LETTERS, PAIR, Watch
from tests.ca_server.paper import ALICE, SEALER, Desk, a_revocation, an_issuance


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    opened = Watch(tmp_path)
    yield opened
    opened.desk.records.close()


# --- the pair


def test_the_pair_goes_thirty_days_before_the_end_and_once(watch: Watch) -> None:
    assert watch.tick(days=31) == []
    assert set(watch.tick(days=30)) == PAIR
    assert watch.tick(days=30) == []
    assert watch.tick(days=29) == []
    assert watch.pairs() == [CredentialStatus.OPEN]


def test_the_pair_works_until_the_grace_is_over(watch: Watch) -> None:
    watch.tick(days=30)
    assert watch.branch.pair(CN).expires_at == grace_ends(watch.certificate.not_after, TIMES)
    watch.desk.now = grace_ends(watch.certificate.not_after, TIMES) - 1
    account = watch.branch.bind(CN)
    assert not isinstance(account, CredentialRefused)
    watch.branch.renew(CN, account.account.id)


def test_days_on_which_the_server_was_down_are_made_up_for(watch: Watch) -> None:
    assert set(watch.tick(days=20)) == PAIR


def test_a_certificate_that_ended_while_the_server_was_down_gets_its_pair_within_the_grace(watch: Watch) -> None:
    assert set(watch.tick(days=-89)) == PAIR
    said = watch.letter(NoticeKind.RENEWAL_URL)
    assert said is not None
    assert said["ended"] is True


def test_after_the_grace_nothing_is_asked_for(watch: Watch) -> None:
    assert watch.tick(days=-91) == []


def test_a_clock_that_jumps_back_and_forth_repeats_nothing(watch: Watch) -> None:
    days = [30, 60, 30, 25, 40, 14, 20, 14, 7, 30, 14, 7, 1, 100, 14, 7, 1, 0, 30]
    assert [day for day in days if watch.tick(days=day)] == [30, 14, 7, 1]
    assert watch.pairs() == [CredentialStatus.OPEN]


def test_a_pair_that_somebody_had_mailed_before_is_respected(watch: Watch) -> None:
    watch.turn(days=35)
    terms, now = watch.desk.terms.pair, watch.desk.now
    watch.desk.records.write(invitation.invite, CN, CredentialKind.RENEW, terms, now, "test")
    assert watch.tick(days=30) == []
    assert watch.tick(days=14) == [NoticeKind.RENEWAL_REMINDER]


def test_next_years_renewal_has_a_pair_of_its_own_that_is_no_second_one(watch: Watch) -> None:
    watch.tick(days=30)
    account = watch.branch.bind(CN)
    assert not isinstance(account, CredentialRefused)
    watch.branch.renew(CN, account.account.id)
    watch.certificate = watch.newest()
    assert set(watch.tick(days=30)) == PAIR
    said = watch.letter(NoticeKind.RENEWAL_URL)
    assert said is not None
    assert said["reissued"] is False


def test_a_pair_that_the_help_desk_replaced_says_so(watch: Watch) -> None:
    watch.tick(days=30)
    watch.desk.records.write(
        invitation.replace, CN, CredentialKind.RENEW, watch.desk.terms.pair, watch.desk.now + 5, "test"
    )
    said = watch.letter(NoticeKind.RENEWAL_URL)
    assert said is not None
    assert (said["reissued"], said["expires"]) == (True, grace_ends(watch.certificate.not_after, TIMES))


def test_a_certificate_that_the_agent_renewed_is_not_asked_for(watch: Watch) -> None:
    watch.turn(days=40)
    watch.branch.renew(CN, watch.account)
    assert watch.days(30, 14, 7, 1, -1) == Counter()


def test_a_renewal_that_is_being_made_is_not_asked_for(watch: Watch) -> None:
    watch.turn(days=30)
    watch.branch.plan(CN, watch.account)
    assert watch.tick() == []


# --- reminders


def test_reminders_go_fourteen_seven_and_one_day_before_the_end(watch: Watch) -> None:
    days = [*range(31, -4, -1)]
    assert watch.days(*days) == Counter({30: 2, 14: 1, 7: 1, 1: 1})


def test_of_several_missed_reminders_the_latest_alone_is_made_up_for(watch: Watch) -> None:
    watch.tick(days=30)
    assert watch.tick(days=5) == [NoticeKind.RENEWAL_REMINDER]
    assert watch.days(4, 3, 2, 1, 0) == Counter({1: 1})


def test_a_pair_that_is_late_needs_no_reminder_on_its_own_day(watch: Watch) -> None:
    assert watch.days(7, 6, 5, 4, 3, 2, 1) == Counter({7: 2, 1: 1})


def test_nobody_is_reminded_of_an_end_that_is_past(watch: Watch) -> None:
    watch.tick(days=30)
    assert watch.tick(days=-1) == []


def test_a_reminder_says_how_many_days_are_left_when_it_leaves(watch: Watch) -> None:
    watch.tick(days=30)
    watch.tick(days=14)
    watch.turn(days=13)
    said = watch.letter(NoticeKind.RENEWAL_REMINDER)
    assert said is not None
    assert (said["days_left"], said["not_after"]) == (13, watch.certificate.not_after)


@pytest.mark.parametrize("how", ["renewed", "being renewed", "ended"])
def test_a_reminder_that_waited_until_it_was_of_no_use_is_void(watch: Watch, how: str) -> None:
    watch.tick(days=30)
    watch.tick(days=1)
    match how:
        case "renewed":
            watch.branch.renew(CN, watch.account)
        case "being renewed":
            watch.branch.plan(CN, watch.account)
        case "ended":
            watch.turn(days=-1)
    assert watch.letter(NoticeKind.RENEWAL_REMINDER) is None


def test_the_mails_of_a_pair_can_be_filled_while_the_renewal_is_being_made(watch: Watch) -> None:
    watch.tick(days=30)
    watch.branch.plan(CN, watch.account)
    said = watch.letter(NoticeKind.RENEWAL_URL)
    assert said is not None
    assert said["not_after"] == watch.certificate.not_after


def test_an_operator_chooses_the_days(watch: Watch) -> None:
    times = RenewalTimes(mail_days=20, reminders=(10,))
    pair = invitation.Terms(30, 0, SEALER, times)
    watch.desk.terms = carrying_out.Terms(pair, two_officers=True)
    assert watch.days(*range(31, -1, -1)) == Counter({20: 2, 10: 1})


# --- put off


def test_while_a_seat_is_suspended_its_notices_are_put_off_and_the_latest_follows(watch: Watch) -> None:
    watch.turn(days=32)
    watch.suspend()
    assert watch.days(30, 20, 14) == Counter()
    watch.release()
    assert set(watch.tick(days=10)) == PAIR
    watch.suspend()
    assert watch.days(7, 5) == Counter()
    watch.release()
    assert watch.tick(days=5) == [NoticeKind.RENEWAL_REMINDER]


def test_a_suspension_past_the_end_leaves_the_pair_for_the_grace(watch: Watch) -> None:
    watch.turn(days=32)
    watch.suspend()
    assert watch.tick(days=-10) == []
    watch.release()
    assert set(watch.tick(days=-10)) == PAIR


def test_a_cn_that_waits_for_its_revocation_is_not_asked_for_unless_the_form_is_withdrawn(watch: Watch) -> None:
    watch.turn(days=32)
    number = watch.desk.file(a_revocation(str(CN), reason="unused", now=watch.desk.now)).number
    assert watch.days(30, 14) == Counter()
    watch.desk.records.write(applications.withdraw, number, ALICE, "機器更新の延期", watch.desk.now)
    assert set(watch.tick(days=10)) == PAIR


def test_a_revoked_cn_is_not_asked_for(watch: Watch) -> None:
    watch.desk.done(a_revocation(str(CN), reason="lost"))
    assert watch.days(30, 14, 7, 1, -1, -91) == Counter()
    assert watch.seat() is SeatStatus.REVOKED


# --- either way closes the other


def test_the_agents_renewal_voids_the_mailed_pair_and_its_mails(watch: Watch) -> None:
    watch.tick(days=30)
    watch.branch.renew(CN, watch.account)
    assert watch.pairs() == [CredentialStatus.REPLACED]
    assert watch.letter(NoticeKind.RENEWAL_URL) is None
    assert watch.letter(NoticeKind.RENEWAL_PASSWORD) is None
    assert watch.days(14, 7, 1) == Counter()


def test_a_change_of_administrator_mails_a_fresh_pair_that_lives_as_long(watch: Watch) -> None:
    watch.tick(days=30)
    watch.desk.records.write(
        invitation.replace, CN, CredentialKind.RENEW, watch.desk.terms.pair, watch.desk.now, "test"
    )
    assert sorted(watch.pairs()) == [CredentialStatus.OPEN, CredentialStatus.REPLACED]
    assert watch.branch.pair(CN).expires_at == grace_ends(watch.certificate.not_after, TIMES)
    assert watch.days(29, 14, 7, 1) == Counter({14: 1, 7: 1, 1: 1})


# --- many at once


def test_more_than_a_part_is_seen_to_in_parts(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path)
    desk.done(an_issuance(renewal.MOST_AT_ONCE + 1))
    branch = Branch(desk)
    for number in range(1, renewal.MOST_AT_ONCE + 2):
        branch.fetch(CommonName(CN.institution, number))
    desk.now += 370 * DAY
    assert [desk.records.write(renewal.ask, desk.terms.pair, desk.now) for _ in range(3)] == [
        renewal.MOST_AT_ONCE,
        1,
        0,
    ]
    desk.records.close()


# --- the PC describes itself


def test_a_history_tells_that_the_pc_has_another_name(watch: Watch) -> None:
    watch.turn(days=40)
    watch.branch.renew(CN, watch.account, host_name="PC-99")
    told = watch.desk.records.read(history.of, CN, LETTERS.times, watch.desk.now)
    (event,) = [event for event in told.events if event.action == "PC described"]
    assert event.detail == {"host_name": "PC-99", "former_host_name": "PC-01"}
    assert told.entry.host_name == "PC-99"


def test_a_pair_that_has_not_left_when_its_seat_is_suspended_waits_for_the_release(watch: Watch) -> None:
    assert set(watch.tick(days=30)) == PAIR
    watch.suspend()
    assert watch.mails() == []
    watch.release()
    assert {mail.kind for mail in watch.mails()} == PAIR


def test_a_reminder_waits_for_the_release_too(watch: Watch) -> None:
    watch.tick(days=30)
    watch.tick(days=14)
    watch.suspend()
    assert watch.mails() == []
    watch.turn(days=13)
    watch.release()
    assert watch.letter(NoticeKind.RENEWAL_REMINDER) is not None
