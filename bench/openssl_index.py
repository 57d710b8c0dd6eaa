"""The list of certificates as `openssl ca` and `openssl ocsp` keep it: index.txt, a line a certificate."""

from collections.abc import Iterable
from pathlib import Path

from bench.population import Population
from ca_server.clock import moment


def write(path: Path, population: Population, places: Iterable[int]) -> None:
    """Write the certificates at some places of a population."""
    ends = _time(population.not_after)
    with path.open("w", encoding="ascii") as file:
        for place in places:
            mark = population.revoked(place)
            revoked = "" if mark is None else f"{_time(mark[0])},{mark[1].name}"
            letter = "V" if mark is None else "R"
            name = f"/C=JP/O=Example Agency Client CA/CN={population.cn(place)}"
            file.write(f"{letter}\t{ends}\t{revoked}\t{population.serial(place):X}\tunknown\t{name}\n")
    path.with_name(path.name + ".attr").write_text("unique_subject = no\n", "ascii")


def _time(seconds: int) -> str:
    return moment(seconds).strftime("%y%m%d%H%M%SZ")
