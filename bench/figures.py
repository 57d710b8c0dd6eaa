"""What was measured: the values that the rounds gave, their median and spread, tables of them, and what is claimed.

A figure keeps every round's value, so that two of them are compared pair by pair: the machine's own speed drifts, and
what two servers did one after the other has the same drift.
"""

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager


class Missing(Exception):
    """A program to measure beside us is not installed; names it and the Debian package that brings it."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"{program} is not installed (Debian: {package}); its row is left out")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One value a round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the middle of the rounds."""
        return statistics.median(self.values)

    def over(self, other: "Figure") -> "Figure":
        """Return the ratio of this to another of the same rounds, pair by pair."""
        return Figure(tuple(one / two for one, two in zip(self.values, other.values, strict=True)))

    def __str__(self) -> str:
        """Return the median, and the least and the most where they can be told apart."""
        median, least, most = (written(each) for each in (self.median, min(self.values), max(self.values)))
        return median if least == most else f"{median} [{least}–{most}]"


def written(value: float) -> str:
    """Return a number in three digits or so: nothing here is known better."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:.{digits}f}"


@dataclasses.dataclass(frozen=True)
class Row:
    """What one server, or one size, came to; by column."""

    name: str
    figures: dict[str, Figure]


@dataclasses.dataclass(frozen=True)
class Claim:
    """One line of what must be shown: a ratio, what it has to be at least, and what is aimed at.

    `least` above `aim` says that less is better.
    """

    work: str
    ratio: Figure
    least: float
    aim: float

    @property
    def verdict(self) -> str:
        """Return aim, least or missed, by the median."""
        sign = -1 if self.aim < self.least else 1
        if sign * self.ratio.median >= sign * self.aim:
            return "aim"
        return "least" if sign * self.ratio.median >= sign * self.least else "missed"


@dataclasses.dataclass(frozen=True)
class Table:
    """One comparison: rows of figures, what was claimed of them, and what a reader has to know."""

    title: str
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    """The columns that the picture shows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return every column that a row has, in order."""
        return tuple(dict.fromkeys(column for row in self.rows for column in row.figures))


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A claim before it is measured: the ratio of one row to another in one column."""

    work: str
    row: str
    against: str
    column: str
    least: float
    aim: float

    def claim(self, figures: Mapping[str, Mapping[str, Figure]]) -> Claim:
        """Return the claim with its ratio, pair by pair."""
        ratio = figures[self.row][self.column].over(figures[self.against][self.column])
        return Claim(self.work, ratio, self.least, self.aim)


def tabulated(
    title: str,
    figures: Mapping[str, dict[str, Figure]],
    wanted: Sequence[Wanted] = (),
    *,
    notes: Sequence[str] = (),
    drawn: Sequence[str] = (),
) -> Table:
    """Return a table of what the rounds gave, with the claims of which both rows are there."""
    claims = tuple(each.claim(figures) for each in wanted if {each.row, each.against} <= figures.keys())
    rows = tuple(Row(name, columns) for name, columns in figures.items())
    return Table(title, rows, claims, tuple(notes), tuple(drawn))


@contextmanager
def left_out(notes: list[str]) -> Iterator[None]:
    """Note what is missing, and go on without it."""
    try:
        yield
    except Missing as missing:
        notes.append(str(missing))


@dataclasses.dataclass
class Findings:
    """What a section brought, and what it could not."""

    section: str
    tables: list[Table] = dataclasses.field(default_factory=list)
    faults: list[str] = dataclasses.field(default_factory=list)
