"""One running agency for the tests that can share it.

Each test takes CNs, or an institution, of its own.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.end_to_end.agency import Agency, Invitation
from tests.end_to_end.agency import agency as running_agency
from tests.end_to_end.browser import PATIENCE, WIDE, Browsers, Home
from tests.end_to_end.person import Person
from tests.end_to_end.spreadsheet import Spreadsheet
from tests.end_to_end.spreadsheet import spreadsheet as running_spreadsheet

ALIAS_SUFFIX = "pc.midori.example"
_INVITED_AT_ONCE = 12


@pytest.fixture(scope="session")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """Run an agency whose certificates, of 32 days, may be renewed from the start: orders open 45 days before the end.

    Its operator owns a suffix for FQDN aliases; who orders another alias sees nothing of it.
    """
    with running_agency(tmp_path_factory.mktemp("agency"), alias_suffix=ALIAS_SUFFIX) as running:
        yield running


@pytest.fixture(scope="session")
def _invited(agency: Agency) -> Iterator[Invitation]:
    """Approve certificates by the dozen, for an application costs as much time as its certificates."""
    return itertools.chain.from_iterable(agency.approve(_INVITED_AT_ONCE) for _ in itertools.count())


@pytest.fixture
def invitation(_invited: Iterator[Invitation]) -> Invitation:
    """Return the two halves for a CN that no other test has."""
    return next(_invited)


@pytest.fixture
def invite(_invited: Iterator[Invitation]) -> Callable[[], Invitation]:
    """Return what gives one more CN at each call."""
    return lambda: next(_invited)


@pytest.fixture(scope="session")
def spreadsheet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spreadsheet]:
    """Run LibreOffice with somebody who types."""
    with running_spreadsheet(tmp_path_factory.mktemp("office")) as running:
        yield running


@pytest.fixture
def home(agency: Agency, tmp_path: Path) -> Home:
    """Return a person's home folder, whose browser trusts the agency's address."""
    return Home(tmp_path / "home", agency.root)


@pytest.fixture(scope="module")
def _playwright() -> Iterator[Playwright]:
    """Start Playwright once for a module; while it runs, no test may run a loop of its own."""
    with sync_playwright() as running:
        yield running


@pytest.fixture
def browsers(_playwright: Playwright) -> Iterator[Browsers]:
    """Return what opens browsers, each with a home that it keeps things in."""
    running = Browsers(_playwright)
    yield running
    running.close()


@pytest.fixture(scope="module")
def _browser(_playwright: Playwright, agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start the browser of those who need none of their own."""
    running = Browsers(_playwright).start(Home(tmp_path_factory.mktemp("home"), agency.root))
    yield running
    running.close()


@pytest.fixture
def person(_browser: Browser, invitation: Invitation) -> Iterator[Person]:
    """Return a person with a browser's context, which knows nothing of others, and the two mails."""
    context = _browser.new_context(locale="ja-JP", viewport={"width": WIDE[0], "height": WIDE[1]})
    context.set_default_timeout(PATIENCE)
    yield Person(context.new_page(), invitation)
    context.close()
