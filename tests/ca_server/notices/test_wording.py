"""What the notices say, to whom the halves of a credential go, and how a mail is put together."""

import base64
import email
import email.policy
import shutil
from email.message import EmailMessage, Message
from pathlib import Path

import jinja2
import jinja2.meta
import pytest

from ca_server.domain.attempts import Attempt
from ca_server.domain.mail_address import UnsafeAddress
from ca_server.notices import messages as wording
from ca_server.notices.messages import CN_HEADER, FACTS, KIND_HEADER, Messages, NoticeKind, Sender
from tests.ca_server.notices.conftest import NOON, PASSWORD, URL

LANGUAGES = ("ja", "en")
URL_KINDS = (NoticeKind.ENROLMENT_URL, NoticeKind.RENEWAL_URL)
PASSWORD_KINDS = (NoticeKind.ENROLMENT_PASSWORD, NoticeKind.RENEWAL_PASSWORD)
SEAT_KINDS = (
    *URL_KINDS,
    *PASSWORD_KINDS,
    NoticeKind.FETCHED,
    NoticeKind.REVOKED,
    NoticeKind.RENEWAL_REMINDER,
    NoticeKind.EXPIRED_UNUSED,
    NoticeKind.SUSPENDED,
    NoticeKind.RELEASED,
    NoticeKind.FORM_OWED,
    NoticeKind.KEY_CHANGED,
)
INSTITUTION_KINDS = (NoticeKind.ATTEMPT, NoticeKind.INVENTORY)
UNKNOWN = {kind: {"application"} for kind in SEAT_KINDS} | {
    NoticeKind.FETCHED: {"application", "host_name", "agent", "address"},
    NoticeKind.SUSPENDED: {"application", "caller", "held_until"},
    NoticeKind.ATTEMPT: {"cn"},
    NoticeKind.KEY_CHANGED: {"application", "host_name", "address"},
}
EVERY_NOTICE = [(kind, language) for kind in NoticeKind for language in LANGUAGES]
TEMPLATES = Path(wording.__file__).parent / "templates"

Facts = dict[str, object]


def asked_for(name: str) -> set[str]:
    """Return the variables of a template and of all that it includes."""
    environment = jinja2.Environment(autoescape=False, extensions=[])
    environment.filters |= dict.fromkeys(("day", "moment", "duration", "form_name"), str)
    tree = environment.parse((TEMPLATES / name).read_text("utf-8"))
    included: set[str] = set()
    for each in jinja2.meta.find_referenced_templates(tree):  # None is the one that the attempt chooses
        included |= {f"{name[:2]}/_attempt-{word}.txt" for word in Attempt} if each is None else {each}
    return jinja2.meta.find_undeclared_variables(tree).union(*map(asked_for, included))


@pytest.mark.parametrize(("kind", "language"), EVERY_NOTICE)
def test_a_url_and_a_password_never_meet_in_one_mail(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str
) -> None:
    rendered = messages.render(kind, language, facts)
    whole = rendered.subject + rendered.text
    assert (URL in whole) == (kind in URL_KINDS)
    assert (PASSWORD in whole) == (kind in PASSWORD_KINDS)
    assert not (URL in whole and PASSWORD in whole)


@pytest.mark.parametrize(("kind", "language"), EVERY_NOTICE)
def test_a_template_asks_for_the_facts_of_its_kind_all_of_them_and_no_others(kind: NoticeKind, language: str) -> None:
    assert asked_for(f"{language}/{kind}.txt") - {"operator"} == FACTS[kind]


