"""Rounds: every server once a round, in turn, and in the opposite order the next time."""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.figures import Figure, Table, written

Step = tuple[str, Callable[[], Table]]
"""One thing that is measured by itself: its name, and what measures it."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """How much is to be measured, and where the measuring may write."""

    folder: Path
    rounds: int = 5
    seconds: int = 3
    """How long a round loads one server."""
    quick: bool = False
    """One short round on small records: shows that all works, and nothing of speed."""


def interleaved(rounds: int, measures: dict[str, Callable[[], Mapping[str, float]]]) -> dict[str, dict[str, Figure]]:
    """Return what each measure gave, by its name and by column."""
    seen: dict[str, list[Mapping[str, float]]] = {name: [] for name in measures}
    for number in range(rounds):
        order = list(measures) if number % 2 == 0 else list(reversed(measures))
        for name in order:
            values = measures[name]()
            seen[name].append(values)
            told = ", ".join(f"{column} {written(value)}" for column, value in values.items())
            print(f"  round {number + 1} {name}: {told}", file=sys.stderr)
    return {
        name: {column: Figure(tuple(values[column] for values in each)) for column in each[0]}
        for name, each in seen.items()
    }
