"""The enrolment page in a real Chromium: from the mail to the file, whatever a person or a network does in between."""

import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from playwright.sync_api import Page, expect

from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.browser import Browsers, Home
from tests.end_to_end.judges import GOOD, judge
from tests.end_to_end.person import PASSPHRASE, Person, assert_is_the_file_of
from tests.end_to_end.seat_records import failures


def test_a_person_gets_a_file_whose_certificate_relying_systems_believe(
    agency: Agency, person: Person, tmp_path: Path
) -> None:
    file = person.enrols(tmp_path / "saved.p12")
    leaf = assert_is_the_file_of(file, person.invitation, ec.EllipticCurvePrivateKey)
    person.confirms()
    assert judge(leaf, agency.root_certificate(), tmp_path) == GOOD


def test_rsa_can_be_chosen_and_the_page_speaks_english(person: Person, tmp_path: Path) -> None:
    person.opens("en").types_password(kind="RSA-3072").agrees()
    expect(person.sees("save")).to_contain_text("The certificate has been issued")
    assert_is_the_file_of(person.saves(tmp_path / "saved.p12"), person.invitation, rsa.RSAPrivateKey)


@pytest.mark.parametrize(("locale", "title"), [("ja-JP", "証明書の取得"), ("en-GB", "Get your certificate")])
def test_the_page_speaks_the_language_of_the_browser_until_the_other_is_chosen(
    browsers: Browsers, home: Home, invitation: Invitation, locale: str, title: str
) -> None:
    person = Person(browsers.open(home, locale=locale).pages[0], invitation).opens()
    expect(person.page).to_have_title(f"{title} — Example Agency Client CA")
    person.page.locator(".switch").click()
    expect(person.page).not_to_have_title(f"{title} — Example Agency Client CA")
    person.sees("password")


@pytest.mark.parametrize(
    "pasted",
    [
        lambda password: f"  {password.lower()}\n",
        lambda password: password.replace("-", " "),
        lambda password: "".join(chr(ord(each) + 0xFEE0) if each != "-" else "ー" for each in password),
    ],
)
def test_the_password_may_be_pasted_as_word_processors_leave_it(person: Person, pasted: Callable[[str], str]) -> None:
    person.opens().types_password(pasted(person.invitation.password))
    person.sees("confirm")


def test_a_typing_error_is_told_while_typing_and_costs_no_attempt(agency: Agency, person: Person) -> None:
    person.opens().sees("password")
    field, hint = person.page.locator("#password-field"), person.page.locator("#password-hint")
    right = person.invitation.password
    field.press_sequentially(right[:7])
    expect(hint).to_have_text("あと 19 文字です（6／25）。")
    field.fill(right[:-1] + ("0" if right[-1] != "0" else "1"))
    expect(hint).to_contain_text("文字の誤りがあります")
    person.page.locator("#password-form button").click()
    expect(field).to_be_focused()
    field.fill(right.replace(right[0], "U", 1))
    expect(hint).to_contain_text("「U」は、パスワードに使われない文字です")
    assert failures(agency, person.invitation) == 0
    field.fill(right)
    expect(hint).to_have_text("25 文字そろっています。")


def test_no_leaves_the_url_as_good_as_before(person: Person, tmp_path: Path) -> None:
    person.opens().types_password()
    person.sees("confirm")
    person.page.locator("#decline").click()
    person.sees("declined")
    assert_is_the_file_of(person.enrols(tmp_path / "saved.p12"), person.invitation, ec.EllipticCurvePrivateKey)


def test_passphrases_that_are_short_or_differ_are_not_taken(person: Person) -> None:
    person.opens().types_password().agrees()
    person.sees("save")
    first, second = person.page.locator("#passphrase"), person.page.locator("#passphrase-again")
    for pair, told in (
        (("short", "short"), "8 文字以上"),
        (("全角の文字です", "全角の文字です"), "半角の英数字と記号"),
        (("long enough", "long enouch"), "内容が違います"),
    ):
        first.fill(pair[0])
        second.fill(pair[1])
        person.page.locator("#passphrase-form button").click()
        expect(person.page.locator("#passphrase-hint")).to_contain_text(told)
        expect(first).to_have_attribute("aria-invalid", "true")


