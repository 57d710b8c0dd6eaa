"""Figures, claims and what is made of them: text of 80 columns, JSON, a picture."""

import dataclasses
import itertools
import json
from xml.etree import ElementTree as ET

import pytest

from bench import __main__ as command
from bench import picture, report
from bench.figures import Claim, Figure, Findings, Missing, Table, Wanted, left_out, tabulated
from bench.rounds import Asked, interleaved

MACHINE = report.Machine("2026-11-26", "a processor of 3 GHz", 2, 24, 0.1, 20.0, False, {"Python": "3.11.7"})
FIGURES = {
    "warifu GET": {"requests/s": Figure((80_849.0, 79_100.0, 81_200.0)), "CPU µs each": Figure((12.4, 12.1, 12.9))},
    "nginx GET": {"requests/s": Figure((122_810.0, 118_000.0, 125_000.0)), "CPU µs each": Figure((8.1, 8.0, 8.4))},
}
GET = Wanted("GET against nginx", "warifu GET", "nginx GET", "requests/s", 0.55, 0.7)
TABLE = tabulated("OCSP", FIGURES, (GET,), notes=("a word " * 30,), drawn=("requests/s", "CPU µs each"))
FOUND = [Findings("ocsp", [TABLE]), Findings("crl", faults=["openssl < was & away"])]


def test_a_ratio_is_taken_pair_by_pair() -> None:
    assert Figure((10.0, 30.0)).over(Figure((20.0, 10.0))).values == (0.5, 3.0)


def test_rounds_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Figure((1.0, 2.0)).over(Figure((1.0,)))


@pytest.mark.parametrize(
    ("least", "aim", "ratio", "verdict"),
    [
        (0.55, 0.7, 0.7, "aim"),
        (0.55, 0.7, 0.6, "least"),
        (0.55, 0.7, 0.5, "missed"),
        (1.3, 1.1, 1.1, "aim"),
        (1.3, 1.1, 1.2, "least"),
        (1.3, 1.1, 1.4, "missed"),
    ],
)
def test_a_claim_knows_which_direction_is_better(least: float, aim: float, ratio: float, verdict: str) -> None:
    assert Claim("work", Figure((ratio,)), least, aim).verdict == verdict


def test_a_claim_without_its_peer_is_left_out() -> None:
    notes: list[str] = []
    with left_out(notes):
        raise Missing("cfssl", "golang-cfssl")
    alone = tabulated("OCSP", {"warifu GET": FIGURES["warifu GET"]}, (GET,), notes=notes)
    assert alone.claims == ()
    assert "Debian: golang-cfssl" in report.text(MACHINE, [Findings("ocsp", [alone])])


def test_rounds_turn_round_so_that_drift_meets_everybody() -> None:
    order: list[str] = []
    clock = itertools.count()

    def measure(name: str) -> dict[str, float]:
        order.append(name)
        return {"s": float(next(clock))}

    seen = interleaved(3, {name: lambda name=name: measure(name) for name in "ab"})  # type: ignore[misc]
    assert "".join(order) == "abbaab"
    assert seen["a"]["s"].values == (0.0, 3.0, 4.0)


def test_a_line_of_text_has_at_most_80_columns() -> None:
    assert [line for line in report.text(MACHINE, FOUND).splitlines() if len(line) > 80] == []


def test_a_machine_that_was_busy_is_told_of() -> None:
    busy = dataclasses.replace(MACHINE, load=9.0)
    assert "BUSY" in report.text(busy, FOUND)
    assert "BUSY" not in report.text(MACHINE, FOUND)


def test_json_holds_every_round() -> None:
    document = json.loads(report.json_of(MACHINE, FOUND))
    rows = document["sections"][0]["tables"][0]["rows"]
    assert rows["nginx GET"]["requests/s"] == [122_810.0, 118_000.0, 125_000.0]
    assert document["sections"][1]["faults"] == ["openssl < was & away"]


def test_the_picture_is_xml_and_names_every_row() -> None:
    root = ET.fromstring(picture.drawn(MACHINE, FOUND))
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"warifu GET", "nginx GET", "80,849", GET.work} <= texts


def test_a_bar_is_as_long_as_its_figure() -> None:
    root = ET.fromstring(picture.drawn(MACHINE, [Findings("ocsp", [Table("t", TABLE.rows, drawn=("requests/s",))])]))
    bars = {
        bar[0].text.split(":")[0]: float(bar.attrib["width"])  # type: ignore[union-attr]
        for bar in root.iter("{http://www.w3.org/2000/svg}rect")
        if len(bar)
    }
    assert bars["warifu GET"] / bars["nginx GET"] == pytest.approx(80_849 / 122_810, rel=0.01)


def test_a_section_that_fails_takes_nothing_else_with_it(monkeypatch: pytest.MonkeyPatch, asked: Asked) -> None:
    def broken() -> Table:
        raise RuntimeError("the disk is full")

    def steps(_: Asked) -> object:
        yield "one", lambda: TABLE
        yield "two", broken
        yield "three", lambda: TABLE
        raise RuntimeError("the agency burnt down")

    monkeypatch.setitem(command.SECTIONS, "ocsp", steps)
    found = command.measured("ocsp", asked)
    assert found.tables == [TABLE, TABLE]
    assert found.faults == ["two: the disk is full", "the agency burnt down"]
