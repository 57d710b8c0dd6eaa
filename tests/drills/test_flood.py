"""The flood in small counts, and that workers that wait for ever are noticed."""

from pathlib import Path

from tests.drills import flood
from tests.drills.figures import missed


def test_slow_connections_and_garbage_do_not_keep_others_from_their_answers(tmp_path: Path) -> None:
    assert missed(flood.drill(tmp_path, connections=50, within=7, impatient=True)) == []


def test_workers_that_wait_for_ever_are_noticed(tmp_path: Path) -> None:
    late = {figure.what for figure in missed(flood.drill(tmp_path, connections=10, within=2, defect="wait-for-ever"))}
    assert {f"flood: {kind}, longest" for kind in ("headers", "bodies", "chunks", "idle")} <= late
