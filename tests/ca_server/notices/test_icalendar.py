"""The day on which a certificate ends, as calendars read it: a parser that is not ours says what it understood."""

import datetime
import email
import email.policy
import re

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca_server.clock import DAY
from ca_server.notices.attachment import Attachment
from ca_server.notices.icalendar import Event, Organizer, calendar
from ca_server.notices.messages import Messages, NoticeKind
from tests.ca_server.notices.conftest import NOON

ORGANIZER = Organizer("割符試験認証局", "notice@ca.example.jp")
DAY_OF_END = datetime.date(2026, 12, 22)
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.just("\n"), min_size=1, max_size=300)


def understood(attachment: Attachment) -> icalendar.Component:
    """Return the one event of a file, whose calendar must be published and have no fault."""
    found = icalendar.Calendar.from_ical(attachment.content)
    assert (found["VERSION"], found["METHOD"], found.errors) == ("2.0", "PUBLISH", [])
    (event,) = found.walk("VEVENT")
    assert event.errors == []
    return event


def of_reminder(messages: Messages, facts: dict[str, object], language: str, at: int = NOON) -> Attachment:
    rendered = messages.render(NoticeKind.RENEWAL_REMINDER, language, facts)
    raw = bytes(messages.compose(rendered, "hanako@bank.example", "0mail0", at))
    (file,) = email.message_from_bytes(raw, policy=email.policy.default).iter_attachments()
    assert (file.get_content_type(), file.get_param("method"), file.get_content_charset()) == (
        "text/calendar",
        "PUBLISH",
        "utf-8",
    )
    return Attachment(str(file.get_filename()), file.get_payload(decode=True), "text", "calendar")


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_reminder_brings_the_day_of_the_end(messages: Messages, facts: dict[str, object], language: str) -> None:
    attachment = of_reminder(messages, facts, language)
    event = understood(attachment)
    assert attachment.name == "F123456-001-20261222.ics"
    assert event.decoded("DTSTART") == DAY_OF_END
    assert "F123456-001" in event["SUMMARY"]
    assert "03-5555-0100" in event["DESCRIPTION"]
    assert event["ORGANIZER"] == "mailto:notice@ca.example.jp"
    assert event["ORGANIZER"].params["CN"] == "割符試験認証局"
    assert event.decoded("DTSTAMP") == datetime.datetime.fromtimestamp(NOON, datetime.UTC)


def test_every_reminder_of_a_certificate_is_the_same_event(messages: Messages, facts: dict[str, object]) -> None:
    first, last = (
        understood(of_reminder(messages, facts | {"days_left": days}, "ja", at)) for days, at in ((14, NOON), (1, DAY))
    )
    other = understood(of_reminder(messages, facts | {"not_after": NOON + 400 * DAY}, "ja"))
    assert first["UID"] == last["UID"] == "F123456-001-20261222@ca.example.jp"
    assert other["UID"] != first["UID"]


def test_an_end_in_the_last_minutes_of_a_day_of_japan_is_on_that_day(
    messages: Messages, facts: dict[str, object]
) -> None:
    late = facts | {"not_after": NOON + 12 * 3600 - 1}
    assert understood(of_reminder(messages, late, "ja")).decoded("DTSTART") == datetime.date(2026, 11, 23)


@given(TEXTS, TEXTS, st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"^'), min_size=1))
def test_whatever_the_words_are_they_come_back_and_no_line_is_too_long(summary: str, words: str, name: str) -> None:
    made = calendar(Event("x", DAY_OF_END, summary, words), Organizer(name, "a@ca.example.jp"), NOON)
    event = understood(made)
    assert (event["SUMMARY"], event["DESCRIPTION"]) == (summary, words)
    assert event["ORGANIZER"].params["CN"] == name
    lines = made.content.split(b"\r\n")
    assert lines.pop() == b""
    assert max(map(len, lines)) <= 75
    assert all(line.decode() for line in lines)  # no character is broken in two
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", made.content)


def test_a_name_with_quotes_stays_one_parameter() -> None:
    made = calendar(Event("x", DAY_OF_END, "a", "b"), Organizer('The "CA"; Japan', "a@ca.example.jp"), NOON)
    assert understood(made)["ORGANIZER"].params["CN"] == "The 'CA'; Japan"
