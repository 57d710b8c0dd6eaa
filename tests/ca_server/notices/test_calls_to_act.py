"""What mails ask their readers to do, and what they never tell."""

import email
import email.policy
import re

import jinja2
import pytest

from ca_server.domain.attempts import Attempt
from ca_server.notices.messages import CN_HEADER, Messages, NoticeKind
from tests.ca_server.notices.conftest import NOON, PASSWORD, URL

LANGUAGES = ("ja", "en")
BY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)
FORM_KINDS = (NoticeKind.RECEIVED, NoticeKind.RETURNED, NoticeKind.WITHDRAWN)
DAY = 86_400

Facts = dict[str, object]


def flat(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize("kind", FORM_KINDS)
@BY_LANGUAGE
def test_ten_cns_of_a_form_stand_in_lines_that_fit(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str
) -> None:
    cns = [f"F123456-{number:03}" for number in range(1, 11)]
    text = messages.render(kind, language, facts | {"cns": ", ".join(cns)}).text
    assert f"CN: {', '.join(cns)}" in flat(text)
    assert max(len(line) for line in text.splitlines() if "F123456" in line) <= 80


@pytest.mark.parametrize("kind", FORM_KINDS)
@BY_LANGUAGE
def test_a_form_that_names_no_cn_has_no_line_of_cns(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str
) -> None:
    assert "CN:" not in messages.render(kind, language, facts | {"cns": ""}).text


@BY_LANGUAGE
def test_a_withdrawal_gives_its_reason(messages: Messages, facts: Facts, language: str) -> None:
    assert "\n申請者からのお申し出\n" in messages.render(NoticeKind.WITHDRAWN, language, facts).text


@BY_LANGUAGE
def test_a_reminder_calls_the_mails_of_both_halves_by_their_subjects_and_holds_neither(
    messages: Messages, facts: Facts, language: str
) -> None:
    text = messages.render(NoticeKind.RENEWAL_REMINDER, language, facts).text
    for kind in (NoticeKind.RENEWAL_URL, NoticeKind.RENEWAL_PASSWORD):
        title = re.split(r" ?[（(]F", messages.render(kind, language, facts).subject)[0]
        assert title in flat(text)
    assert URL not in text
    assert PASSWORD not in text


@pytest.mark.parametrize(
    ("days", "japanese", "english"),
    [(14, "残り 14 日", ": 14 days are left"), (1, "残り 1 日", ": 1 day is left")],
)
def test_a_reminder_counts_the_days(messages: Messages, facts: Facts, days: int, japanese: str, english: str) -> None:
    left = facts | {"days_left": days}
    assert japanese in messages.render(NoticeKind.RENEWAL_REMINDER, "ja", left).text
    assert english in messages.render(NoticeKind.RENEWAL_REMINDER, "en", left).text


@pytest.mark.parametrize(
    ("language", "expired", "until"),
    [
        ("ja", "URL の有効期限: 2026年11月23日 12:00", "ご連絡の期限: 2027年5月22日 12:00"),
        ("en", "The URL expired: 23 November 2026, 12:00", "Please contact us by: 22 May 2027, 12:00"),
    ],
)
def test_an_expiry_says_until_when_a_fresh_pair_can_be_had_and_which_forms_come_after(
    messages: Messages, facts: Facts, language: str, expired: str, until: str
) -> None:
    text = messages.render(NoticeKind.EXPIRED_UNUSED, language, facts).text
    assert all(said in text for said in (expired, until, "DCM902", "DCM904"))


@pytest.mark.parametrize(
    ("language", "until", "ever", "warning"),
    [
        (
            "ja",
            "一時停止の期間: 2026年11月26日 12:00（日本時間）まで\n",
            "申請書により失効させるまで\n",
            "一時停止は解除され",
        ),
        (
            "en",
            "On hold: until 26 November 2026, 12:00 JST\n",
            "until it is revoked on your application\n",
            "hold ends",
        ),
    ],
)
def test_a_suspension_says_how_long_it_lasts_and_warns_when_it_ends_by_itself(
    messages: Messages, facts: Facts, language: str, until: str, ever: str, warning: str
) -> None:
    ending = messages.render(NoticeKind.SUSPENDED, language, facts).text
    lasting = messages.render(NoticeKind.SUSPENDED, language, facts | {"held_until": None}).text
    assert (until in ending, ever in ending, warning in ending) == (True, False, True)
    assert (until in lasting, ever in lasting, warning in lasting) == (False, True, False)
    assert all(form in ending and form in lasting for form in ("DCM903", "DCM904"))


@pytest.mark.parametrize(("language", "label"), [("ja", "ご連絡元"), ("en", "Reported by")])
def test_a_suspension_names_the_caller_if_there_was_one(
    messages: Messages, facts: Facts, language: str, label: str
) -> None:
    assert f"{label}: 鈴木 次郎\n" in messages.render(NoticeKind.SUSPENDED, language, facts).text
    assert label not in messages.render(NoticeKind.SUSPENDED, language, facts | {"caller": None}).text


@pytest.mark.parametrize(
    ("language", "act", "said", "released"),
    [
        ("ja", "revoked", "失効の日時: 2026年11月23日", False),
        ("ja", "suspended", "一時停止の日時: 2026年11月23日", True),
        ("en", "revoked", "Revoked: 23 November 2026", False),
        ("en", "suspended", "Suspended: 23 November 2026", True),
    ],
)
def test_a_form_owed_is_asked_for_by_what_was_done_and_only_a_suspension_can_be_released(
    messages: Messages, facts: Facts, language: str, act: str, said: str, released: bool
) -> None:
    text = messages.render(NoticeKind.FORM_OWED, language, facts | {"act": act}).text
    assert all(each in text for each in (said, "盗難", "鈴木 次郎", "DCM903", "DCM904"))
    assert (("解除いたします" if language == "ja" else "will release it") in text) == released


@BY_LANGUAGE
def test_a_form_owed_for_an_act_without_words_is_not_asked_for(messages: Messages, facts: Facts, language: str) -> None:
    with pytest.raises(jinja2.UndefinedError):
        messages.render(NoticeKind.FORM_OWED, language, facts | {"act": "lapsed"})


@pytest.mark.parametrize(
    ("language", "unchanged", "call"),
    [
        ("ja", "まだ何も変更しておりません", "お電話ください"),
        ("en", "Nothing has been changed yet", "telephone us at once"),
    ],
)
def test_the_old_administrator_learns_who_shall_follow_but_no_new_address(
    messages: Messages, facts: Facts, language: str, unchanged: str, call: str
) -> None:
    hostile = facts | {"successor": "鈴木 suzuki@new.example http://new.example/", "email": "suzuki@new.example"}
    text = messages.render(NoticeKind.CHANGE_RECEIVED, language, hostile).text
    assert all(said in flat(text) for said in ("鈴木", "DCM905", unchanged, call))
    assert re.findall(r"\S+@\S+", text) == ["desk@ca.example.jp"]
    assert "http://new" not in text


@pytest.mark.parametrize(("language", "moved"), [("ja", "変更後のメールアドレスへ"), ("en", "go to the address after")])
def test_a_change_names_both_administrators_and_says_where_mails_go_now(
    messages: Messages, facts: Facts, language: str, moved: str
) -> None:
    text = messages.render(NoticeKind.CHANGED, language, facts | {"former": "山田 太郎"}).text
    assert all(said in text for said in ("山田 太郎", "鈴木 次郎", "4711", moved))


@BY_LANGUAGE
def test_each_attempt_is_told_in_words_of_its_own(messages: Messages, facts: Facts, language: str) -> None:
    texts = {messages.render(NoticeKind.ATTEMPT, language, facts | {"attempt": word}).text for word in Attempt}
    assert len(texts) == len(Attempt)
    nothing_changed = "変更はありません" if language == "ja" else "registration was changed"
    assert all(nothing_changed in text for text in texts)


@pytest.mark.parametrize("word", ["", "guessed", "../ja/fetched"])
def test_an_attempt_without_words_is_not_told(messages: Messages, facts: Facts, word: str) -> None:
    with pytest.raises(jinja2.TemplateNotFound):
        messages.render(NoticeKind.ATTEMPT, "ja", facts | {"attempt": word})


@BY_LANGUAGE
def test_an_attempt_names_the_cn_that_it_aimed_at_if_any(messages: Messages, facts: Facts, language: str) -> None:
    aimed = messages.render(NoticeKind.ATTEMPT, language, facts)
    aimless = messages.render(NoticeKind.ATTEMPT, language, facts | {"cn": None})
    assert "CN: F123456-001\n" in aimed.text
    assert "CN:" not in aimless.text
    assert CN_HEADER not in messages.compose(aimless, "hanako@bank.example", "0mail0", NOON)


@pytest.mark.parametrize(("language", "said"), [("ja", "CN の件数: 12 件"), ("en", "CNs: 12")])
def test_an_inventory_says_how_many_cns_it_lists(messages: Messages, facts: Facts, language: str, said: str) -> None:
    assert said in messages.render(NoticeKind.INVENTORY, language, facts).text


@pytest.mark.parametrize(("language", "unknown"), [("ja", "不明"), ("en", "unknown")])
def test_an_exchanged_key_is_told_with_what_is_known_of_the_pc(
    messages: Messages, facts: Facts, language: str, unknown: str
) -> None:
    known = messages.render(NoticeKind.KEY_CHANGED, language, facts).text
    bare = messages.render(NoticeKind.KEY_CHANGED, language, facts | {"host_name": None, "address": None}).text
    assert "KEIRI-PC07" in known
    assert "192.0.2.7" in known
    assert bare.count(unknown) == 2


@pytest.mark.parametrize("kind", [NoticeKind.ATTEMPT, NoticeKind.INVENTORY])
@BY_LANGUAGE
@pytest.mark.parametrize("breaker", ["\n", "\r\n", "\0", "\u2028", "\u202e"])
def test_a_name_in_a_subject_cannot_add_a_header(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str, breaker: str
) -> None:
    name = f'割符{breaker}Bcc: thief@example.com, "<銀行>"; {"長" * 150}'
    rendered = messages.render(kind, language, facts | {"institution_name": name})
    raw = bytes(messages.compose(rendered, "hanako@bank.example", "0mail0", NOON))
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert "割符\N{REPLACEMENT CHARACTER}" in rendered.subject
    assert mail["Subject"] == rendered.subject
    assert mail["Bcc"] is None
    assert mail["To"] == "hanako@bank.example"
    assert max(map(len, raw.split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    ("kind", "fact"),
    [
        (NoticeKind.SUSPENDED, "caller"),
        (NoticeKind.FORM_OWED, "caller"),
        (NoticeKind.CHANGE_RECEIVED, "successor"),
        (NoticeKind.CHANGED, "successor"),
        (NoticeKind.KEY_CHANGED, "host_name"),
    ],
)
@BY_LANGUAGE
def test_what_strangers_state_makes_no_link_no_line_and_no_essay(
    messages: Messages, facts: Facts, kind: NoticeKind, fact: str, language: str
) -> None:
    hostile = facts | {fact: "x\r\n\r\nhttps://thief.example/ a@thief.example " + "y" * 190}
    text = messages.render(kind, language, hostile).text
    assert len(text.splitlines()) == len(messages.render(kind, language, facts).text.splitlines())
    assert "https://thief" not in text
    assert "a@thief" not in text
    assert "y" * 80 not in text