def test_a_url_carried_through_a_word_processor_is_found_in_the_field(
    agency: Agency, person: Person, tmp_path: Path
) -> None:
    person.page.goto(f"{agency.public_url}/e/")
    person.sees("url")
    middle = len(person.invitation.url) - 9
    pasted = f"<{person.invitation.url[:middle]}\n {person.invitation.url[middle:].lower()}>"
    person.page.locator("#url-field").fill("https://example.jp/")
    person.page.locator("#url-form button").click()
    expect(person.page.locator("#url-hint")).to_contain_text("コピーし直してください")
    person.page.locator("#url-field").fill(pasted)
    person.page.locator("#url-form button").click()
    person.types_password()
    person.sees("confirm")


def test_a_url_behind_the_address_of_a_mail_filter_is_found(agency: Agency, person: Person) -> None:
    wrapped = f"https://filter.example/?url={urllib.parse.quote(person.invitation.url, safe='')}&data=1"
    person.page.goto(f"{agency.public_url}/e/")
    person.page.locator("#url-field").fill(wrapped)
    person.page.locator("#url-form button").click()
    person.types_password().sees("confirm")


@pytest.mark.parametrize("tail", ["%", "%zz", "x"])
def test_a_broken_address_asks_for_the_url(agency: Agency, person: Person, tail: str) -> None:
    person.page.goto(f"{agency.public_url}/e/{tail}")
    person.sees("url")


def test_a_url_cut_off_in_the_mail_asks_for_the_whole(agency: Agency, person: Person) -> None:
    person.page.goto(person.invitation.url[:-3])
    expect(person.sees("url")).to_contain_text("途中で切れているか")


def test_other_clients_find_the_values_that_the_page_shows(agency: Agency, person: Person) -> None:
    person.opens()
    person.page.locator("#password > details > summary").click()
    expect(person.page.locator("#warifu-command")).to_have_text(f"warifu enroll {person.invitation.url}")
    person.page.locator("#eab-show").click()
    expect(person.page.locator("#eab")).to_be_hidden()
    person.page.locator("#password-field").fill(person.invitation.password)
    person.page.locator("#eab-show").click()
    shown = [person.page.locator(f"#eab-{name}").text_content() for name in ("directory", "kid", "key")]
    assert shown == [f"{agency.public_url}/directory", person.invitation.kid, person.invitation.mac_key]


def test_the_keyboard_alone_is_enough(person: Person, tmp_path: Path) -> None:
    page = person.opens().page
    person.sees("password")
    reached(page, "#password-field")
    page.keyboard.type(person.invitation.password)
    page.keyboard.press("Enter")
    person.sees("confirm")
    reached(page, "#agree")
    page.keyboard.press("Enter")
    person.sees("save")
    for field in ("#passphrase", "#passphrase-again"):
        reached(page, field)
        page.keyboard.type(PASSPHRASE)
    with page.expect_download():
        page.keyboard.press("Enter")
    person.sees("import")
    reached(page, "#imported")
    page.keyboard.press("Space")
    person.sees("done")


def test_another_browser_takes_over_and_the_first_is_told(
    agency: Agency, browsers: Browsers, person: Person, tmp_path: Path
) -> None:
    person.opens().types_password()
    person.sees("confirm")
    other = browsers.open(Home(tmp_path / "other", agency.root))
    taker = Person(other.pages[0], person.invitation).opens().types_password()
    taker.sees("confirm")
    person.page.locator("#agree").click()
    expect(person.sees("password")).to_contain_text("いったん無効になりました")
    assert_is_the_file_of(taker.agrees().saves(tmp_path / "x.p12"), person.invitation, ec.EllipticCurvePrivateKey)
    person.types_password()
    expect(person.sees("refused")).to_contain_text("この URL の証明書は、すでに取得されています")


def reached(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(selector).evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{selector} is not reached by the keyboard")
