"""The rehearsal with four PCs and few days, and that a defect shows in its figures."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tests.drills.figures import missed
from tests.rehearsal import cast
from tests.rehearsal.machine import MISSING, has_faketime
from tests.rehearsal.picture import picture
from tests.rehearsal.rehearse import rehearse

SVG = "{http://www.w3.org/2000/svg}"


def nobody(month: str) -> None:
    """Watch nothing."""


@pytest.mark.slow
@pytest.mark.skipif(not has_faketime(), reason=MISSING)
def test_four_pcs_come_through_the_year_with_what_befalls_them() -> None:
    play, figures = rehearse(cast.WALK, nobody, processes=True)
    assert missed(figures) == []
    drawn = ElementTree.fromstring(picture(play))
    titles = [title.text or "" for title in drawn.iter(f"{SVG}title")]
    assert sorted(title.partition(":")[0] for title in titles) == sorted(each.cn for each in play.seen.held)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("defect", "what"),
    [
        ("ignore-the-window", "outside the window"),
        ("ignore-the-window", "of these missing, too many or on another day"),
        ("remind-again", "of these missing, too many or on another day"),
    ],
)
def test_a_defect_shows_in_the_figures(defect: str, what: str, rehearsed: Callable[[str], list[str]]) -> None:
    assert any(what in figure for figure in rehearsed(defect))


@pytest.fixture(scope="module")
def rehearsed() -> Callable[[str], list[str]]:
    """Return what plays the shortest cast with a defect, each once, and returns the figures that are missed."""
    played: dict[str, list[str]] = {}

    def play(defect: str) -> list[str]:
        if defect not in played:
            _, figures = rehearse(cast.SOLO, nobody, processes=False, defect=defect)
            played[defect] = [figure.what for figure in missed(figures)]
        return played[defect]

    return play