@pytest.mark.parametrize("kind", PASSWORD_KINDS)
def test_a_password_template_that_asks_for_the_url_sends_nothing(
    sender: Sender,
    operator: wording.Operator,
    facts: Facts,
    kind: NoticeKind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    (tmp_path / "templates" / "ja" / f"{kind}.txt").write_text("件名\n{{ password }}\n{{ url }}\n", "utf-8")
    monkeypatch.setattr(wording, "_TEMPLATES", tmp_path / "templates")
    with pytest.raises(jinja2.UndefinedError, match="url"):
        Messages(sender, operator).render(kind, "ja", facts)


@pytest.mark.parametrize(("kind", "language"), EVERY_NOTICE)
def test_every_notice_names_its_addressee_and_whom_to_ask(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str
) -> None:
    text = messages.render(kind, language, facts).text
    hours = "平日 9:00〜17:00" if language == "ja" else "9:00 to 17:00 JST, working days"
    addressee = (
        ("監査人" if language == "ja" else "auditor",) if kind is NoticeKind.CHECKPOINT else ("割符銀行", "山田 花子")
    )
    for said in (*addressee, "割符試験認証局", "証明書窓口", "03-5555-0100", "desk@ca.example.jp", hours):
        assert said in text
    assert "https://ca.example.jp/repository" in text
    assert "https://ca.example.jp/cps" in text
    assert "https://ca.example.jp/privacy" in text


@pytest.mark.parametrize(("kind", "language"), EVERY_NOTICE)
def test_a_subject_tells_ten_notices_of_one_kind_apart(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str
) -> None:
    subject = messages.render(kind, language, facts).subject
    telling = "F123456-001" if kind in SEAT_KINDS else "割符銀行" if kind in INSTITUTION_KINDS else "4711"
    assert telling in subject


@pytest.mark.parametrize(("kind", "language"), EVERY_NOTICE)
def test_lines_fit_a_mail_window_and_blank_lines_come_singly(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str
) -> None:
    text = messages.render(kind, language, facts).text
    widths = [sum(1 if character.isascii() else 2 for character in line) for line in text.splitlines()]
    assert max(widths) <= 80
    assert "\n\n\n" not in text
    assert not text.startswith("\n")
    assert text.endswith("\n")
    assert "{" not in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [*URL_KINDS, *PASSWORD_KINDS])
def test_a_half_of_a_credential_stands_alone_on_its_line_with_cn_number_and_expiry(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str
) -> None:
    text = messages.render(kind, language, facts).text
    lines = text.splitlines()
    place = lines.index(URL if kind in URL_KINDS else PASSWORD)
    assert lines[place - 1] == lines[place + 1] == ""
    assert "CN: F123456-001" in lines
    assert ("受付番号: 4711" if language == "ja" else "Application number: 4711") in lines
    assert ("2026年12月23日 12:00（日本時間）" if language == "ja" else "23 December 2026, 12:00 JST") in text


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("ja", ("別のメール", "必ず", "別のパソコンへ移すことはできません", "開いただけでは、使用済みになりません")),
        ("en", ("separate mail", "Open the URL on the PC", "cannot\n  be moved", "Opening the URL uses nothing up")),
    ],
)
@pytest.mark.parametrize("kind", URL_KINDS)
def test_the_url_mail_says_where_to_open_it_that_looking_is_free_and_that_the_password_follows(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str, sentences: tuple[str, ...]
) -> None:
    text = messages.render(kind, language, facts).text
    assert all(sentence in text for sentence in sentences)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("url_kind", "password_kind"), list(zip(URL_KINDS, PASSWORD_KINDS, strict=True)))
def test_each_half_calls_the_mail_of_the_other_by_its_subject(
    messages: Messages, facts: Facts, url_kind: NoticeKind, password_kind: NoticeKind, language: str
) -> None:
    url, password = (messages.render(kind, language, facts) for kind in (url_kind, password_kind))
    for here, there in ((url, password), (password, url)):
        title = there.subject.rstrip("）)").replace("（", "(").removesuffix("(F123456-001").strip()
        assert title in " ".join(here.text.split())


@pytest.mark.parametrize(
    ("language", "sentence"), [("ja", "パスワードを 7 回誤ると"), ("en", "After 7 wrong passwords")]
)
@pytest.mark.parametrize("kind", PASSWORD_KINDS)
def test_the_password_mail_says_after_how_many_wrong_ones_the_url_is_locked(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str, sentence: str
) -> None:
    assert sentence in messages.render(kind, language, facts | {"wrong_passwords": 7}).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [NoticeKind.RECEIVED, NoticeKind.ENROLMENT_URL, NoticeKind.CHANGED])
def test_the_first_mails_name_the_sender_and_the_domains_to_let_in(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str
) -> None:
    lines = messages.render(kind, language, facts).text.splitlines()
    assert {line[1:].strip() for line in lines} >= {"ca.example.jp", "bounce.example.jp"}
    assert any("notice@ca.example.jp" in line for line in lines)


@pytest.mark.parametrize(
    ("language", "promise"), [("ja", "有効期間の満了後も"), ("en", "You can renew after that end as well")]
)
def test_renewal_after_the_end_is_promised_only_by_a_url_that_lives_so_long(
    messages: Messages, facts: Facts, language: str, promise: str
) -> None:
    longer = facts | {"not_after": NOON, "expires": NOON + 1}
    shorter = facts | {"not_after": NOON, "expires": NOON}
    assert promise in messages.render(NoticeKind.RENEWAL_URL, language, longer).text
    assert promise not in messages.render(NoticeKind.RENEWAL_URL, language, shorter).text


