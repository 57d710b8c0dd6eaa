"""Strange OCSP exchanges in small counts, and that a fast path which takes too much upon itself is noticed."""

from pathlib import Path

from tests.drills import ocsp
from tests.drills.figures import missed


def test_whatever_is_sent_the_fast_path_says_what_aiohttp_says(tmp_path: Path) -> None:
    assert missed(ocsp.drill(tmp_path, cases=600)) == []


def test_a_fast_path_that_passes_over_conditions_and_framing_is_noticed(tmp_path: Path) -> None:
    (figure,) = missed(ocsp.drill(tmp_path, cases=200, defect="credulous"))
    assert figure.what == "ocsp: answered otherwise than by aiohttp"
    assert len(figure.findings) > 5
