"""The states of seats, credentials, certificates and orders, and the officers who move them."""

import dataclasses

import pytest

from ca_server.clock import DAY
from ca_server.domain.certificates import Certificate, CertificateStatus, require_renewable
from ca_server.domain.credentials import Credential, CredentialKind, CredentialStatus, wrong_password
from ca_server.domain.officers import Officer, Role, folded, require_name
from ca_server.domain.orders import OrderFacts, authorization_status, order_status
from ca_server.domain.seats import Seat, SeatStatus
from ca_server.errors import CredentialRefused, Invalid, Lapsed, NotAllowed, NotEntitled, TooEarly
from protocol.names import CommonName
from protocol.renewal_info import RenewalTimes
from protocol.vocabulary import AccountStatus, AuthorizationStatus, OrderStatus

CN = CommonName.parse("F123456-001")
NOW = 1_795_435_200
OPEN = Credential("c", CN, CredentialKind.ENROL, CredentialStatus.OPEN, 0, None, None, NOW + DAY, None)
READY = OrderFacts(
    "o", "a", str(CN), "[]", None, None, "", None, None, NOW + DAY, AccountStatus.VALID, SeatStatus.APPROVED, None
)


def test_a_suspended_seat_is_released_to_what_it_was() -> None:
    for status in (SeatStatus.APPROVED, SeatStatus.ACTIVE):
        assert Seat(CN, status).suspended().released() == Seat(CN, status)


def test_only_a_living_seat_is_suspended_and_only_a_suspended_one_released() -> None:
    for status in (SeatStatus.SUSPENDED, SeatStatus.LAPSED, SeatStatus.REVOKED):
        with pytest.raises(NotAllowed):
            Seat(CN, status).suspended()
    with pytest.raises(NotAllowed):
        Seat(CN, SeatStatus.ACTIVE).released()


def test_only_an_active_seat_lapses_and_it_is_not_suspended_any_more() -> None:
    assert Seat(CN, SeatStatus.ACTIVE).lapsed() == Seat(CN, SeatStatus.LAPSED)
    for status in set(SeatStatus) - {SeatStatus.ACTIVE}:
        with pytest.raises(NotAllowed):
            Seat(CN, status).lapsed()


def test_every_seat_but_a_revoked_one_can_be_revoked() -> None:
    for status in set(SeatStatus) - {SeatStatus.REVOKED}:
        assert Seat(CN, status).revoked().status is SeatStatus.REVOKED
    with pytest.raises(NotAllowed):
        Seat(CN, SeatStatus.REVOKED).revoked()


def test_only_approved_and_active_seats_may_enrol() -> None:
    assert {status for status in SeatStatus if Seat(CN, status).may_enrol} == {SeatStatus.APPROVED, SeatStatus.ACTIVE}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (CredentialStatus.LOCKED, "locked"),
        (CredentialStatus.USED, "used"),
        (CredentialStatus.REPLACED, "replaced"),
        (CredentialStatus.EXPIRED, "expired"),
    ],
)
def test_a_credential_that_is_not_open_says_which_state_it_is_in(status: CredentialStatus, reason: str) -> None:
    with pytest.raises(CredentialRefused) as refusal:
        dataclasses.replace(OPEN, status=status, ended_at=NOW).require_open(NOW)
    assert refusal.value.reason == reason


def test_a_credential_expires_to_the_second() -> None:
    OPEN.require_open(OPEN.expires_at - 1)
    with pytest.raises(CredentialRefused) as refusal:
        OPEN.require_open(OPEN.expires_at)
    assert refusal.value.reason == "expired"


def test_a_used_credential_does_not_expire_any_more() -> None:
    used = dataclasses.replace(OPEN, status=CredentialStatus.USED, ended_at=NOW)
    assert used.status_at(OPEN.expires_at + DAY) is CredentialStatus.USED


def test_a_wrong_password_tells_how_many_tries_are_left_until_the_last_one_locks() -> None:
    assert wrong_password(9, 10).reason == "wrongPassword"
    assert "1 more" in str(wrong_password(9, 10))
    assert wrong_password(10, 10).reason == "locked"


def a_certificate(status: CertificateStatus = CertificateStatus.ISSUED) -> Certificate:
    return Certificate("ab", status, CN, NOW - DAY, NOW + 30 * DAY)


