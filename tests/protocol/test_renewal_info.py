"""RFC 9773: how a certificate is named, and when it is renewed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.renewal_info import BadCertificateId, RenewalTimes, certificate_id, parse_certificate_id, suggested_window

VECTOR = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
KEY_IDENTIFIER = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")


def test_the_vector_of_rfc_9773_is_made() -> None:
    assert certificate_id(KEY_IDENTIFIER, 0x87654321) == VECTOR


def test_the_vector_of_rfc_9773_is_read() -> None:
    assert parse_certificate_id(VECTOR) == (KEY_IDENTIFIER, 0x87654321)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=32), st.integers(1, 2**159 - 1))
def test_what_is_named_is_found(key_identifier: bytes, serial: int) -> None:
    assert parse_certificate_id(certificate_id(key_identifier, serial)) == (key_identifier, serial)


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "aYhba4dGQEHhs3uEe6CuLN4ByNQ", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.", ".AIdlQyE", VECTOR + "=",
        "aYhba4dGQEHhs3uEe6CuLN4ByNQ.h2VDIQ", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AACHZUMh", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AA",
        "aYhba4dGQEHhs3uEe6CuLN4ByNQ. AIdlQyE", "a+hb.AQ", VECTOR + ".AA", "\ud800.AQ", "AA." + "AB" * 40,
    ],
)  # fmt: skip
def test_another_text_is_no_certificate_identifier(text: str) -> None:
    with pytest.raises(BadCertificateId):
        parse_certificate_id(text)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text() | st.text("AQ._-", max_size=30))
def test_whatever_is_accepted_is_the_text_that_the_certificate_has(text: str) -> None:
    try:
        named = parse_certificate_id(text)
    except BadCertificateId:
        return
    assert certificate_id(*named) == text


def test_the_window_goes_from_44_to_33_days_before_the_end() -> None:
    not_after = datetime(2027, 12, 23, 3, 4, 5, tzinfo=UTC)

    start, end = suggested_window(int(not_after.timestamp()), RenewalTimes())

    assert datetime.fromtimestamp(start, UTC) == datetime(2027, 11, 9, 3, 4, 5, tzinfo=UTC)
    assert datetime.fromtimestamp(end, UTC) == datetime(2027, 11, 20, 3, 4, 5, tzinfo=UTC)


def test_an_operator_may_grant_no_grace_and_mail_on_the_last_day() -> None:
    assert RenewalTimes(mail_days=1, grace_days=0, reminders=()) == RenewalTimes(45, 44, 33, 1, 0, ())


@pytest.mark.parametrize(
    "days",
    [
        {"order_days": 43},
        {"window_start_days": 33},
        {"window_end_days": 30},
        {"mail_days": 33},
        {"mail_days": 0},
        {"grace_days": -1},
        {"reminders": (30,)},
        {"reminders": (7, 7)},
        {"reminders": (1, 7)},
        {"reminders": (7, 0)},
    ],
)
def test_times_out_of_order_are_refused(days: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="days"):
        RenewalTimes(**days)
