"""The whole way of a person: from the mail through Edge's sibling to a system behind a real nginx, and out again.

The key gets from the page into the browser's certificate database by the file alone. Chromium chooses the certificate
by a policy, as an agency's administrators set it up; without one it asks a person, which nobody here can answer.
"""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.browser import Browsers, Home
from tests.end_to_end.person import PASSPHRASE, Person
from tests.end_to_end.seat_records import offer_renewal
from tests.end_to_end.web_servers import nginx, open_folder, upstream, write_kit

POLICIES = Path("/etc/chromium/policies/managed")
SELF_TEST = "/warifu-self-test"


@pytest.mark.parametrize(("locale", "kind"), [("ja-JP", "P-256"), ("en-GB", "RSA-3072")])
def test_a_person_gets_in_renews_and_is_out_after_a_revocation(
    agency: Agency, browsers: Browsers, invitation: Invitation, tmp_path: Path, locale: str, kind: str
) -> None:
    with upstream() as behind, open_folder() as folder, certificates_chosen_by_policy():
        kit = write_kit(agency, "nginx", folder / "kit", upstream=behind.url)
        home = Home(tmp_path / "home", agency.root)
        home.trust(kit / "tls" / "server.pem")

        with nginx(folder / "before", kit) as system, opened(browsers, home, locale) as page:
            assert_refused(page, system.url)

        enrol(browsers, home, invitation, locale, kind, tmp_path / "first.p12")
        with nginx(folder / "enrolled", kit) as system, opened(browsers, home, locale) as page:
            first = assert_let_in(page, system.url, invitation.cn)

        renewal = offer_renewal(agency, invitation.cn)
        enrol(browsers, home, renewal, locale, kind, tmp_path / "second.p12")
        with nginx(folder / "renewed", kit) as system, opened(browsers, home, locale) as page:
            assert assert_let_in(page, system.url, invitation.cn) != first, "the browser chose the newer of the two"

        agency.revoke(invitation.cn)
        with nginx(folder / "revoked", kit) as system, opened(browsers, home, locale) as page:
            page.goto(system.url + SELF_TEST)
            expect(page.locator("body")).to_contain_text("revoked")
            assert_refused(page, system.url)


def enrol(browsers: Browsers, home: Home, invitation: Invitation, locale: str, kind: str, file: Path) -> None:
    """Go from the mail to a certificate in the browser's database."""
    with opened(browsers, home, locale) as page:
        person = Person(page, invitation)
        home.take_in(person.enrols(file, kind), PASSPHRASE)
        person.confirms()


def assert_let_in(page: Page, url: str, cn: str) -> str:
    """Demand that the system answers this person by name, and return the serial that the self-test page shows."""
    answer = page.goto(url + "/")
    assert answer is not None
    assert answer.status == 200
    told = json.loads(page.locator("body").text_content() or "")
    assert cn in json.dumps(told)
    page.goto(url + SELF_TEST)
    expect(page.locator("body")).to_contain_text(cn)
    found = page.goto(url + SELF_TEST + ".json")
    assert found is not None
    shown = found.json()
    assert shown["verdict"] == "valid"
    return str(shown["certificate"]["serial"])


def assert_refused(page: Page, url: str) -> None:
    """Demand that the system refuses, in both languages."""
    answer = page.goto(url + "/")
    assert answer is not None
    assert answer.status == 403
    expect(page.locator("body")).to_contain_text("証明書")
    expect(page.locator("body")).to_contain_text("certificate")


@contextlib.contextmanager
def opened(browsers: Browsers, home: Home, locale: str) -> Iterator[Page]:
    """Open the browser of that home, as after it was closed: with the certificates that it has now."""
    context = browsers.open(home, locale=locale)
    try:
        yield context.pages[0]
    finally:
        context.close()


@contextlib.contextmanager
def certificates_chosen_by_policy() -> Iterator[None]:
    """Have every Chromium of this machine choose a certificate without asking; one test at a time may do so."""
    if not os.access("/etc", os.W_OK):
        pytest.skip("a policy of Chromium is a file in /etc: run as root, as .ci/run is")
    with (Path(tempfile.gettempdir()) / "chromium-policy.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        POLICIES.mkdir(parents=True, exist_ok=True)
        policy = POLICIES / "warifu-tests.json"
        rule = json.dumps({"pattern": "https://localhost", "filter": {}})
        policy.write_text(json.dumps({"AutoSelectCertificateForUrls": [rule]}), "utf-8")
        try:
            yield
        finally:
            policy.unlink()
