"""One stop under load."""

from pathlib import Path

from tests.drills import stopping
from tests.drills.figures import missed


def test_a_stop_under_load_drains_and_loses_nothing(tmp_path: Path) -> None:
    assert missed(stopping.drill(tmp_path, enrolments=30, stops=1)) == []
