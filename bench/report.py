"""The findings as text of 80 columns, as Markdown and as JSON."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from textwrap import wrap

from bench.figures import Claim, Findings, Table, written

WIDTH = 80
_MOST_LOAD = 0.5
_PACKAGES = ("nginx", "golang-cfssl", "openssl", "pebble", "wrk")
_LIBRARIES = ("cryptography", "aiohttp", "uvloop", "sqlalchemy", "lmdb")
_VERDICTS = {"aim": "aim reached", "least": "least reached", "missed": "missed"}


@dataclass(frozen=True)
class Machine:
    """Where and when it was measured, and with what."""

    day: str
    processor: str
    cores: int
    memory_gib: int
    load: float
    """How many programs of others wanted a core when it began."""
    minutes: float
    quick: bool
    versions: dict[str, str]

    @property
    def is_busy(self) -> bool:
        """Tell whether others measured with us."""
        return self.load > _MOST_LOAD


def machine(load: float, seconds: float, *, quick: bool) -> Machine:
    """Return what this machine is; `load` is what it had to do before, `seconds` how long the measuring took."""
    processor = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
    octets = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = {"Python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}, **_installed()}
    day = time.strftime("%Y-%m-%d", time.gmtime())
    gib = round(octets / (1 << 30))
    return Machine(day, processor, os.cpu_count() or 1, gib, load, seconds / 60, quick, versions)


def _installed() -> dict[str, str]:
    """Return the versions of the peers' Debian packages."""
    found = {}
    for name in _PACKAGES:
        try:
            command = ["dpkg-query", "--show", "--showformat", "${Version}", name]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return {}
        if said.returncode == 0 and said.stdout:
            found[name] = said.stdout
    return found


def text(where: Machine, found: Sequence[Findings]) -> str:
    """Return everything as text."""
    lines = [*wrap(_introduction(where), WIDTH)]
    for each in found:
        for table in each.tables:
            lines += ["", table.title, *_as_text(table)]
            lines += [
                line for note in table.notes for line in wrap(note, WIDTH, initial_indent="  ", subsequent_indent="  ")
            ]
        lines += [line for fault in each.faults for line in ["", *wrap(f"FAILED {each.section}: {fault}", WIDTH)]]
    claims = _claims(found)
    if claims:
        lines += ["", "What must be shown"]
        for claim in claims:
            lines.append(claim.work)
            lines.append(f"    {claim.ratio}  least {claim.least:g}, aim {claim.aim:g}: {_VERDICTS[claim.verdict]}")
    return "\n".join(lines)


def markdown(where: Machine, found: Sequence[Findings]) -> str:
    """Return the tables for the README."""
    lines = [_introduction(where)]
    claims = _claims(found)
    if claims:
        lines += ["", "| work | ratio | least | aim | |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| {each.work} | {each.ratio} | {each.least:g} | {each.aim:g} | {_VERDICTS[each.verdict]} |"
            for each in claims
        ]
    for each in found:
        for table in each.tables:
            lines += ["", f"### {table.title}", ""]
            lines += [f"| | {' | '.join(table.columns)} |", f"|{' --- |' * (len(table.columns) + 1)}"]
            for row in table.rows:
                cells = (str(row.figures.get(column, "")) for column in table.columns)
                lines.append(f"| {row.name} | {' | '.join(cells)} |")
            lines += ["", *(f"{note}. " for note in table.notes)]
        lines += [f"\n**Failed:** {each.section}: {fault}" for fault in each.faults]
    return "\n".join(lines)


def json_of(where: Machine, found: Sequence[Findings]) -> str:
    """Return every round's values."""
    document = {
        "machine": vars(where),
        "sections": [
            {
                "section": each.section,
                "tables": [_as_document(table) for table in each.tables],
                "faults": each.faults,
            }
            for each in found
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _introduction(where: Machine) -> str:
    words = ", ".join(f"{name} {number}" for name, number in where.versions.items())
    warning = "QUICK RUN, of no worth as a measurement. " if where.quick else ""
    if where.is_busy:
        warning += f"THE MACHINE WAS BUSY, load {where.load:.1f}: mind CPU, and rates little. "
    return (
        f"{warning}{where.day}, {where.cores} cores of {where.processor}, {where.memory_gib} GiB; {words}; "
        f"{where.minutes:.0f} minutes. Median [least–most] of the rounds."
    )


def _claims(found: Sequence[Findings]) -> list[Claim]:
    return [claim for each in found for table in each.tables for claim in table.claims]


def _as_text(table: Table) -> Iterator[str]:
    """Yield the table's lines: with every spread where there is room, else with medians only where they fit."""
    for spreads in (table.columns, table.drawn, ()):
        lines = list(_aligned(table, spreads))
        if max(map(len, lines)) <= WIDTH:
            break
    yield from lines


def _aligned(table: Table, spreads: Sequence[str]) -> Iterator[str]:
    cells = [["", *table.columns]]
    for row in table.rows:
        cells.append([row.name])
        for column in table.columns:
            figure = row.figures.get(column)
            cells[-1].append("" if figure is None else str(figure) if column in spreads else written(figure.median))
    widths = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    for name, *others in cells:
        aligned = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield f"{name.ljust(widths[0])}  {'  '.join(aligned)}".rstrip()


def _as_document(table: Table) -> dict[str, object]:
    return {
        "title": table.title,
        "rows": {
            row.name: {column: list(figure.values) for column, figure in row.figures.items()} for row in table.rows
        },
        "claims": [
            {
                "work": claim.work,
                "ratio": list(claim.ratio.values),
                "median": claim.ratio.median,
                "least": claim.least,
                "aim": claim.aim,
                "verdict": claim.verdict,
            }
            for claim in table.claims
        ],
        "notes": list(table.notes),
    }
