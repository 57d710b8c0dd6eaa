"""That a soak notices memory which grows, a pace that was not held, and errors."""

from collections import Counter

from tests.drills import soak
from tests.drills.figures import missed


def _soaked(a_second: int, answered: int = 3000, errors: list[str] | None = None) -> soak.Soaked:
    """Return what a minute shows in which memory grows by so many octets a second, after warming up."""
    memory = [(float(second), 300_000_000 + max(0, second - 20) * a_second) for second in range(60)]
    return soak.Soaked(memory, [100, 104], Counter(OCSP=answered), errors or [], 60)


def test_memory_that_stays_is_as_demanded_and_growth_is_noticed() -> None:
    assert missed(soak.judged(_soaked(200), 50)) == []
    assert [figure.what for figure in missed(soak.judged(_soaked(300), 50))] == ["soak: slope of memory"]


def test_a_pace_not_held_and_an_error_are_noticed() -> None:
    figures = missed(soak.judged(_soaked(0, answered=2700, errors=["OCSP: unknown"]), 50))
    assert [figure.what for figure in figures] == ["soak: answers a second", "soak: errors"]
