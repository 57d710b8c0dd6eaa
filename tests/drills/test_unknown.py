"""Guessed kids and wrong passwords in small counts, and that what tells them apart is noticed."""

import random
from pathlib import Path

from tests.drills import unknown
from tests.drills.figures import missed


def test_who_guesses_learns_nothing(tmp_path: Path) -> None:
    assert missed(unknown.drill(tmp_path, kids=30, pairs=20)) == []


def test_a_kid_refused_for_its_shape_is_noticed(tmp_path: Path) -> None:
    figures = missed(unknown.drill(tmp_path, kids=15, pairs=2, defect="tell-the-shape"))
    assert "unknown: newAccount with 15 kids: different answers" in {figure.what for figure in figures}


def test_times_of_one_kind_are_not_told_apart_and_slower_ones_are() -> None:
    chance = random.Random(1)
    first, second = ([chance.gauss(10, 2) for _ in range(150)] for _ in range(2))
    assert abs(unknown.mann_whitney(first, second)) < 3
    assert unknown.mann_whitney(first, [each + 2 for each in second]) < -4
    assert unknown.mann_whitney([1.0, 1.0, 2.0], [1.0, 2.0, 1.0]) == 0
