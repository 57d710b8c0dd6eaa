"""Mails that carry files."""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from ca_server.notices.attachment import Attachment
from ca_server.notices.mailer import Accepted, MaildirMailer, SmtpMailer, read_maildir
from ca_server.notices.messages import Messages, NoticeKind, Rendered
from tests.ca_server.notices.conftest import NOON
from tests.ca_server.notices.mail_servers import Desk, postbox

SHEET = Attachment(
    "F123456.xlsx",
    bytes(range(256)) * 40 + b"\r\n.\r\nFrom nobody\n",
    "application",
    "vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)
CALENDAR = Attachment(
    "renewal.ics",
    "BEGIN:VCALENDAR\r\nSUMMARY:証明書の更新\r\nEND:VCALENDAR\r\n".encode(),
    "text",
    "calendar",
    (("charset", "utf-8"), ("method", "PUBLISH")),
)


@pytest.fixture
def rendered(messages: Messages, facts: dict[str, object]) -> Rendered:
    return messages.render(NoticeKind.INVENTORY, "ja", facts)


def sent(messages: Messages, rendered: Rendered, *attachments: Attachment) -> bytes:
    return bytes(messages.compose(rendered, "hanako@bank.example", "0mail0", NOON, attachments))


def read(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def assert_carries(mail: EmailMessage, rendered: Rendered, *attachments: Attachment) -> None:
    text, *files = mail.iter_parts()
    assert mail.get_content_type() == "multipart/mixed"
    assert (text.get_content_type(), text["Content-Transfer-Encoding"]) == ("text/plain", "base64")
    assert text.get_content_charset() == "utf-8"
    assert text.get_payload(decode=True) == rendered.text.replace("\n", "\r\n").encode()
    assert [file.get_filename() for file in files] == [each.name for each in attachments]
    assert [file.get_payload(decode=True) for file in files] == [each.content for each in attachments]
    assert {file.get_content_disposition() for file in files} == {"attachment"}
    assert [part.defects for part in mail.walk()] == [[]] * (2 + len(attachments))


def test_the_text_comes_first_and_every_file_arrives_to_the_byte(messages: Messages, rendered: Rendered) -> None:
    raw = sent(messages, rendered, SHEET, CALENDAR)
    assert_carries(read(raw), rendered, SHEET, CALENDAR)
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_the_headers_are_those_of_the_mail_without_files(messages: Messages, rendered: Rendered) -> None:
    plain, full = (read(sent(messages, rendered, *files)) for files in ((), (SHEET,)))
    assert plain.get_content_type() == "text/plain"
    assert [(name, full[name]) for name in full if not name.startswith("Content-")] == [
        (name, plain[name]) for name in plain if not name.startswith("Content-")
    ]


def test_a_file_has_the_type_that_it_states(messages: Messages, rendered: Rendered) -> None:
    _, sheet, calendar = read(sent(messages, rendered, SHEET, CALENDAR)).iter_parts()
    assert sheet.get_content_type() == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert calendar["Content-Type"].params == {"charset": "utf-8", "method": "PUBLISH"}
    assert "証明書の更新" in calendar.get_content()


def test_another_try_is_the_same_to_the_byte_and_another_mail_has_another_boundary(
    messages: Messages, rendered: Rendered
) -> None:
    assert sent(messages, rendered, SHEET) == sent(messages, rendered, SHEET)
    other = messages.compose(rendered, "hanako@bank.example", "0mail1", NOON, (SHEET,))
    assert other.get_boundary() not in (None, read(sent(messages, rendered, SHEET)).get_boundary())


@pytest.mark.parametrize(
    "name",
    ["", "一覧.xlsx", "a b.xlsx", 'a".xlsx', "a\r\nBcc: c@d.jp", "a\0.xlsx", "../a.xlsx", "a/b", "-a", ".a", "a" * 101],
)
def test_a_file_name_that_mail_programs_could_misread_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="ASCII letters"):
        Attachment(name, b"", "application", "octet-stream")


async def test_a_mail_server_and_a_maildir_get_the_files_whole(
    messages: Messages, rendered: Rendered, tmp_path: Path
) -> None:
    mail, desk = messages.compose(rendered, "hanako@bank.example", "0mail0", NOON, (SHEET, CALENDAR)), Desk()
    async with postbox(desk, None) as port:
        assert await SmtpMailer("127.0.0.1", port, starttls=False).deliver(mail) == Accepted()
    assert await MaildirMailer(tmp_path).deliver(mail) == Accepted()
    for received in (read(desk.received[0]), *read_maildir(tmp_path)):
        assert_carries(received, rendered, SHEET, CALENDAR)
