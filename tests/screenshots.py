"""Pictures of every state of every page, in both languages and at both widths: `make screenshots`.

They are for people to look at before a change is called done, and stay out of the repository.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page

from tests.end_to_end import states
from tests.end_to_end.agency import Agency, agency
from tests.end_to_end.browser import NARROW, WIDE, Browsers, Home, browsers
from tests.end_to_end.person import Person
from tests.end_to_end.seat_records import offer_renewal

FOLDER = Path("screenshots")
LOCALES = {"ja": "ja-JP", "en": "en-GB"}


def main() -> None:
    """Make the pictures and say where they are."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, agency(Path(scratch)) as running, browsers() as opened:
        for language in LOCALES:
            for size in (WIDE, NARROW):
                _photographed(running, opened, language, size, Path(scratch) / f"{language}-{size[0]}")
    print(f"{len(list(FOLDER.glob('*.png')))} pictures are in {FOLDER}/")


def _photographed(running: Agency, opened: Browsers, language: str, size: tuple[int, int], scratch: Path) -> None:
    context = opened.open(Home(scratch, running.root), locale=LOCALES[language], size=size)
    page = context.pages[0]
    for state in every_state(running, page, language, scratch):
        page.screenshot(path=str(FOLDER / f"{state}-{language}-{size[0]}.png"), full_page=True)
        print(".", end="", file=sys.stderr, flush=True)
    context.close()


def every_state(running: Agency, page: Page, language: str, scratch: Path) -> Iterator[str]:
    """Bring the page into one state after the other and tell its name."""
    invitation = running.approve(1)[0]
    person = Person(page, invitation)
    yield from states.documents(page, running, language)
    yield from states.asked_for_url(page, running, invitation, language)
    yield from states.refused(person, language)
    yield from states.enrolled(person, language, scratch / "saved.p12")
    renewal = Person(page, offer_renewal(running, invitation.cn))
    yield from states.renewed(renewal, language, scratch / "renewed.p12")


if __name__ == "__main__":
    main()
