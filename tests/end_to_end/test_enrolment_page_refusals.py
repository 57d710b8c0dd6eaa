"""Each refusal of the enrolment page says what happened, what to do and whom to call, and what the help desk needs."""

import re
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.end_to_end.agency import OFFICERS, Agency, Invitation
from tests.end_to_end.browser import Browsers, Home
from tests.end_to_end.person import Person
from tests.end_to_end.seat_records import expire, failures

OTHER_PASSWORD = "7K2QM-V9D4T-XHB06-ENRWS-3CJGA"
_LOCKING = 10


def test_a_wrong_password_tells_the_tries_left_and_the_tenth_locks(agency: Agency, person: Person) -> None:
    person.opens()
    for left in range(_LOCKING - 1, 0, -1):
        person.types_password(OTHER_PASSWORD)
        expect(person.page.locator("#password-hint")).to_contain_text(f"あと {left} 回間違えると")
    assert failures(agency, person.invitation) == _LOCKING - 1
    person.types_password(OTHER_PASSWORD)
    assert_refused(person, "URL がロックされています", "解除が必要です")
    person.opens().types_password()
    assert_refused(person, "URL がロックされています", "解除が必要です")
    agency.ca("helpdesk", "unlock", person.invitation.cn, "--institution-name", "みどり銀行", "--officer", OFFICERS[0])
    person.opens().types_password()
    person.sees("confirm")


def test_an_expired_url_can_be_had_fresh(agency: Agency, person: Person) -> None:
    expire(agency, person.invitation)
    person.opens().types_password()
    assert_refused(person, "有効期限が過ぎています", "新しい URL とパスワードをお送りできます")


def test_a_used_url_asks_whether_it_was_you(agency: Agency, browsers: Browsers, person: Person, tmp_path: Path) -> None:
    thief = browsers.open(Home(tmp_path / "thief", agency.root))
    Person(thief.pages[0], person.invitation).enrols(tmp_path / "saved.p12")
    person.opens().types_password()
    assert_refused(person, "使用済み", "第三者が取得したおそれ")


def test_a_replaced_url_leads_to_the_newest_mail(agency: Agency, person: Person) -> None:
    agency.ca("helpdesk", "replace", person.invitation.cn, "--institution-name", "みどり銀行", "--officer", OFFICERS[0])
    person.opens().types_password()
    assert_refused(person, "無効になりました", "最新のメールの URL とパスワード")


@pytest.mark.parametrize("when", ["before the password", "before the order"])
def test_a_suspended_seat_gets_nothing_for_the_time_being(agency: Agency, person: Person, when: str) -> None:
    person.opens()
    if when == "before the order":
        person.types_password()
        person.sees("confirm")
    agency.ca(
        "certificate", "suspend", person.invitation.cn, "--reason", "lost", "--caller", "山田", "--officer", OFFICERS[0]
    )
    if when == "before the order":
        person.agrees()
    else:
        person.types_password()
    assert_refused(person, "一時停止されています", "お問い合わせ窓口")


def test_a_url_that_nobody_mailed_is_told_like_one_that_was_cut(agency: Agency, person: Person) -> None:
    stranger = Invitation("F999999-001", f"{agency.public_url}/e/5Z8XQ2M7RC4KD0TNVB9HJ3WEGS", OTHER_PASSWORD)
    Person(person.page, stranger).opens().types_password()
    assert_refused(person, "この URL では取得できません", "途中で切れないように")


def test_the_server_answers_in_the_language_of_the_page_whatever_the_browser_prefers(
    agency: Agency, person: Person
) -> None:
    stranger = Invitation("F999999-001", f"{agency.public_url}/e/5Z8XQ2M7RC4KD0TNVB9HJ3WEGS", OTHER_PASSWORD)
    told = {"ja": "この証明書取得用 URL は登録されていません", "en": "This one-time URL is not known"}
    for language, words in told.items():
        assert words in Person(person.page, stranger).opens(language).types_password().is_refused()


def test_a_broken_network_loses_nothing(person: Person) -> None:
    person.opens()
    person.page.context.set_offline(True)
    person.types_password()
    assert_refused(person, "サーバーに接続できません", "ネットワークの接続")
    person.page.context.set_offline(False)
    person.page.locator("#again").click()
    person.page.locator("#password-form button").click()
    person.sees("confirm")


