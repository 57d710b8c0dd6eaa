"""A tab closed half way loses nothing: whatever was lost, the same URL yields one certificate and the file of it."""

import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Page, Route, expect

from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.browser import Browsers, Home
from tests.end_to_end.person import Person, assert_is_the_file_of
from tests.end_to_end.seat_records import certificates

Step = Callable[[Person], object]


def _typed(person: Person) -> None:
    person.sees("password")
    person.page.locator("#password-field").fill(person.invitation.password)


def _bound(person: Person) -> None:
    person.types_password()
    person.sees("confirm")


def _issued(person: Person) -> None:
    person.types_password().agrees()
    person.sees("save")


CLOSED: dict[str, tuple[Step, Step]] = {
    "as it opened": (lambda person: person.sees("password"), Person.agrees),
    "with the password typed": (_typed, Person.agrees),
    "with the seat shown": (_bound, Person.agrees),
    "with the certificate issued": (_issued, lambda person: person.sees("save")),
}


@pytest.mark.parametrize("moment", CLOSED)
def test_a_tab_closed_goes_on_where_it_was(agency: Agency, person: Person, moment: str, tmp_path: Path) -> None:
    before, after = CLOSED[moment]
    before(person.opens())
    again = reopened(person).types_password()
    after(again)
    assert_is_the_file_of(again.saves(tmp_path / "saved.p12"), person.invitation, ec.EllipticCurvePrivateKey)
    assert certificates(agency, person.invitation) == 1


def test_a_browser_ended_after_the_file_was_saved_shows_the_import_and_saves_it_again(
    browsers: Browsers, home: Home, invitation: Invitation, tmp_path: Path
) -> None:
    context = browsers.open(home)
    first = Person(context.pages[0], invitation).enrols(tmp_path / "first.p12")
    context.close()
    person = Person(browsers.open(home).pages[0], invitation).opens()
    expect(person.sees("password")).to_contain_text("途中までの手続きが残っています")
    person.types_password().sees("import")
    person.page.locator("#save-again").click()
    second = person.saves(tmp_path / "second.p12")
    leaves = [assert_is_the_file_of(file, invitation, ec.EllipticCurvePrivateKey) for file in (first, second)]
    assert leaves[0] == leaves[1]


@pytest.mark.parametrize("request_of", ["new-account", "new-order", "finalize", "order", "certificate"])
@pytest.mark.parametrize("lost", ["the request", "the answer"])
def test_a_tab_closed_with_a_request_or_its_answer_lost_goes_on_where_it_was(
    agency: Agency, person: Person, request_of: str, lost: str, tmp_path: Path
) -> None:
    pattern = {"order": "**/acme/order/*", "certificate": "**/acme/certificate/*", "finalize": "**/finalize"}
    carry = (lambda _: None) if lost == "the request" else carried(agency)
    drop(person.page, pattern.get(request_of, f"**/acme/{request_of}"), carry)
    person.opens().types_password()
    if request_of != "new-account":
        person.agrees()
    expect(person.sees("refused")).to_contain_text("サーバーに接続できません")
    again = reopened(person).types_password()
    if request_of in ("new-account", "new-order"):
        again.agrees()
    assert_is_the_file_of(again.saves(tmp_path / "saved.p12"), person.invitation, ec.EllipticCurvePrivateKey)
    assert certificates(agency, person.invitation) == 1


def test_trying_again_in_the_same_tab_goes_on_as_well(agency: Agency, person: Person, tmp_path: Path) -> None:
    drop(person.page, "**/finalize", carried(agency))
    person.opens().types_password().agrees()
    person.sees("refused")
    person.page.unroute_all()
    person.page.locator("#again").click()
    assert_is_the_file_of(person.saves(tmp_path / "saved.p12"), person.invitation, ec.EllipticCurvePrivateKey)
    assert certificates(agency, person.invitation) == 1


def test_a_browser_that_keeps_nothing_warns_before_the_tab_is_closed(person: Person, tmp_path: Path) -> None:
    person.page.add_init_script("Object.defineProperty(globalThis, 'indexedDB', { value: undefined })")
    person.opens().types_password().agrees()
    expect(person.sees("save")).to_contain_text("このページを閉じないでください")
    assert_is_the_file_of(person.saves(tmp_path / "saved.p12"), person.invitation, ec.EllipticCurvePrivateKey)


def reopened(person: Person) -> Person:
    """Close the tab and open the same URL in a new one."""
    page = person.page.context.new_page()
    person.page.close()
    return Person(page, person.invitation).opens()


def drop(page: Page, pattern: str, carry: Callable[[Route], None]) -> None:
    """Break the connection of each such POST, after it was carried to the server or before."""

    def broken(route: Route) -> None:
        carry(route)
        route.abort()

    page.route(pattern, broken)


def carried(agency: Agency) -> Callable[[Route], None]:
    """Return what brings a request to the server and keeps its answer from the page."""

    def carry(route: Route) -> None:
        asked = urllib.request.Request(route.request.url, route.request.post_data_buffer)
        asked.add_header("Content-Type", "application/jose+json")
        with urllib.request.urlopen(asked, context=agency.trust(), timeout=10) as answer:
            assert answer.status in (200, 201)

    return carry
