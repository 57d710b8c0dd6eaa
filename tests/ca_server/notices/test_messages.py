"""What the mails say, and that no half of a credential travels with the other."""

import email
import email.policy
import re
from email.message import EmailMessage

import jinja2
import pytest

from ca_server.config import Operator
from ca_server.domain.attempts import Attempt
from ca_server.notices.mailer import octets
from ca_server.notices.messages import Messages, NoticeKind, Sender

URL = "https://ca.example.jp/e/5Z8XQ2M7RC4KD0TNVB9HJ3WEGS"
PASSWORD = "7K2QM-V9D4T-XHB06-ENRWS-3CJGA"
MOMENT = 1_795_435_200  # 2026-11-23 12:00:00 UTC
OPERATOR = Operator(
    "窓口", "03-0000-0000", "desk@ca.example.jp", "平日 9 時から", ("ca.example.jp",), "weekdays from 9"
)
FACTS: dict[str, object] = {
    "institution_name": "みどり銀行",
    "administrator": "山田 太郎",
    "cn": "F123456-001",
    "application": 7,
    "expires": MOMENT,
    "not_after": MOMENT,
    "wrong_passwords": 10,
    "reissued": True,
    "ended": False,
    "serial": "2914e32e",
    "fetched_at": MOMENT,
    "host_name": "PC-7",
    "agent": "warifu 0.1",
    "address": "192.0.2.7",
    "reason": "紛失",
    "revoked_at": MOMENT,
    "published_at": MOMENT + 2,
    "seconds_taken": 2,
    "serials": "2914e32e",
    "form": "DCM902",
    "cns": "",
    "return_reason": "印影が不鮮明です。",
    "withdrawal_reason": "申請者からのお申し出",
    "days_left": 7,
    "expired_at": MOMENT,
    "fresh_pair_until": MOMENT,
    "suspended_at": MOMENT,
    "held_until": None,
    "released_at": MOMENT,
    "incident": "紛失",
    "caller": "鈴木",
    "act": "suspended",
    "acted_at": MOMENT,
    "former": "山田 太郎",
    "successor": "鈴木 花子",
    "changed_at": MOMENT,
    "attempt": Attempt.OTHER_ADDRESS,
    "attempted_at": MOMENT,
    "made_at": MOMENT,
    "entries": 4711,
    "lines": ("ca.example.jp/audit", "4711"),
    "listed_at": MOMENT,
    "count": 2,
}
HALVES = {
    NoticeKind.ENROLMENT_URL: {"url": URL},
    NoticeKind.RENEWAL_URL: {"url": URL},
    NoticeKind.ENROLMENT_PASSWORD: {"password": PASSWORD},
    NoticeKind.RENEWAL_PASSWORD: {"password": PASSWORD},
}
EVERY = [(kind, language) for kind in NoticeKind for language in ("ja", "en")]


@pytest.fixture(scope="module")
def messages() -> Messages:
    return Messages(Sender("例の局", "no-reply@ca.example.jp"), OPERATOR)


def mail(messages: Messages, kind: NoticeKind, language: str) -> EmailMessage:
    rendered = messages.render(kind, language, FACTS | HALVES.get(kind, {}))
    return messages.compose(rendered, "yamada@midori.example", "m1", MOMENT)


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_every_notice_can_be_rendered_in_both_languages_and_says_whom_to_call(
    messages: Messages, kind: NoticeKind, language: str
) -> None:
    rendered = messages.render(kind, language, FACTS | HALVES.get(kind, {}))
    assert rendered.subject
    assert "{" not in rendered.text
    assert kind is NoticeKind.CHECKPOINT or "みどり銀行" in rendered.text
    assert "03-0000-0000" in rendered.text


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_a_mail_is_stored_byte_for_byte_as_the_library_would_write_it(
    messages: Messages, kind: NoticeKind, language: str
) -> None:
    made = mail(messages, kind, language)
    assert octets(made) == bytes(made)


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_a_notice_that_carries_one_half_cannot_carry_the_other(
    messages: Messages, kind: NoticeKind, language: str
) -> None:
    both = FACTS | {"url": URL, "password": PASSWORD}
    text = messages.render(kind, language, both).text
    assert not (URL in text and PASSWORD in text)
    assert (URL in text, PASSWORD in text) == ("url" in HALVES.get(kind, {}), "password" in HALVES.get(kind, {}))


@pytest.mark.parametrize("kind", [NoticeKind.ENROLMENT_URL, NoticeKind.RENEWAL_URL])
@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_url_stands_alone_on_an_unfolded_line_of_the_mail_as_sent(
    messages: Messages, kind: NoticeKind, language: str
) -> None:
    sent = bytes(mail(messages, kind, language))
    read = email.message_from_bytes(sent, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    assert URL in read.get_content().splitlines()
    assert max(len(line) for line in sent.split(b"\r\n")) <= 998


def test_a_mail_says_that_a_machine_sent_it_and_which_one_it_is(messages: Messages) -> None:
    sent = mail(messages, NoticeKind.FETCHED, "ja")
    assert sent["Auto-Submitted"] == "auto-generated"
    assert sent["Message-ID"] == "<m1@ca.example.jp>"
    assert (sent["X-Warifu-Notice"], sent["X-Warifu-CN"]) == ("fetched", "F123456-001")


def test_a_template_that_lacks_a_fact_fails_rather_than_sending_a_gap(messages: Messages) -> None:
    with pytest.raises(jinja2.UndefinedError):
        messages.render(NoticeKind.ENROLMENT_URL, "ja", FACTS)


def test_a_day_is_a_day_of_japan(messages: Messages) -> None:
    late = FACTS | {"url": URL, "expires": MOMENT + 4 * 3600}  # 16:00 UTC is the next day in Tokyo
    assert "2026年11月24日" in messages.render(NoticeKind.ENROLMENT_URL, "ja", late).text
    assert "24 November 2026" in messages.render(NoticeKind.ENROLMENT_URL, "en", late).text


def test_the_first_mail_names_the_domains_to_let_through(messages: Messages) -> None:
    text = messages.render(NoticeKind.ENROLMENT_URL, "ja", FACTS | {"url": URL}).text
    assert re.search(r"^・ca\.example\.jp$", text, re.MULTILINE)
