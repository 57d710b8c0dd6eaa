"""What a drill answers: figures, each with what was demanded and what was measured, printed in 80 columns."""

import dataclasses
import textwrap
from collections.abc import Iterable, Sequence

_WIDTHS = (41, 10, 20)
_MOST_FINDINGS = 10


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table; `met` says whether what was measured is what was demanded."""

    what: str
    demanded: str
    measured: str
    met: bool
    findings: Sequence[str] = ()
    """What was found instead, each in a line; printed below the table when the figure is missed."""


def counted(what: str, demanded: int, measured: int, remark: str = "") -> Figure:
    """Return a figure that is met by exactly the number demanded."""
    return Figure(what, str(demanded), f"{measured}{remark}", measured == demanded)


def none_of(what: str, found: Sequence[str]) -> Figure:
    """Return a figure that is met by an empty list."""
    return Figure(what, "none", str(len(found)) if found else "none", not found, found)


def missed(figures: Iterable[Figure]) -> list[Figure]:
    """Return the figures that are not met."""
    return [figure for figure in figures if not figure.met]


def table(figures: Iterable[Figure]) -> list[str]:
    """Return the lines of the table, and below it what was found."""
    figures = list(figures)
    lines = [_line(("What", "demanded", "measured"), "")]
    lines.append("─" * 79)
    for figure in figures:
        cells = [
            textwrap.wrap(text, width) or [""]
            for text, width in zip((figure.what, figure.demanded, figure.measured), _WIDTHS, strict=True)
        ]
        height = max(map(len, cells))
        rows = zip(*(cell + [""] * (height - len(cell)) for cell in cells), strict=True)
        verdict = "yes" if figure.met else "NO"
        lines += [_line(row, verdict if place == 0 else "") for place, row in enumerate(rows)]
    for figure in missed(figures):
        lines += [f"{figure.what}: {finding}" for finding in figure.findings[:_MOST_FINDINGS]]
    return lines


def _line(cells: Iterable[str], verdict: str) -> str:
    columns = (f"{text:<{width}}" for text, width in zip(cells, _WIDTHS, strict=True))
    return "  ".join((*columns, verdict)).rstrip()
