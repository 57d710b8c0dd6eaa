"""What axe-core finds on every state of every page: nothing."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.end_to_end.agency import Agency
from tests.end_to_end.browser import NARROW, WIDE, Browsers, Home
from tests.screenshots import LOCALES, every_state


@pytest.mark.parametrize(("language", "size"), [("ja", NARROW), ("en", WIDE)])
def test_axe_finds_nothing_on_any_state_of_any_page(
    agency: Agency, browsers: Browsers, home: Home, tmp_path: Path, language: str, size: tuple[int, int]
) -> None:
    page = browsers.open(home, locale=LOCALES[language], size=size).pages[0]
    axe, found = Axe(), []
    for state in every_state(agency, page, language, tmp_path):
        for violation in axe.run(page).response["violations"]:
            found += [f"{state}: {violation['id']} {node['html'][:120]}" for node in violation["nodes"]]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{state}: scrolls sideways")
    assert found == []
