"""The race with small counts, and that it notices a claim without a guard."""

from pathlib import Path

from tests.drills import race
from tests.drills.figures import missed


def test_ten_finalizes_at_once_and_a_takeover_make_one_certificate(tmp_path: Path) -> None:
    assert missed(race.drill(tmp_path, urls=12)) == []


def test_the_race_notices_a_claim_that_is_looked_at_before_it_is_taken(tmp_path: Path) -> None:
    noticed = {figure.what for figure in missed(race.drill(tmp_path, urls=2, defect="check-then-act"))}
    assert {"race: URLs with one certificate on record", "race: faults in the books"} <= noticed