def test_people_are_told_valid_suspended_revoked_or_expired() -> None:
    assert a_certificate().word_at(NOW) == "valid"
    assert a_certificate(CertificateStatus.SUSPENDED).word_at(NOW) == "suspended"
    assert a_certificate().word_at(NOW + 30 * DAY) == "valid"
    assert a_certificate().word_at(NOW + 30 * DAY + 1) == "expired"
    assert a_certificate(CertificateStatus.REVOKED).word_at(NOW + 60 * DAY) == "revoked"


def test_a_certificate_is_renewable_from_45_days_before_its_end_until_90_days_after_it() -> None:
    certificate, times = a_certificate(), RenewalTimes()
    opens, closes = certificate.not_after - 45 * DAY, certificate.not_after + 90 * DAY
    with pytest.raises(TooEarly):
        require_renewable(certificate, opens - 1, times)
    require_renewable(certificate, opens, times)
    require_renewable(certificate, closes, times)
    with pytest.raises(Lapsed):
        require_renewable(certificate, closes + 1, times)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, OrderStatus.READY),
        ({"seat_status": SeatStatus.SUSPENDED}, OrderStatus.READY),
        ({"expires_at": NOW}, OrderStatus.INVALID),
        ({"error": "lost"}, OrderStatus.INVALID),
        ({"deactivated": "0"}, OrderStatus.INVALID),
        ({"account_status": AccountStatus.REVOKED}, OrderStatus.INVALID),
        ({"account_status": AccountStatus.DEACTIVATED}, OrderStatus.INVALID),
        ({"seat_status": SeatStatus.REVOKED}, OrderStatus.INVALID),
        ({"seat_status": SeatStatus.LAPSED}, OrderStatus.INVALID),
        ({"certificate_status": CertificateStatus.PLANNED}, OrderStatus.PROCESSING),
        ({"certificate_status": CertificateStatus.ISSUED}, OrderStatus.VALID),
        ({"certificate_status": CertificateStatus.ISSUED, "expires_at": NOW}, OrderStatus.VALID),
        ({"certificate_status": CertificateStatus.REVOKED}, OrderStatus.VALID),
        ({"certificate_status": CertificateStatus.ABORTED, "error": "lost"}, OrderStatus.INVALID),
    ],
)
def test_the_status_of_an_order_follows_from_facts(changes: dict[str, object], status: OrderStatus) -> None:
    assert order_status(READY._replace(**changes), NOW) is status  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, AuthorizationStatus.VALID),
        ({"deactivated": "0"}, AuthorizationStatus.DEACTIVATED),
        ({"deactivated": "1"}, AuthorizationStatus.VALID),
        ({"expires_at": NOW}, AuthorizationStatus.EXPIRED),
        ({"seat_status": SeatStatus.REVOKED}, AuthorizationStatus.REVOKED),
        ({"account_status": AccountStatus.REVOKED}, AuthorizationStatus.REVOKED),
    ],
)
def test_the_status_of_an_authorization_follows_from_facts(
    changes: dict[str, object], status: AuthorizationStatus
) -> None:
    assert authorization_status(READY._replace(**changes), 0, NOW) is status  # type: ignore[arg-type]


def test_officers_names_are_compared_after_nfkc_and_case_folding() -> None:
    assert folded("Ｓａｔｏ　Hanako") == folded(" sato  HANAKO ")
    assert folded("佐藤") != folded("佐籐")


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "sa\u202eto", "sa\u0000to"])
def test_a_name_is_short_and_printable(name: str) -> None:
    with pytest.raises(Invalid):
        require_name(name)


def test_an_officer_acts_in_the_own_role_from_the_own_login_while_not_disabled() -> None:
    sato = Officer("1", "佐藤", Role.REGISTRATION, "sato", None)
    sato.require([Role.REGISTRATION], "sato")
    with pytest.raises(NotEntitled, match="role"):
        sato.require([Role.AUDITOR, Role.HELP_DESK], "sato")
    with pytest.raises(NotEntitled, match="login"):
        sato.require([Role.REGISTRATION], "root")
    with pytest.raises(NotEntitled, match="disabled"):
        dataclasses.replace(sato, disabled_at=NOW).require([Role.REGISTRATION], "sato")
