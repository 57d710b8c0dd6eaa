"""Revocations are seen in time, in small counts, and a keeper that is late is noticed."""

from pathlib import Path

from tests.drills import seen
from tests.drills.figures import missed


def test_a_revocation_is_seen_by_ocsp_and_in_the_crl_while_others_ask_and_enrol(tmp_path: Path) -> None:
    assert missed(seen.drill(tmp_path, count=5, enrolling=5, at_ease=False)) == []


def test_a_keeper_that_reads_every_three_seconds_is_noticed(tmp_path: Path) -> None:
    figures = seen.drill(tmp_path, count=2, enrolling=0, defect="follow-late", at_ease=False)
    assert {figure.what for figure in missed(figures)} == {"seen: in OCSP, at every worker, slowest"}
