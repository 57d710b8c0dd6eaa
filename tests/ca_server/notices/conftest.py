"""An operator, the facts of one seat, and a mail made of them."""

from collections.abc import Callable
from email.message import Message

import pytest

from ca_server.config import Operator
from ca_server.domain.attempts import Attempt
from ca_server.notices.messages import Messages, NoticeKind, Sender

URL = "https://ca.example.jp/e/5Z8XQ2M7RC4KD0TNVB9HJ3WEGS"
PASSWORD = "7K2QM-V9D4T-XHB06-ENRWS-3CJGA"
NOON = 1_795_402_800  # 2026-11-23 12:00 in Tokyo, 03:00 UTC


@pytest.fixture
def sender() -> Sender:
    return Sender(
        "割符試験認証局", "notice@ca.example.jp", "https://ca.example.jp/repository", "https://ca.example.jp/cps"
    )


@pytest.fixture
def operator() -> Operator:
    return Operator(
        contact_name="証明書窓口",
        telephone="03-5555-0100",
        mail="desk@ca.example.jp",
        hours="平日 9:00〜17:00",
        sender_domains=("ca.example.jp", "bounce.example.jp"),
        hours_en="9:00 to 17:00 JST, working days",
        privacy_url="https://ca.example.jp/privacy",
    )


@pytest.fixture
def messages(sender: Sender, operator: Operator) -> Messages:
    return Messages(sender, operator)


@pytest.fixture
def facts() -> dict[str, object]:
    """The facts of every kind at once, both halves of the credential included."""
    return {
        "institution_name": "割符銀行",
        "administrator": "山田 花子",
        "cn": "F123456-001",
        "application": 4711,
        "url": URL,
        "password": PASSWORD,
        "expires": NOON + 30 * 86_400,
        "wrong_passwords": 10,
        "reissued": True,
        "ended": False,
        "not_after": NOON + 29 * 86_400,
        "serial": "d1ff1e5eed",
        "fetched_at": NOON,
        "host_name": "KEIRI-PC07",
        "agent": "warifu/0.1",
        "address": "192.0.2.7",
        "serials": "d1ff1e5eed",
        "reason": "superseded",
        "revoked_at": NOON,
        "published_at": NOON + 12,
        "seconds_taken": 12,
        "form": "DCM904",
        "cns": "F123456-001, F123456-002",
        "return_reason": "CN を確認できません。",
        "withdrawal_reason": "申請者からのお申し出",
        "days_left": 7,
        "expired_at": NOON,
        "fresh_pair_until": NOON + 180 * 86_400,
        "suspended_at": NOON,
        "held_until": NOON + 3 * 86_400,
        "released_at": NOON,
        "incident": "盗難",
        "caller": "鈴木 次郎",
        "act": "suspended",
        "acted_at": NOON,
        "former": "山田 花子",
        "successor": "鈴木 次郎",
        "changed_at": NOON,
        "attempt": Attempt.FOREIGN_CN,
        "attempted_at": NOON,
        "listed_at": NOON,
        "count": 12,
        "made_at": NOON,
        "entries": 4711,
        "lines": ("ca.example.jp/audit", "4711", "root"),
    }


@pytest.fixture
def mail(messages: Messages, facts: dict[str, object]) -> Message:
    """The mail with the one-time URL."""
    return messages.compose(
        messages.render(NoticeKind.ENROLMENT_URL, "ja", facts), "hanako@bank.example", "0mail0", NOON
    )


@pytest.fixture
def mail_of(messages: Messages, facts: dict[str, object]) -> Callable[[str, int], Message]:
    """Makes a mail with an id and a date."""

    def compose(message_id: str, date: int) -> Message:
        rendered = messages.render(NoticeKind.FETCHED, "ja", facts)
        return messages.compose(rendered, "hanako@bank.example", message_id, date)

    return compose