@pytest.mark.parametrize(
    ("status", "problem", "title"),
    [
        (503, "serverInternal", "ただいま処理できません"),
        (429, "rateLimited", "しばらくお待ちください"),
        (400, "malformed", "取得できませんでした"),
    ],
)
def test_what_may_pass_can_be_tried_again(person: Person, status: int, problem: str, title: str) -> None:
    def answer(route: Route) -> None:
        body = f'{{"type":"urn:ietf:params:acme:error:{problem}","status":{status},"detail":"It is so."}}'
        headers = {"Content-Type": "application/problem+json", "Replay-Nonce": "unknown", "Request-Id": "r1"}
        route.fulfill(status=status, body=body, headers=headers)

    person.opens().page.route("**/acme/new-account", answer)
    person.types_password()
    assert_refused(person, title, "「もう一度試す」")
    assert "要求番号: r1" in person.is_refused()
    person.page.unroute_all()
    person.page.locator("#again").click()
    person.page.locator("#password-form button").click()
    person.sees("confirm")


def test_the_block_for_the_help_desk_can_be_copied_and_tells_no_secret(agency: Agency, person: Person) -> None:
    person.opens().types_password()
    person.sees("confirm")
    agency.ca(
        "certificate", "suspend", person.invitation.cn, "--reason", "lost", "--caller", "山田", "--officer", OFFICERS[0]
    )
    person.agrees()
    report = person.is_refused()
    assert re.search(r"^日時: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \([+-]\d\d:\d\d\)$", report, re.MULTILINE)
    assert re.search(r"^要求番号: \w{20}$", report, re.MULTILINE)
    assert f"CN: {person.invitation.cn}\n金融機関名: みどり銀行\n" in report
    assert "ブラウザー: Chromium 1" in report
    assert "OS: Linux" in report
    assert_tells_no_secret(report, person.invitation)
    person.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    person.page.locator("#report-box > summary").click()
    person.page.locator("#copy").click()
    expect(person.page.locator("#copied")).to_have_text("コピーしました。")
    assert person.page.evaluate("navigator.clipboard.readText()") == report


def test_without_javascript_the_page_says_so_in_plain_words(
    browsers: Browsers, home: Home, invitation: Invitation
) -> None:
    page = browsers.open(home, java_script_enabled=False).pages[0]
    page.goto(invitation.url)
    expect(page.get_by_text("JavaScript が無効になっているか")).to_be_visible()
    expect(page.locator("#password-field")).to_be_hidden()


def test_an_old_browser_is_told_that_it_is_too_old(person: Person) -> None:
    person.page.route("**/static/page.js", without_modules)
    person.opens()
    expect(person.page.locator("#old")).to_contain_text("最新版")
    expect(person.page.locator("#plain")).to_be_hidden()


def test_a_page_whose_scripts_do_not_come_says_what_to_do(person: Person) -> None:
    person.page.route("**/static/acme.js", lambda route: route.abort())
    person.opens()
    person.page.wait_for_timeout(1_600)
    expect(person.page.locator("#plain")).to_contain_text("この文がいつまでも消えない場合は")


def test_an_insecure_origin_is_told_so(agency: Agency, person: Person) -> None:
    def answer(route: Route) -> None:
        path = route.request.url.partition("insecure.example")[2]
        with urllib.request.urlopen(agency.public_url + path, context=agency.trust(), timeout=10) as page:
            route.fulfill(body=page.read(), headers=dict(page.headers))

    person.page.context.route("http://insecure.example/**", answer)
    person.page.goto(f"http://insecure.example/e/{person.invitation.kid}")
    expect(person.sees("insecure")).to_contain_text("https://")


def test_another_address_of_the_same_server_is_told_so(browsers: Browsers, home: Home, invitation: Invitation) -> None:
    person = Person(browsers.open(home, ignore_https_errors=True).pages[0], invitation)
    person.page.goto(invitation.url.replace("localhost", "127.0.0.1"))
    assert_refused(person, "アドレスが違います", "メールの URL を、そのまま")


def assert_refused(person: Person, title: str, remedy: str) -> None:
    """Demand the refusal's title, the way out, and that what the help desk is told holds no secret."""
    report = person.is_refused()
    section = person.page.locator("#refused")
    expect(section.locator("h2")).to_contain_text(title)
    expect(section.locator("h2")).to_be_focused()
    expect(section).to_contain_text(remedy)
    assert_tells_no_secret(report, person.invitation)


def assert_tells_no_secret(report: str, invitation: Invitation) -> None:
    for secret in (invitation.kid, invitation.password, invitation.mac_key, "/e/"):
        assert secret.replace("-", "") not in report.replace("-", "")


def without_modules(route: Route) -> None:
    """Answer as a browser that knows no modules would go on: with the script for it."""
    route.fulfill(content_type="text/javascript", body='await import("/static/old.js");')
