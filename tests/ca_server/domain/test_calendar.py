"""The calendar beside a count of its own: holidays by the law (国民の祝日に関する法律), days counted one by one."""

import datetime
from collections.abc import Iterator

import pytest

from ca_server.domain.calendar import Calendar

YEARS = range(2024, 2033)
A_DAY = datetime.timedelta(days=1)
FIXED = ((1, 1), (2, 11), (2, 23), (4, 29), (5, 3), (5, 4), (5, 5), (8, 11), (11, 3), (11, 23))
MONDAYS = ((1, 2), (7, 3), (9, 3), (10, 2))  # the second Monday of January, the third of July…
CALENDAR = Calendar()


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def days(year: int) -> Iterator[datetime.date]:
    each = datetime.date(year, 1, 1)
    while each.year == year:
        yield each
        each += A_DAY


def equinoxes(year: int) -> tuple[datetime.date, datetime.date]:
    drift = 0.242194 * (year - 1980) - (year - 1980) // 4
    return datetime.date(year, 3, int(20.8431 + drift)), datetime.date(year, 9, int(23.2488 + drift))


def holidays(year: int) -> set[datetime.date]:
    named = {datetime.date(year, month, number) for month, number in FIXED} | {*equinoxes(year)}
    for month, week in MONDAYS:
        mondays = [each for each in days(year) if each.month == month and each.weekday() == 0]
        named.add(mondays[week - 1])
    found = set(named)
    for each in sorted(named):
        if each.weekday() == 6:  # article 3 (2): the next day that is no holiday
            found.add(next(later for later in (each + ahead * A_DAY for ahead in range(1, 9)) if later not in named))
    return found | {each for each in days(year) if each - A_DAY in named and each + A_DAY in named}  # article 3 (3)


HOLIDAYS = {each for year in (*YEARS, 2033) for each in holidays(year)}


def is_open(each: datetime.date) -> bool:
    year_end = (each.month, each.day) in {(12, 29), (12, 30), (12, 31), (1, 1), (1, 2), (1, 3)}
    return each.strftime("%a") not in {"Sat", "Sun"} and each not in HOLIDAYS and not year_end


OPEN = {year: {each for each in days(year) if is_open(each)} for year in (*YEARS, 2033)}


@pytest.mark.parametrize("year", YEARS)
def test_a_date_is_accepted_if_and_only_if_seven_open_days_lie_between(year: int) -> None:
    open_days = OPEN[year] | OPEN[year + 1]
    for applied_on in days(year):
        between = 0
        for ahead in range(1, 32):
            desired_on = applied_on + ahead * A_DAY
            accepted = desired_on in open_days and between >= 7
            assert CALENDAR.allows(desired_on, applied_on) is accepted, (applied_on, desired_on)
            between += desired_on in open_days


@pytest.mark.parametrize("year", YEARS)
def test_no_date_up_to_the_application_date_is_accepted(year: int) -> None:
    for applied_on in days(year):
        assert not any(CALENDAR.allows(applied_on - back * A_DAY, applied_on) for back in range(40))


@pytest.mark.parametrize("year", YEARS)
def test_the_dates_that_a_refusal_names_are_the_next_accepted_ones(year: int) -> None:
    for applied_on in list(days(year))[::11]:
        for desired_on in (applied_on - A_DAY, applied_on + 4 * A_DAY, applied_on + 11 * A_DAY):
            ahead = (max(applied_on, desired_on) + count * A_DAY for count in range(60))
            accepted = [each for each in ahead if CALENDAR.allows(each, applied_on)]
            assert CALENDAR.next_allowed(desired_on, applied_on) == tuple(accepted[:3])


@pytest.mark.parametrize(
    ("applied_on", "seventh"),
    [("2026-12-22", "2027-01-06"), ("2026-04-28", "2026-05-13"), ("2026-09-15", "2026-09-29")],
)
def test_the_seventh_business_day_is_as_counted_by_hand(applied_on: str, seventh: str) -> None:
    assert CALENDAR.after(day(applied_on), 7) == day(seventh)
    assert not CALENDAR.allows(day(seventh), day(applied_on))


@pytest.mark.parametrize(
    ("closed", "why"),
    [
        ("2026-12-05", "a Saturday"),
        ("2026-12-06", "a Sunday"),
        ("2026-05-06", "the substitute of a holiday on a Sunday"),
        ("2026-09-22", "a day between two holidays"),
        ("2026-12-29", "the first day of the year end"),
        ("2027-01-03", "its last day"),
        ("2024-02-12", "the substitute of a holiday on a Sunday"),
    ],
)
def test_the_agency_is_closed(closed: str, why: str) -> None:
    assert not CALENDAR.is_open(day(closed)), why


@pytest.mark.parametrize("open_day", ["2026-12-28", "2027-01-04", "2024-05-07", "2026-09-24"])
def test_the_agency_is_open(open_day: str) -> None:
    assert CALENDAR.is_open(day(open_day))


def test_a_closing_day_of_the_operator_is_no_business_day() -> None:
    closed = Calendar(closing_days=frozenset({day("2026-12-23")}))
    assert not closed.is_open(day("2026-12-23"))
    assert closed.after(day("2026-12-22"), 7) == day("2027-01-07")


def test_the_year_end_is_what_the_operator_says() -> None:
    short = Calendar(year_end=((12, 31), (1, 2)))
    assert short.is_open(day("2026-12-30"))
    assert not short.is_open(day("2026-12-31"))
    within_a_year = Calendar(year_end=((8, 12), (8, 14)))
    assert not within_a_year.is_open(day("2026-08-13"))
    assert within_a_year.is_open(day("2026-12-30"))


def test_an_application_on_a_closed_day_counts_from_the_next_open_one() -> None:
    assert CALENDAR.earliest(day("2026-12-05")) == CALENDAR.earliest(day("2026-12-04")) == day("2026-12-16")
