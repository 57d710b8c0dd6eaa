"""A table on the terminal, in 80 columns where there is none.

What is too long for its column goes on below, also in the middle of a word: Japanese has no blanks to break at, and
nothing is cut off. What people and PCs wrote stands as it is, for in rich's own language brackets would mean colours.
"""

import sys
from collections.abc import Iterable, Sequence

from ca_server.cli.output import spoken

_WIDTH = 80


def draw(heads: Sequence[str], rows: Iterable[Sequence[str]], *, unbroken: Sequence[int] = (0,)) -> None:
    """Draw a table in the reader's language; the columns named by their places stay in one line each."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Column, Table

    columns = [Column(spoken(head), overflow="fold", no_wrap=place in unbroken) for place, head in enumerate(heads)]
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False, expand=False)
    for row in rows:
        table.add_row(*(spoken(cell) for cell in row))
    width = None if sys.stdout.isatty() else _WIDTH
    Console(width=width, highlight=False, markup=False, emoji=False).print(table)