@pytest.mark.parametrize(("language", "unknown"), [("ja", "不明"), ("en", "unknown")])
def test_a_fetch_says_when_and_by_what_and_admits_what_is_not_known(
    messages: Messages, facts: Facts, language: str, unknown: str
) -> None:
    told = messages.render(NoticeKind.FETCHED, language, facts).text
    assert all(said in told for said in ("d1ff1e5eed", "KEIRI-PC07", "warifu/0.1", "192.0.2.7"))
    bare = facts | {"host_name": None, "agent": "", "address": None}
    assert messages.render(NoticeKind.FETCHED, language, bare).text.count(unknown) == 3


def test_what_a_pc_says_of_itself_makes_no_link_no_line_and_no_essay(messages: Messages, facts: Facts) -> None:
    hostile = facts | {"host_name": "PC\r\n\r\n窓口: https://thief.example/", "agent": "a@thief.example " + "x" * 190}
    honest = messages.render(NoticeKind.FETCHED, "ja", facts).text
    text = messages.render(NoticeKind.FETCHED, "ja", hostile).text
    assert len(text.splitlines()) == len(honest.splitlines())
    assert "https://thief" not in text
    assert "a@thief" not in text
    assert "x" * 80 not in text


@pytest.mark.parametrize("breaker", ["\n", "\r\n", "\0", "\x1b", "\u2028", "\u2029", "\u202e", "\u200b"])
def test_a_name_cannot_add_a_line_or_turn_the_text(messages: Messages, facts: Facts, breaker: str) -> None:
    text = messages.render(NoticeKind.RETURNED, "ja", facts | {"institution_name": f"割符{breaker}銀行"}).text
    assert breaker not in text.partition("様")[0].rstrip("\n").replace("\n山田", "")
    assert text.splitlines()[0].startswith("割符\N{REPLACEMENT CHARACTER}")


def test_an_ideographic_blank_and_a_rare_form_of_a_character_stay_in_a_name(messages: Messages, facts: Facts) -> None:
    name = "葛\N{VARIATION SELECTOR-17}城　花子"
    assert f"{name} 様" in messages.render(NoticeKind.RETURNED, "ja", facts | {"administrator": name}).text


@pytest.mark.parametrize(
    ("seconds", "japanese", "english"),
    [(0, "0 秒", "0 seconds"), (120, "120 秒", "120 seconds"), (121, "約 3 分", "about 3 minutes")],
)
def test_a_revocation_says_how_long_it_took(
    messages: Messages, facts: Facts, seconds: int, japanese: str, english: str
) -> None:
    took = facts | {"seconds_taken": seconds}
    assert f"、失効から {japanese}\n" in messages.render(NoticeKind.REVOKED, "ja", took).text
    assert f", {english} after the revocation\n" in messages.render(NoticeKind.REVOKED, "en", took).text


def test_a_revocation_on_a_call_has_no_application_number_and_maybe_no_certificate(
    messages: Messages, facts: Facts
) -> None:
    text = messages.render(NoticeKind.REVOKED, "ja", facts | {"application": None, "serials": ""}).text
    assert "受付番号" not in text
    assert "なし（証明書の取得前）" in text


