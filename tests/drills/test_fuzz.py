"""Mutated requests in small counts, and that they notice a handler that falls over one and one that takes too long."""

from pathlib import Path

from tests.drills import fuzz
from tests.drills.figures import missed


def test_mutated_requests_meet_no_error_of_the_servers_and_no_slow_answer(tmp_path: Path) -> None:
    assert missed(fuzz.drill(tmp_path, cases=600, seats=24)) == []


def test_a_handler_that_falls_over_some_input_and_dawdles_over_another_is_noticed(tmp_path: Path) -> None:
    noticed = {figure.what for figure in missed(fuzz.drill(tmp_path, cases=200, seats=12, defect="stumble"))}
    assert {"fuzz: 5xx", "fuzz: slower than a second"} <= noticed
    assert "fuzz: faults in the books" not in noticed
