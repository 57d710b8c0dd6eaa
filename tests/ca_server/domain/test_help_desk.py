"""What the help desk may do about a pair, in each state of seat and pair."""

import dataclasses

import pytest

from ca_server.clock import DAY
from ca_server.domain.attempts import Attempt
from ca_server.domain.credentials import Credential, CredentialKind, CredentialStatus
from ca_server.domain.help_desk import MOST_RESENT, Caller, Declined, Obstacle, Pair, Times
from ca_server.domain.officers import Acting
from ca_server.domain.seats import Seat, SeatStatus
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes

CN = CommonName.parse("F123456-001")
NOW = 1_795_435_200
EXPIRY = NOW + 30 * DAY
FRESH_UNTIL = EXPIRY + 180 * DAY
TIMES = Times(RenewalTimes(), 180)
CALLER = Caller("みどり銀行", None, Acting("h", "desk"))


def pair(status: CredentialStatus, seat: SeatStatus = SeatStatus.APPROVED) -> Pair:
    ended = NOW if status in (CredentialStatus.USED, CredentialStatus.REPLACED) else None
    credential = Credential("c", CN, CredentialKind.ENROL, status, 10, None, None, EXPIRY, ended)
    return Pair(Seat(CN, seat), credential, FRESH_UNTIL)


def why(judged: Pair, act: str, now: int = NOW, resent: int = 0) -> Obstacle | Attempt | None:
    """Return why an act is declined, None when it is not."""
    try:
        match act:
            case "resend":
                judged.require_resendable(resent, now)
            case "unlock":
                judged.require_locked(now)
            case "replace":
                judged.require_replaceable(now)
    except Declined as declined:
        return declined.why
    return None


@pytest.mark.parametrize(
    ("status", "resend", "unlock", "replace"),
    [
        (CredentialStatus.OPEN, None, Obstacle.NOT_LOCKED, None),
        (CredentialStatus.LOCKED, Obstacle.LOCKED, None, None),
        (CredentialStatus.EXPIRED, Obstacle.EXPIRED, Obstacle.EXPIRED, None),
        (CredentialStatus.USED, Obstacle.USED, Obstacle.USED, Obstacle.USED),
        (CredentialStatus.REPLACED, Obstacle.WITHDRAWN, Obstacle.WITHDRAWN, Obstacle.WITHDRAWN),
    ],
)
def test_each_state_of_a_pair_allows_what_helps(
    status: CredentialStatus, resend: Obstacle | None, unlock: Obstacle | None, replace: Obstacle | None
) -> None:
    judged = pair(status)
    assert (why(judged, "resend"), why(judged, "unlock"), why(judged, "replace")) == (resend, unlock, replace)


@pytest.mark.parametrize(
    ("status", "obstacle"),
    [
        (SeatStatus.REVOKED, Obstacle.SEAT_REVOKED),
        (SeatStatus.SUSPENDED, Obstacle.SEAT_SUSPENDED),
        (SeatStatus.LAPSED, Obstacle.SEAT_LAPSED),
    ],
)
@pytest.mark.parametrize("act", ["resend", "unlock", "replace"])
@pytest.mark.parametrize("status_of_pair", list(CredentialStatus))
def test_a_seat_that_is_over_or_on_hold_is_named_before_its_pair(
    status: SeatStatus, obstacle: Obstacle, act: str, status_of_pair: CredentialStatus
) -> None:
    assert why(pair(status_of_pair, status), act) is obstacle


def test_a_half_is_resent_three_times_and_no_more() -> None:
    judged = pair(CredentialStatus.OPEN)
    assert [why(judged, "resend", resent=each) for each in range(MOST_RESENT + 1)] == [None] * 3 + [Obstacle.RESENT]


def test_a_locked_pair_that_ran_out_is_expired() -> None:
    assert why(pair(CredentialStatus.LOCKED), "unlock", EXPIRY) is Obstacle.EXPIRED
    assert why(pair(CredentialStatus.LOCKED), "unlock", EXPIRY - 1) is None


def test_a_fresh_pair_can_be_had_to_the_last_second_of_its_time() -> None:
    assert why(pair(CredentialStatus.OPEN), "replace", FRESH_UNTIL) is None
    assert why(pair(CredentialStatus.OPEN), "replace", FRESH_UNTIL + 1) is Obstacle.LATE
    assert why(pair(CredentialStatus.EXPIRED), "resend", FRESH_UNTIL + 1) is Obstacle.LATE


def test_a_pair_for_a_first_certificate_can_be_replaced_for_the_days_configured() -> None:
    assert TIMES.fresh_pair_until(CredentialKind.ENROL, EXPIRY, None) == FRESH_UNTIL


def test_a_pair_for_a_renewal_can_be_replaced_no_longer_than_the_certificate_can_be_renewed() -> None:
    not_after = EXPIRY
    assert TIMES.fresh_pair_until(CredentialKind.RENEW, EXPIRY, not_after) == not_after + 90 * DAY
    short = dataclasses.replace(TIMES, fresh_pair_days=10)
    assert short.fresh_pair_until(CredentialKind.RENEW, EXPIRY, not_after) == EXPIRY + 10 * DAY


@pytest.mark.parametrize("name", ["みどり銀行", "  みどり 銀行", "みどり銀行　"])
def test_a_caller_is_known_by_the_name_of_the_institution_however_it_is_spaced(name: str) -> None:
    dataclasses.replace(CALLER, institution_name=name).require_known("みどり銀行", "yamada@midori.example")


def test_the_registered_address_may_be_named_in_wide_letters() -> None:
    caller = dataclasses.replace(CALLER, address="ＹＡＭＡＤＡ@midori.example")
    caller.require_known("みどり銀行", "yamada@midori.example")


@pytest.mark.parametrize(
    ("name", "address", "attempt"),
    [
        ("あおぞら銀行", None, Attempt.WRONG_INSTITUTION),
        ("", None, Attempt.WRONG_INSTITUTION),
        ("みどり銀行", "thief@evil.example", Attempt.OTHER_ADDRESS),
        ("みどり銀行", "", Attempt.OTHER_ADDRESS),
        ("あおぞら銀行", "thief@evil.example", Attempt.WRONG_INSTITUTION),
    ],
)
def test_a_stranger_is_declined_and_learns_nothing_of_what_is_registered(
    name: str, address: str | None, attempt: Attempt
) -> None:
    caller = Caller(name, address, CALLER.by)
    with pytest.raises(Declined) as declined:
        caller.require_known("みどり銀行", "yamada@midori.example")
    assert declined.value.why is attempt
    assert "みどり" not in str(declined.value)
    assert "yamada" not in str(declined.value)