@pytest.mark.parametrize("form", ["DCM902", "DCM903", "DCM904", "DCM905"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_form_is_called_by_its_name(messages: Messages, facts: Facts, form: str, language: str) -> None:
    for kind in (NoticeKind.RECEIVED, NoticeKind.RETURNED, NoticeKind.WITHDRAWN):
        assert form in messages.render(kind, language, facts | {"form": form}).text


def test_a_return_gives_the_reason(messages: Messages, facts: Facts) -> None:
    assert "\nCN を確認できません。\n" in messages.render(NoticeKind.RETURNED, "ja", facts).text


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_without_one_of_its_facts_is_not_made(messages: Messages, facts: Facts, kind: NoticeKind) -> None:
    for name in FACTS[kind] - UNKNOWN.get(kind, set()):
        for absent in ({key: value for key, value in facts.items() if key != name}, facts | {name: None}):
            with pytest.raises(jinja2.UndefinedError, match=f"needs {name}"):
                messages.render(kind, "ja", absent)


@pytest.mark.parametrize(("kind", "language"), EVERY_NOTICE)
def test_what_may_be_unknown_is_never_called_none(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str
) -> None:
    unknown = dict.fromkeys(UNKNOWN.get(kind, ()))
    assert "None" not in messages.render(kind, language, facts | unknown).text


@pytest.mark.parametrize("kind", SEAT_KINDS)
@pytest.mark.parametrize(("language", "said"), [("ja", "受付番号: 4711"), ("en", "Application number: 4711")])
def test_a_mail_about_a_cn_gives_cn_and_application_number(
    messages: Messages, facts: Facts, kind: NoticeKind, language: str, said: str
) -> None:
    lines = messages.render(kind, language, facts).text.splitlines()
    assert said in lines
    assert "CN: F123456-001" in lines


def test_a_rendered_notice_shows_no_half_in_a_log(messages: Messages, facts: Facts) -> None:
    for kind in (*URL_KINDS, *PASSWORD_KINDS):
        shown = repr(messages.render(kind, "ja", facts))
        assert URL not in shown
        assert PASSWORD not in shown


def parsed(mail: Message) -> EmailMessage:
    return email.message_from_bytes(bytes(mail), policy=email.policy.default)


@pytest.mark.parametrize(("kind", "language"), EVERY_NOTICE)
def test_a_mail_reads_back_as_it_was_written(messages: Messages, facts: Facts, kind: NoticeKind, language: str) -> None:
    rendered = messages.render(kind, language, facts)
    read = parsed(messages.compose(rendered, "hanako@bank.example", "0mail0", NOON))
    assert read.defects == []
    assert read["Subject"] == rendered.subject
    body = read.get_body()
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == rendered.text
    assert body.get_content_type() == "text/plain"
    assert read["From"].addresses[0].display_name == "割符試験認証局"
    assert read["From"].addresses[0].addr_spec == "notice@ca.example.jp"
    assert [each.addr_spec for each in read["To"].addresses] == ["hanako@bank.example"]
    assert read["Message-ID"] == "<0mail0@ca.example.jp>"
    assert read["Date"].datetime.timestamp() == NOON
    assert read["Auto-Submitted"] == "auto-generated"
    assert read[KIND_HEADER] == kind
    assert read[CN_HEADER] == ("F123456-001" if kind in (*SEAT_KINDS, NoticeKind.ATTEMPT) else None)


@pytest.mark.parametrize("url", [URL, "https://" + "very-long-name." * 60 + "example/e/5Z8XQ2M7RC4KD0TNVB9HJ3WEGS"])
def test_on_the_wire_the_url_is_one_whole_line_and_no_line_is_long_enough_to_be_folded(
    messages: Messages, facts: Facts, url: str
) -> None:
    rendered = messages.render(NoticeKind.ENROLMENT_URL, "ja", facts | {"url": url})
    raw = bytes(messages.compose(rendered, "hanako@bank.example", "0mail0", NOON))
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    _, _, body = raw.partition(b"\r\n\r\n")
    assert b"\r\n\r\n" + url.encode() + b"\r\n\r\n" in base64.b64decode(body)


def test_the_same_mail_tried_again_is_the_same_to_the_byte(messages: Messages, facts: Facts) -> None:
    first, second = (
        bytes(messages.compose(messages.render(NoticeKind.FETCHED, "ja", facts), "a@bank.example", "0mail0", NOON))
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    "name",
    ["Warifu Co., Ltd.", 'The "Tally"', "割符, 株式会社", "a <b@c.example>", "割" * 64, "O'Neill; (x) [y] \\ : @"],
)
def test_a_senders_name_stays_a_name(operator: wording.Operator, facts: Facts, name: str) -> None:
    messages = Messages(Sender(name, "notice@ca.example.jp"), operator)
    mail = messages.compose(messages.render(NoticeKind.FETCHED, "ja", facts), "a@bank.example", "0mail0", NOON)
    (only,) = parsed(mail)["From"].addresses
    # Blanks are not compared: Python's parser puts one between the encoded words of a long name (RFC 2047 §6.2).
    assert only.display_name.replace(" ", "") == name.replace(" ", "")
    assert only.addr_spec == "notice@ca.example.jp"


def test_a_long_domain_leaves_the_message_id_whole(operator: wording.Operator, facts: Facts) -> None:
    domain = f"{'a' * 60}.{'b' * 60}.example"
    messages = Messages(Sender("割符", f"notice@{domain}"), operator)
    mail = messages.compose(messages.render(NoticeKind.FETCHED, "ja", facts), "a@bank.example", "0" * 26, NOON)
    assert parsed(mail)["Message-ID"] == f"<{'0' * 26}@{domain}>"


@pytest.mark.parametrize("name", ["", "割符\r\nBcc: thief@example.com", "割符\0", "割符\u2028", "割符\u202e"])
def test_a_senders_name_with_control_characters_stops_the_start(name: str) -> None:
    with pytest.raises(ValueError, match="control"):
        Sender(name, "notice@ca.example.jp")


def test_a_mail_goes_to_a_safe_address_only(messages: Messages, facts: Facts) -> None:
    rendered = messages.render(NoticeKind.ENROLMENT_URL, "ja", facts)
    with pytest.raises(UnsafeAddress):
        messages.compose(rendered, "hanako@bank.example,thief@example.com", "0mail0", NOON)
