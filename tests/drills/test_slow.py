"""Slow connections in small counts, and that a service that waits for ever is noticed."""

import shutil
from pathlib import Path

import pytest

from tests.drills import slow
from tests.drills.figures import missed

pytestmark = pytest.mark.skipif(
    shutil.which(slow.PROGRAM) is None, reason="slowhttptest is missing: install the Debian package slowhttptest"
)


def test_slow_connections_are_cut_and_others_are_answered(tmp_path: Path) -> None:
    assert missed(slow.drill(tmp_path, connections=20, within=5, impatient=True)) == []


def test_a_service_that_waits_for_ever_is_noticed(tmp_path: Path) -> None:
    figures = slow.drill(tmp_path, connections=4, within=3, defect="wait-for-ever")
    late = {figure.what for figure in missed(figures)}
    kinds = [f"{kind}, {scheme}" for kind in ("headers", "body", "reading") for scheme in ("http", "https")]
    assert late == {f"slow: {kind}, longest" for kind in kinds}
