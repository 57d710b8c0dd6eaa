"""On which day which notice to renew is due: days of Japan, whatever the hour at which a certificate ends."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca_server.clock import DAY, TOKYO
from ca_server.domain.certificates import grace_ends
from ca_server.domain.renewal import Ends, days_left, latest_notice, reminders, to_ask_for, too_late
from protocol.renewal_info import RenewalTimes, suggested_window

TIMES = RenewalTimes()
MOMENTS = st.integers(1_700_000_000, 2_000_000_000)
OFFSETS = st.integers(-120 * DAY, 50 * DAY)


def tokyo(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=TOKYO).timestamp())


def holds(ends: Ends, not_after: int) -> bool:
    return ends.first <= not_after < ends.beyond


@pytest.mark.parametrize("hour", ["00:00:00", "12:00:00", "23:59:59"])
def test_the_pair_is_due_from_the_first_second_of_its_day_in_japan(hour: str) -> None:
    not_after = tokyo(f"2027-12-25T{hour}")
    assert not holds(to_ask_for(TIMES, tokyo("2027-11-24T23:59:59")), not_after)
    assert holds(to_ask_for(TIMES, tokyo("2027-11-25T00:00:00")), not_after)


def test_the_pair_can_be_made_up_for_until_the_grace_is_over() -> None:
    not_after = tokyo("2027-12-25T12:00:00")
    last = grace_ends(not_after, TIMES)
    assert holds(to_ask_for(TIMES, last), not_after)
    assert not holds(to_ask_for(TIMES, last + 1), not_after)
    assert not_after >= too_late(TIMES, last)
    assert not_after < too_late(TIMES, last + 1)


@pytest.mark.parametrize(
    ("today", "days"),
    [
        ("2027-11-25T00:00:00", None),
        ("2027-12-10T23:59:59", None),
        ("2027-12-11T00:00:00", 14),
        ("2027-12-17T23:59:59", 14),
        ("2027-12-18T00:00:00", 7),
        ("2027-12-23T23:59:59", 7),
        ("2027-12-24T00:00:00", 1),
        ("2027-12-25T12:00:00", 1),
        ("2027-12-25T12:00:01", None),
    ],
)
def test_a_reminder_is_due_from_its_day_until_the_next_ones_or_the_end(today: str, days: int | None) -> None:
    not_after = tokyo("2027-12-25T12:00:00")
    due = [each.days for each in reminders(TIMES, tokyo(today)) if holds(each.ends, not_after)]
    assert due == ([] if days is None else [days])


@given(MOMENTS, OFFSETS)
def test_at_every_moment_one_reminder_at_most_is_due_and_it_is_the_latest_notice(now: int, offset: int) -> None:
    not_after = now + offset
    due = [each.days for each in reminders(TIMES, now) if holds(each.ends, not_after)]
    if due:
        assert due == [latest_notice(not_after, TIMES, now)]
    elif holds(to_ask_for(TIMES, now), not_after):
        assert latest_notice(not_after, TIMES, now) == TIMES.mail_days


@given(MOMENTS)
def test_no_mail_goes_while_agents_may_still_renew_by_themselves(not_after: int) -> None:
    closest = RenewalTimes(window_end_days=31)
    _, window_ends = suggested_window(not_after, closest)
    assert not holds(to_ask_for(closest, window_ends), not_after)


def test_the_days_left_are_counted_by_days_and_not_by_hours() -> None:
    assert days_left(tokyo("2027-12-25T00:00:00"), tokyo("2027-12-24T23:59:59")) == 1
    assert days_left(tokyo("2027-12-25T23:59:59"), tokyo("2027-12-24T00:00:00")) == 1
    assert days_left(tokyo("2027-12-25T00:00:00"), tokyo("2027-12-25T23:59:59")) == 0
    assert days_left(tokyo("2027-12-25T23:59:59"), tokyo("2027-12-26T00:00:00")) == -1


def test_an_operator_may_have_nobody_reminded() -> None:
    assert reminders(RenewalTimes(reminders=()), tokyo("2027-12-24T12:00:00")) == ()
