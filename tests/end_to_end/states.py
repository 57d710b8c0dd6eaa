"""Every state in which a person can meet the pages, one after another: for pictures of them, and for axe to look at."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.person import PASSPHRASE, Person

_WRONG = {"reason": "wrongPassword", "triesLeft": 9}
_REFUSALS: dict[str, tuple[int, str, dict[str, object]]] = {
    "locked": (403, "unauthorized", {"reason": "locked"}),
    "expired": (403, "unauthorized", {"reason": "expired"}),
    "used": (403, "unauthorized", {"reason": "used"}),
    "replaced": (403, "unauthorized", {"reason": "replaced"}),
    "suspended": (403, "unauthorized", {"reason": "suspended"}),
    "unauthorized": (403, "unauthorized", {}),
    "rateLimited": (429, "rateLimited", {}),
    "serverInternal": (500, "serverInternal", {}),
    "unknown": (400, "malformed", {}),
}
DOCUMENTS = {"repository": "/", "cps": "/cps", "privacy": "/privacy", "not-found": "/nothing"}


def documents(page: Page, agency: Agency, language: str) -> Iterator[str]:
    """Show each page that is no enrolment."""
    for name, path in DOCUMENTS.items():
        page.goto(f"{agency.public_url}{path}?language={language}")
        yield name


def asked_for_url(page: Page, agency: Agency, invitation: Invitation, language: str) -> Iterator[str]:
    """Show the field for a URL in its states, and what is shown where the page cannot work."""
    person = Person(page, invitation)
    page.goto(f"{agency.public_url}/e/?language={language}")
    person.sees("url")
    yield "url"
    page.locator("#url-field").fill("https://example.jp/")
    page.locator("#url-form button").click()
    yield "url-wrong"
    page.goto(f"{invitation.url[:-3]}?language={language}")
    person.sees("url")
    yield "url-broken"
    page.route("**/static/page.js", lambda route: route.abort())
    person.opens(language)
    page.wait_for_timeout(1_600)
    yield "without-scripts"
    for section in ("old", "insecure"):
        page.locator("main > section").evaluate_all("(all, id) => all.forEach(e => (e.hidden = e.id !== id))", section)
        yield section
    page.unroute_all()


def refused(person: Person, language: str) -> Iterator[str]:
    """Show the password's states, and each refusal as the server would tell it."""
    page, field = person.page, person.page.locator("#password-field")
    person.opens(language).sees("password")
    yield "password"
    field.fill(person.invitation.password[:17])
    yield "password-incomplete"
    field.fill(person.invitation.password[:-1] + ("0" if person.invitation.password[-1] != "0" else "1"))
    yield "password-mistyped"
    field.fill(person.invitation.password)
    for summary in page.locator("#password summary").all():
        summary.click()
    page.locator("#eab-show").click()
    expect(page.locator("#eab")).to_be_visible()
    yield "password-alternatives"
    for name, (status, kind, more) in {"wrong": (403, "unauthorized", _WRONG), **_REFUSALS}.items():
        person.opens(language).sees("password")
        page.route("**/acme/new-account", _problem(status, kind, more))
        person.types_password()
        if name == "wrong":
            expect(field).to_have_attribute("aria-invalid", "true")
        else:
            person.is_refused()
            page.locator("#report-box > summary").click()
        yield f"refused-{name}"
        page.unroute_all()


def enrolled(person: Person, language: str, file: Path) -> Iterator[str]:
    """Show the way from the seat to the end."""
    page = person.page
    person.opens(language).types_password()
    person.sees("confirm")
    yield "confirm"
    page.locator("#decline").click()
    person.sees("declined")
    yield "declined"
    person.opens(language).types_password()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/finalize", hold)
    person.agrees().sees("working")
    page.wait_for_timeout(300)
    yield "working"
    for route in held:
        route.continue_()
    page.unroute_all()
    person.sees("save")
    yield "save"
    page.locator("#passphrase").fill(PASSPHRASE)
    page.locator("#passphrase-form button").click()
    yield "save-differ"
    person.saves(file)
    for platform in ("windows", "mac", "firefox"):
        page.locator(f"input[name=platform][value={platform}]").check()
        yield f"import-{platform}"
    person.confirms()
    yield "done"


def renewed(person: Person, language: str, file: Path) -> Iterator[str]:
    """Show what is different with a renewal."""
    person.opens(language).types_password().sees("confirm")
    yield "renewal-confirm"
    person.agrees().saves(file)
    yield "renewal-import"
    person.confirms()
    yield "renewal-done"


def _problem(status: int, kind: str, more: dict[str, object]) -> Callable[[Route], None]:
    document = {
        "type": f"urn:ietf:params:acme:error:{kind}",
        "status": status,
        "detail": "The server says why.",
        **more,
    }

    def answer(route: Route) -> None:
        headers = {"Content-Type": "application/problem+json", "Request-Id": "s2c0ttb5qh8w1vzj0e6m4nd7ka"}
        route.fulfill(status=status, body=json.dumps(document), headers={**headers, "Replay-Nonce": "unknown"})

    return answer
