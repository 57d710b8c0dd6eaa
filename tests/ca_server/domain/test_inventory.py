"""The state of a CN and how far its renewal is, as people are told, from facts and clock."""

import dataclasses

import pytest

from ca_server.clock import DAY
from ca_server.domain.credentials import Credential, CredentialKind, CredentialStatus
from ca_server.domain.help_desk import Times
from ca_server.domain.inventory import NewestCertificate, Renewal, SeatFacts, State, entry
from ca_server.domain.seats import SeatStatus
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes

CN = CommonName.parse("F123456-001")
NOW = 1_795_435_200  # 2026-11-23 21:00 in Japan
END = NOW + 395 * DAY
TIMES = Times(RenewalTimes(), 180)
PAIR = Credential("c", CN, CredentialKind.ENROL, CredentialStatus.OPEN, 0, None, None, NOW + 30 * DAY, None)
UNFETCHED = SeatFacts(CN, "みどり銀行", None, None, SeatStatus.APPROVED, PAIR, None)
FETCHED = dataclasses.replace(
    UNFETCHED, status=SeatStatus.ACTIVE, certificate=NewestCertificate(END, NOW, is_renewal=False)
)


def with_pair(status: CredentialStatus) -> SeatFacts:
    return dataclasses.replace(UNFETCHED, pair=dataclasses.replace(PAIR, status=status))


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        (CredentialStatus.OPEN, State.WAITING, "waiting to be fetched"),
        (CredentialStatus.LOCKED, State.LOCKED, "URL locked"),
        (CredentialStatus.EXPIRED, State.EXPIRED_UNUSED, "URL expired unused; fresh pair until 2027-06-21"),
    ],
)
def test_before_the_first_certificate_the_state_is_that_of_the_url(
    status: CredentialStatus, state: State, words: str
) -> None:
    told = entry(with_pair(status), TIMES, NOW)
    assert (told.state, told.state_words, told.not_after, told.renewal_words) == (state, words, None, "")


def test_a_url_that_ran_out_unused_shows_until_when_a_fresh_pair_can_be_had_and_no_longer() -> None:
    last = PAIR.expires_at + 180 * DAY
    assert entry(UNFETCHED, TIMES, PAIR.expires_at - 1).fresh_pair_until is None
    assert entry(UNFETCHED, TIMES, PAIR.expires_at).fresh_pair_until == last
    assert entry(UNFETCHED, TIMES, last).fresh_pair_until == last
    too_late = entry(UNFETCHED, TIMES, last + 1)
    assert (too_late.state, too_late.fresh_pair_until) == (State.EXPIRED_UNUSED, None)
    assert too_late.state_words == "URL expired unused"


@pytest.mark.parametrize(
    ("at", "state", "renewal", "renewal_at", "words"),
    [
        (NOW, State.ACTIVE, Renewal.NOT_DUE, None, "not due"),
        (END - 44 * DAY - 1, State.ACTIVE, Renewal.NOT_DUE, None, "not due"),
        (END - 44 * DAY, State.ACTIVE, Renewal.DUE, END - 44 * DAY, "due since 2027-11-09"),
        (END, State.ACTIVE, Renewal.DUE, END - 44 * DAY, "due since 2027-11-09"),
        (END + 1, State.ENDED, Renewal.OVERDUE, END + 90 * DAY, "overdue, possible until 2028-03-22"),
        (END + 90 * DAY, State.ENDED, Renewal.OVERDUE, END + 90 * DAY, "overdue, possible until 2028-03-22"),
        (END + 90 * DAY + 1, State.LAPSED, None, None, ""),
    ],
)
def test_a_certificate_goes_through_the_times_of_renewal(
    at: int, state: State, renewal: Renewal | None, renewal_at: int | None, words: str
) -> None:
    told = entry(FETCHED, TIMES, at)
    assert (told.state, told.renewal, told.renewal_at, told.renewal_words) == (state, renewal, renewal_at, words)
    assert told.not_after == END


def test_a_renewed_certificate_shows_when_until_it_is_due_again() -> None:
    renewed = dataclasses.replace(FETCHED, certificate=NewestCertificate(END, NOW - DAY, is_renewal=True))
    told = entry(renewed, TIMES, NOW)
    assert (told.renewal, told.renewal_words) == (Renewal.RENEWED, "renewed on 2026-11-22")
    assert entry(renewed, TIMES, END - 44 * DAY).renewal is Renewal.DUE


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (SeatStatus.REVOKED, State.REVOKED),
        (SeatStatus.SUSPENDED, State.SUSPENDED),
        (SeatStatus.LAPSED, State.LAPSED),
    ],
)
@pytest.mark.parametrize("facts", [UNFETCHED, FETCHED])
def test_what_was_decided_of_a_seat_goes_before_its_pair_and_certificate(
    facts: SeatFacts, status: SeatStatus, state: State
) -> None:
    assert entry(dataclasses.replace(facts, status=status), TIMES, NOW).state is state


def test_a_suspended_certificate_is_still_due_and_a_revoked_one_never() -> None:
    suspended = dataclasses.replace(FETCHED, status=SeatStatus.SUSPENDED)
    revoked = dataclasses.replace(FETCHED, status=SeatStatus.REVOKED)
    assert entry(suspended, TIMES, END).renewal is Renewal.DUE
    assert entry(revoked, TIMES, END).renewal is None


def test_every_state_has_words() -> None:
    told = entry(FETCHED, TIMES, NOW)
    assert all(dataclasses.replace(told, state=state).state_words for state in State)
